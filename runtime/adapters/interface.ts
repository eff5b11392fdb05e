import { adapterKinds, allLeavesOf } from "../../compiler/adapters/index.ts";
import { describedIn, takesInputs } from "../../compiler/adapters/description.ts";
import { ADAPTER_KEY, type AdapterKind, type KindName } from "../../compiler/adapters/kind.ts";
import { BASE_KEY } from "../../compiler/weights/base.ts";
import { parseSiteName, siteKey } from "../../compiler/sites/names.ts";
import type { Port } from "../session/tensor.ts";

/** The input that chooses a bank's member for each row, or for each token where tokens are flat. */
export const MEMBER_IDS = "adapter_ids";

/** An input that is part of an adapter. */
export interface AdapterPort {
  readonly port: Port;
  /** Layer and module: `3.self_attn.q_proj`. */
  readonly site: string;
  readonly kind: KindName;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Name below the site: a leaf's, or a coefficient's. */
  readonly part: string;
  /** Whether it is one number that a product is multiplied by, such as the α/r of LoRA. */
  readonly isCoefficient: boolean;
}

/** What a compiled graph takes of adapters beside what its base takes. */
export interface AdapterInterface {
  readonly ports: readonly AdapterPort[];
  /** The input that chooses members of a bank, or null. */
  readonly ids: Port | null;
  /** How many members the bank has; 0 for a graph without one. */
  readonly members: number;
  /** Names of the bank's members, by their ids; the ids themselves where the graph names none. */
  readonly memberNames: readonly string[];
  /** Fingerprint of the base, or null. */
  readonly base: string | null;
}

/**
 * What a graph takes of adapters, by its metadata. A graph that was not compiled takes nothing.
 *
 * @param file what messages call it
 */
export function interfaceIn(
  metadata: ReadonlyMap<string, string>,
  file: string,
  inputs: readonly Port[],
): AdapterInterface {
  const described = describedIn(metadata, ADAPTER_KEY, file);
  const ports = (takesInputs(described?.residence) ? (described?.parts ?? []) : []).flatMap(
    ({ kind, settings, sites }) => {
      const known = adapterKinds.get(kind);
      return known === undefined ? [] : sites.flatMap((site) => portsAt(site, known, settings, inputs));
    },
  );
  const isBank = described?.residence === "bank";
  const members = isBank ? (described.members ?? 0) : 0;
  return {
    ports,
    ids: isBank ? (inputs.find(({ name }) => name === MEMBER_IDS) ?? null) : null,
    members,
    memberNames: described?.names ?? Array.from({ length: members }, (_, id) => String(id)),
    base: metadata.get(BASE_KEY) ?? null,
  };
}

function portsAt(
  name: string,
  kind: AdapterKind,
  settings: Readonly<Record<string, unknown>>,
  inputs: readonly Port[],
): AdapterPort[] {
  const ref = parseSiteName(name);
  if (ref === null) return [];
  const coefficients = Object.keys(kind.coefficients(settings));
  return [...allLeavesOf(kind), ...coefficients].flatMap((part) => {
    const port = inputs.find((input) => input.name === `${name}.${part}`);
    const isCoefficient = coefficients.includes(part);
    return port === undefined
      ? []
      : [{ port, site: siteKey(ref), kind: kind.name, settings, part, isCoefficient }];
  });
}
