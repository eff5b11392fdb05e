import { adapterKinds, optionsOfKind } from "../adapters/index.ts";
import type { Option } from "../pass/options.ts";

export interface KindOption {
  readonly option: Option<unknown>;
  /** The option's default, where kinds have it: `32`, `8 with lora`. */
  readonly defaults: readonly string[];
  /** What it means to each kind that has it: `lora: rank of the two matrices`. */
  readonly helps: readonly string[];
}

/** Options of adapter kinds, by name. */
export function kindOptions(): ReadonlyMap<string, KindOption> {
  const found = new Map<string, KindOption>();
  for (const kind of adapterKinds.values()) {
    for (const [name, option] of Object.entries(optionsOfKind(kind))) {
      const known = found.get(name);
      const text = String(option.default);
      const defaults = known === undefined ? [text] : [...known.defaults, `${text} with ${kind.name}`];
      found.set(name, {
        option: known?.option ?? option,
        defaults,
        helps: [...(known?.helps ?? []), `${kind.name}: ${option.help}`],
      });
    }
  }
  return found;
}
