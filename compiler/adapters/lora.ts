import type { Func } from "../ir/model.ts";
import { checkOptions, integer, number, yesNo } from "../pass/options.ts";
import { AdapterBody } from "./body.ts";
import type { AdapterKind, BodyContext, Leaf, Shapes } from "./kind.ts";
import type { Width } from "../sites/places.ts";

interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
  readonly rslora: boolean;
}

/**
 * LoRA (Hu et al. 2021) as PEFT keeps it: with A `[r, in]`, B `[out, r]` and x `[…, in]`,
 *
 *     y = s · B(A x),   s = α/r, or α/√r with rsLoRA (Kalajdzievski 2023)
 *
 * The factor is applied where the tensor is smallest, `[…, r]`.
 */
export const lora: AdapterKind<LoraSettings> = {
  name: "lora",
  summary: "a product of two matrices of low rank beside a projection, as PEFT trains it",
  functionName: "LoraAdapter",
  options: {
    rank: integer({ help: "rank of the two matrices", default: 8, min: 1, max: 65536 }),
    alpha: number({ help: "scale: the product is multiplied by alpha / rank", default: 16, min: 0 }),
    rslora: yesNo({ help: "multiply by alpha / √rank instead" }),
  },
  defaultSites: ["q_proj", "v_proj"],
  leafNames: ["lora_A.weight", "lora_B.weight"],
  size: "rank",
  mustBeStated: ["alpha"],
  settingsOf: (shapes: Shapes, stated) =>
    checkOptions(lora.options, { ...stated, rank: shapes.get("lora_A.weight")?.[0] ?? 0 }, "adapter lora"),
  widthOf: (shapes) => ({
    inFeatures: shapes.get("lora_A.weight")?.[1] ?? 0,
    outFeatures: shapes.get("lora_B.weight")?.[0] ?? 0,
  }),
  leaves,
  coefficients: (settings) => ({ scaling: scalingOf(settings) }),
  settingsFrom: ({ scaling = 1 }, size) => ({ alpha: scaling * size, rslora: false }),
  resized: (settings, rank) => {
    const scaling = scalingOf(settings);
    return { ...settings, rank, alpha: scaling * (settings.rslora ? Math.sqrt(rank) : rank) };
  },
  padding: () => null,
  body,
  bodyKey: () => "",
};

/** A rank of 0 adds nothing, whatever it is multiplied by. */
function scalingOf({ rank, alpha, rslora }: LoraSettings): number {
  return rank === 0 ? 1 : alpha / (rslora ? Math.sqrt(rank) : rank);
}

function leaves({ inFeatures, outFeatures }: Width, { rank }: LoraSettings): readonly Leaf[] {
  // PEFT begins A as torch begins a Linear: Kaiming's uniform distribution with a = √5, whose bound is 1/√in.
  const a = { kind: "uniform", bound: 1 / Math.sqrt(inFeatures) } as const;
  return [
    {
      name: "lora_A.weight",
      shape: [rank, inFeatures],
      init: a,
      grows: { axis: 0, outer: 1, inner: inFeatures, fill: a },
    },
    {
      name: "lora_B.weight",
      shape: [outFeatures, rank],
      // Zeros here make a fresh adapter add exactly nothing.
      init: { kind: "zeros" },
      grows: { axis: 1, outer: outFeatures, inner: 1, fill: { kind: "zeros" } },
    },
  ];
}

function body(width: Width, _settings: LoraSettings, context: BodyContext): Func {
  const b = new AdapterBody(context, width);
  const [down, up] = [b.leaf("lora_A.weight"), b.leaf("lora_B.weight")];
  const scaling = b.coefficient("scaling");
  const reduced = b.choose(b.x, b.turned(down), "reduced"); // [T, r]
  const scaled = b.op("Mul", [reduced, scaling], "scaled");
  return b.end(b.join(scaled, b.turned(up), "y")); // [T, out]
}
