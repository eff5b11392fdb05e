import type { Func } from "../ir/model.ts";
import { checkOptions, integer, number, yesNo, type Schema } from "../pass/options.ts";
import { AdapterBody } from "./body.ts";
import { MAGNITUDE, scaledByMagnitude } from "./dora.ts";
import { columnsOf } from "./lookup.ts";
import type { AdapterKind, BodyContext, Leaf, Shapes } from "./kind.ts";
import type { Width } from "../sites/places.ts";

interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
  readonly rslora: boolean;
  /** Whether it is DoRA, with a magnitude for each row of the weight. Left out where it is not. */
  readonly dora?: boolean;
}

/** What of the settings has an option; whether it is DoRA the leaves tell, and of fresh ones their name. */
type LoraOptions = Omit<LoraSettings, "dora">;

const loraOptions: Schema<LoraOptions> = {
  rank: integer({ help: "rank of the two matrices", default: 8, min: 1, max: 65536 }),
  alpha: number({ help: "scale: the product is multiplied by alpha / rank", default: 16, min: 0 }),
  rslora: yesNo({ help: "multiply by alpha / √rank instead" }),
};

/**
 * LoRA (Hu et al. 2021) as PEFT keeps it: with A `[r, in]`, B `[out, r]` and x `[…, in]`,
 *
 *     y = s · B(A x),   s = α/r, or α/√r with rsLoRA (Kalajdzievski 2023)
 *
 * The factor is applied where the tensor is smallest, `[…, r]`. Of an embedding, x is ids of tokens, and A has a column
 * for each. With a vector of magnitudes it is
 * {@link scaledByMagnitude | DoRA}.
 */
export const lora: AdapterKind<LoraSettings> = {
  name: "lora",
  summary: "a product of two matrices of low rank beside a projection, as PEFT trains it",
  functionName: "LoraAdapter",
  options: loraOptions,
  defaultSites: ["q_proj", "v_proj"],
  leafNames: ["lora_A.weight", "lora_B.weight"],
  optionalLeaves: [MAGNITUDE],
  forms: [
    {
      name: "dora",
      summary: "LoRA that also learns how long each row of the projection's weight is",
      settings: { dora: true },
    },
  ],
  size: "rank",
  mustBeStated: ["alpha"],
  settingsOf: (shapes: Shapes, said) => {
    const stated = Object.fromEntries(Object.entries(said).filter(([name]) => name !== "dora"));
    const rank = shapes.get("lora_A.weight")?.[0] ?? 0;
    const settings = checkOptions<LoraOptions>(loraOptions, { ...stated, rank }, "adapter lora");
    return shapes.has(MAGNITUDE) ? { ...settings, dora: true } : settings;
  },
  widthOf: (shapes) => ({
    inFeatures: shapes.get("lora_A.weight")?.[1] ?? 0,
    outFeatures: shapes.get("lora_B.weight")?.[0] ?? 0,
  }),
  leaves,
  neutral: { scaling: 1, dora: 0 },
  coefficients: (settings) => ({
    scaling: scalingOf(settings),
    ...(settings.dora === true ? { dora: 1 } : {}),
  }),
  settingsFrom: ({ scaling = 1, dora }, size) => ({
    alpha: scaling * size,
    rslora: false,
    ...(dora === undefined ? {} : { dora: dora !== 0 }),
  }),
  resized: (settings, rank) => {
    const scaling = scalingOf(settings);
    return { ...settings, rank, alpha: scaling * (settings.rslora ? Math.sqrt(rank) : rank) };
  },
  padding: () => null,
  readsProjection: ({ dora }) => dora === true,
  body,
  bodyKey: ({ dora }) => (dora === true ? "dora" : ""),
};

/** A rank of 0 adds nothing, whatever it is multiplied by. */
function scalingOf({ rank, alpha, rslora }: LoraSettings): number {
  return rank === 0 ? 1 : alpha / (rslora ? Math.sqrt(rank) : rank);
}

function leaves({ inFeatures, outFeatures }: Width, { rank, dora }: LoraSettings): readonly Leaf[] {
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
    // Rows as long as they are: with B of zeros nothing is added.
    ...(dora === true
      ? [{ name: MAGNITUDE, shape: [outFeatures], init: { kind: "row-lengths" }, grows: null } as const]
      : []),
  ];
}

function body(width: Width, { dora }: LoraSettings, context: BodyContext): Func {
  const b = new AdapterBody(context, width);
  const [down, up] = [b.leaf("lora_A.weight"), b.leaf("lora_B.weight")];
  const magnitude = dora === true ? b.perFeature(MAGNITUDE) : null;
  const scaling = b.coefficient("scaling");
  const strength = dora === true ? b.coefficient("dora") : null;
  const reduced =
    width.readsIds === true
      ? columnsOf(b, b.x, down, width.inFeatures)
      : b.choose(b.x, b.turned(down), "reduced"); // [T, r]
  const scaled = b.op("Mul", [reduced, scaling], "scaled");
  if (magnitude === null || strength === null) return b.end(b.join(scaled, b.turned(up), "y")); // [T, out]
  return b.end(scaledByMagnitude(b, b.join(scaled, b.turned(up), "delta"), magnitude, strength));
}
