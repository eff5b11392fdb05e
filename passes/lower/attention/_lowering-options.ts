import type { KvForm } from "../../../compiler/ops/kv.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";

/** What attention is written for. */
export interface LoweringOptions {
  readonly provider: Provider;
  readonly kv: KvForm;
  /** How many positions shared caches hold. */
  readonly maxLength: number;
}
