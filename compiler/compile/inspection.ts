import type { AdapterDescription } from "../adapters/description.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Provider } from "../ops/providers.ts";
import type { Training } from "../ops/training.ts";

/** What tfc understands of a model: what `tfc inspect --json` prints, and two fields more. */
export interface Inspection extends InspectedModel {
  /** What the graph looks like, where it is no Llama-family decoder; else null. */
  readonly refusal: string | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** What is understood of a model. */
export interface InspectedModel {
  /** Who wrote the graph, as far as its ops and names tell: a heading of docs/styles.md. */
  readonly style: string;
  /** The producer that the file names. */
  readonly exporter: string;
  /** Width of the residual stream; null where no block was matched. */
  readonly hiddenSize: number | null;
  readonly layers: readonly InspectedLayer[];
  /** Blocks that were understood. */
  readonly matched: BlockCounts;
  /** Blocks that were seen. */
  readonly seen: BlockCounts;
  /** Why the others were not understood; codes as the pages of the outlining passes explain them. */
  readonly misses: readonly InspectedMiss[];
  /** Elements of all initializers. */
  readonly parameters: number;
  /** Inputs of the graph, such as `input_ids` of the type `int64[batch,sequence]`. */
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
  /** Why no block of a kind was seen, by kind; left out where some were. */
  readonly unseen?: Readonly<Record<string, string>>;
  /** Blocks of hybrids that mix tokens in another way than attention; left out where there are none. */
  readonly others?: readonly InspectedMixer[];
  /** LoRA that the graph has written out; left out where there is none. */
  readonly lora?: readonly InspectedLora[];
  /** Adapters of a compiled model. */
  readonly adapters?: AdapterDescription;
  /** Replaced projections of a compiled model. */
  readonly replaced?: AdapterDescription;
  /** Fingerprint of the base of a compiled model. */
  readonly base?: string;
  /** The execution provider that a lowered model is for. */
  readonly loweredFor?: string;
  /** Positions in each cache of a model that was compiled with `kv: shared`. */
  readonly maxLength?: number;
  /** Whether the graph takes its row to hold tokens only, none of padding. */
  readonly unpadded?: boolean;
  /** Whether the graph generates by itself, in a loop of decoder steps. */
  readonly decodeLoop?: boolean;
  /** What a training step gives, and of which parameters. */
  readonly training?: Training;
  /** How many products `pack` has made of several projections each. */
  readonly packed?: number;
  /** Where the nodes run, where that was asked for; null where, their functions written out, they are too many. */
  readonly placement?: InspectedPlacement | null;
}

/** A number for each kind of block. */
export interface BlockCounts {
  readonly attention: number;
  readonly mlp: number;
}

/** One layer of a decoder. */
export interface InspectedLayer {
  /** Counted from 0. */
  readonly index: number;
  /** `model.layers.0` */
  readonly name: string;
  /** Null where it has none that was understood. */
  readonly attention: InspectedAttention | OutlinedBlock | null;
  /** Null where it has none that was understood. */
  readonly mlp: InspectedMlp | InspectedMoeBlock | OutlinedBlock | null;
}

/** A block of a compiled model: a call of a function. */
export interface OutlinedBlock {
  readonly outlined: true;
  /** The call's name, such as `model.layers.0.mlp`. */
  readonly call: string;
  /** The function's name, such as `Mlp`. */
  readonly function: string;
}

/** What every block that was understood says of itself. */
export interface InspectedRegion {
  /** Nodes that belong to it. */
  readonly nodes: number;
  /** Name of the value that it reads: the normalized residual stream. */
  readonly input: string | null;
  /** Name of the value that it ends in. */
  readonly output: string | null;
}

/** An attention block that was understood. */
export interface InspectedAttention extends InspectedRegion {
  /** Place of the Softmax or attention op in the file. */
  readonly at: string;
  readonly op: string;
  /** Query heads; null where the graph does not tell, as for the next two. */
  readonly heads: number | null;
  /** Heads of keys and values. */
  readonly kvHeads: number | null;
  /** Width of a head. */
  readonly headDim: number | null;
  /** The narrow value that keys and values are made of, in multi-head latent attention. */
  readonly latent?: { readonly width: number; readonly queryWidth: number | null; readonly cached: boolean };
  /** How q, k and v lie in one product: `separate`, `split`, `slice`, `op` or `single`. */
  readonly packing: string;
  /** How heads of keys and values are repeated: `expand`, `tile`, `gather`, `op` or `none`; null where not understood. */
  readonly repeatKv: string | null;
  /** What scores are multiplied by, and where: `score`, `operands`, `attribute` or `default`. */
  readonly scale: { readonly value: number; readonly at: string } | null;
  /** What scores are capped at, a number or `not constant`; null for no cap. */
  readonly softcap: number | "not constant" | null;
  /** Name of the attention sinks. */
  readonly sinks?: string | null;
  /** `kind`: `add`, `where`, `causal`, `operand` or `none`; `window` in tokens where an op says it. */
  readonly mask: { readonly kind: string; readonly source: string | null; readonly window: number | null };
  /** Ops between projections and scores that are not known to tfc. */
  readonly opaque?: readonly string[];
  /** Null where none was understood. `kind`: `rotate_half`, `op` or `inside` the attention op. */
  readonly rotary: {
    readonly kind: string;
    readonly partial: boolean;
    readonly interleaved?: boolean;
  } | null;
  /** Null for none. `kind`: `concat`, `op` or `scatter`. */
  readonly cache: {
    readonly kind: string;
    readonly pastKey: string | null;
    readonly presentKey: string | null;
  } | null;
}

/** An MLP that was understood. */
export interface InspectedMlp extends InspectedRegion {
  /** Place of the activation in the file. */
  readonly at: string;
  readonly activation: string;
  readonly gated: boolean;
  /** How gate and up lie in one product: `separate`, `split`, `slice`, `op` or `single`. */
  readonly packing: string;
  readonly intermediateSize: number;
}

/** The MLP of a layer that is a mixture of experts. */
export interface InspectedMoeBlock {
  readonly moe: InspectedMoe;
}

/** A mixture of experts that was understood. */
export interface InspectedMoe extends InspectedRegion {
  /** Place of what chooses in the file. */
  readonly at: string;
  readonly experts: number;
  /** Experts for each token; null where the graph does not say. */
  readonly topK: number | null;
  /** How many groups of experts there are, and of how many the experts are chosen; null for none. */
  readonly groups: { readonly count: number; readonly top: number } | null;
  /** `softmax` or `sigmoid`; null where it is neither. */
  readonly scoring: string | null;
  /** How the experts are written. */
  readonly form: string;
  readonly activation: string | null;
  /** Experts that every token goes through. */
  readonly shared: readonly { readonly intermediateSize: number; readonly gated: boolean }[];
}

/** Why a block was not understood. */
export interface InspectedMiss {
  readonly code: string;
  /** Place in the file. */
  readonly at: string;
  readonly wanted: string;
  readonly got: string;
}

/** A block that mixes tokens in another way than attention: a convolution, a scan. */
export interface InspectedMixer {
  readonly layer: number;
  readonly op: string;
  /** Place in the file. */
  readonly at: string;
}

/** LoRA beside one projection, written out in the graph. */
export interface InspectedLora {
  readonly layer: number;
  /** What the projection is: `q_proj`, or several where it is packed. */
  readonly sites: readonly string[];
  /** Null where it is any, as for LoRA that is an input. */
  readonly rank: number | null;
  /** α/r */
  readonly scale: number;
}

/**
 * Where onnxruntime runs the nodes of a model, as far as its table of kernels and its rules tell: of the graph as it is
 * written, its functions written out, before onnxruntime rewrites it.
 */
export interface InspectedPlacement {
  readonly provider: Provider;
  /** The version of onnxruntime whose kernels these are. */
  readonly onnxruntime: string;
  /** Nodes on the provider. */
  readonly on: number;
  /** Nodes elsewhere. */
  readonly off: number;
  /** Nodes elsewhere, by reason. */
  readonly reasons: Readonly<Partial<Record<OffReason, number>>>;
  /** Names of the values that are copied in each run, beside what is fed and fetched: to the device and from it. */
  readonly copies: { readonly in: readonly string[]; readonly out: readonly string[] };
  /** Every node, in the order of the graph, behind those graphs that are inside of others. */
  readonly nodes: readonly InspectedNode[];
}

/**
 * Why a node is not on the provider: it has no kernel of the op (`op`), none of this version of it (`version`), none for
 * these types (`types`) or attributes (`attributes`); onnxruntime casts float16 to float around it, since only that has a
 * kernel, on the CPU (`casts`); or it computes with shapes, which onnxruntime keeps on the CPU (`shapes`).
 */
export type OffReason = "op" | "version" | "types" | "attributes" | "casts" | "shapes";

/** Where one node runs. */
export interface InspectedNode {
  /** Its name behind those of the calls that it is in. */
  readonly name: string;
  readonly op: string;
  /** The layer that it is in; null of what is in none, or in none that is known. */
  readonly layer: number | null;
  /** Null where no provider has a kernel: onnxruntime writes the op out in others, or refuses the model. */
  readonly provider: Provider | null;
  readonly reason?: OffReason;
  /**
   * Of a node elsewhere: all that it needs the CPU has, sizes and the integers and masks that are fed. It waits for
   * nothing of the device. Left out where that is not so.
   */
  readonly isHostOnly?: true;
  /** Of the reason `types`: what the node has and the kernels do not take. */
  readonly types?: { readonly wanted: readonly string[]; readonly found: string };
}
