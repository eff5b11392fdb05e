import { adapterTargets } from "./adapters.ts";
import { modelTargets } from "./models.ts";
import { settingsTargets } from "./settings.ts";
import type { Target } from "./target.ts";

export type { Target } from "./target.ts";

/** Every kind of input. */
export const targets: readonly Target[] = [...modelTargets, ...adapterTargets, ...settingsTargets];
