import type { Value } from "../../compiler/ir/value.ts";
import type { Linear } from "../../compiler/recognize/linear/linear.ts";
import { gateOf } from "../../compiler/recognize/linear/projections.ts";
import type { Mlp } from "../../compiler/recognize/mlp/mlp.ts";

/** What values are to a block: names of the parameters that its function gets for them. */
export class Roles {
  readonly #names = new Map<Value, string>();

  get names(): ReadonlyMap<Value, string> {
    return this.#names;
  }

  /** Names a value, unless it is absent or has a name. */
  value(value: Value | null | undefined, role: string): void {
    if (value && !this.#names.has(value)) this.#names.set(value, role);
  }

  linear({ node, weight, bias }: Linear, role: string): void {
    this.value(weight, `${role}_weight`);
    // What a node outside also reads the weight through comes in as it is multiplied.
    this.value(node.input(1), `${role}_weight`);
    this.value(bias, `${role}_bias`);
  }

  /** @param prefix in front of `gate`, `up`, `gate_up` and `down` */
  mlp(mlp: Mlp, prefix = ""): void {
    const gate = gateOf(mlp);
    const isPacked = mlp.inputs.length === 1;
    for (const linear of mlp.inputs) {
      const role = linear === gate ? "gate" : "up";
      this.linear(linear, `${prefix}${!mlp.gated ? "up" : isPacked ? "gate_up" : role}`);
    }
    this.linear(mlp.down, `${prefix}down`);
  }
}
