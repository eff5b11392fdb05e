import type { ExpertForm } from "./experts.ts";
import type { Moe } from "./moe.ts";

const forms: Readonly<Record<ExpertForm, string>> = {
  separate: "each written by itself",
  batched: "batched",
  op: "in one op",
};

/** A mixture of experts in a line: `8 experts, top 2, shared 1, softmax, silu, batched`. */
export function moeText({ experts, router, shared, activation, form }: Moe): string {
  const { topK, groups, scoring } = router;
  const gated = shared.some(({ gate }) => gate !== null) ? " (gated)" : "";
  const parts = [
    `${experts} experts`,
    topK === null ? "top unknown" : `top ${topK}`,
    groups === null ? null : `of the best ${groups.top} of ${groups.count} groups`,
    shared.length === 0 ? null : `shared ${shared.length}${gated}`,
    scoring,
    activation,
    forms[form],
  ];
  return parts.filter((part) => part !== null).join(", ");
}
