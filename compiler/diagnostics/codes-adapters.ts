import { meantText } from "./closest.ts";
import { error, note, warning } from "./row.ts";

/** Messages about adapters: where they go, what they are in files, and at run time. */
export const adapterCodes = {
  // ---- sites
  SITE_EMPTY: error((p: { site: string; found: string }) => ({
    what: `no block was matched for the site "${p.site}"`,
    wanted: "a place for it in every layer that is named, or in at least one where none is named",
    found: p.found,
    fix: "correct which sites are asked for; `tfc inspect` says why nothing matched",
  })),
  SITE_DTYPE: error((p: { site: string; dtype: string }) => ({
    what: `an adapter cannot be put at ${p.site}`,
    wanted: "activations of type float, float16, bfloat16 or double",
    found: p.dtype,
    fix: "leave the site out of `sites`",
  })),
  SITE_PARTIAL: warning((p: { site: string; blocks: readonly string[] }) => ({
    what: `${p.site} was not found in ${p.blocks.length} ${p.blocks.length === 1 ? "block" : "blocks"}, which ${p.blocks.length === 1 ? "has" : "have"} no adapter there`,
    found: `no such projection in ${p.blocks.join(", ")}`,
    fix: "name the layers that have it (`sites: q_proj@0-3`), or leave the site out",
  })),
  LORA_IN_GRAPH: warning((p: { sites: readonly string[] }) => ({
    what: `the graph adds LoRA of its own at ${p.sites.length} of the projections that the adapter is for, and the adapter is added to it`,
    wanted: "an adapter that the graph does not hold already: the same one would count twice",
    found: `LoRA written into the graph at ${p.sites.slice(0, 3).join(", ")}${p.sites.length > 3 ? `, and ${p.sites.length - 3} more` : ""}`,
    fix: "tfc adapter extract MODEL -o ADAPTER --base BASE takes the graph's own LoRA out: compile BASE; or leave out `load` if the graph's own LoRA is the adapter that is meant",
  })),
  LORA_LEFT: warning((p: { count: number; why: string }) => ({
    what: `LoRA was left in the graph at ${p.count} ${p.count === 1 ? "linear" : "linears"}: base and adapter together are still what the graph was`,
    wanted: "stored matrices A and B beside a projection of a block that was understood",
    found: p.why,
    fix: "see `tfc explain` for what was understood; for a base without any LoRA, export the model without its adapter",
  })),
  EXTRACT_NOTHING: error((p: { found: string }) => ({
    what: "no LoRA can be taken out of the graph",
    wanted: "projections to which the graph adds B(A x), with A and B among its weights",
    found: p.found,
    fix: "see `tfc inspect` for what the graph has; adapters beside it are in files of their own",
  })),
  EXTRACT_GIVEN: error((p: { name: string; places: number }) => ({
    what: "the graph has no LoRA of its own: it takes LoRA as inputs",
    wanted: "matrices A and B among the weights of the graph",
    found: `graph inputs at ${p.places} projections, such as "${p.name}"`,
    fix: "the adapter is in the file that these inputs are fed from: tfc adapter import FILE.onnx_adapter; with --base BASE and without -o the graph is written without LoRA and without these inputs",
  })),
  DORA_REFUSED: error((p: { site: string; why: string }) => ({
    what: `DoRA cannot be put beside ${p.site}`,
    wanted:
      "a projection whose weight is in the graph, in a float type, or as integers of MatMulNBits where adapters are no inputs: DoRA turns on the length of its rows",
    found: p.why,
    fix: "choose projections of a float export of the base (with `quantize` where it is to be small); else take `adapter: lora` for fresh adapters, and merge a trained one into the model with PEFT (merge_and_unload) and export that",
  })),
  REPLACE_IMPOSSIBLE: error((p: { site: string; why: string }) => ({
    what: `${p.site} cannot be replaced by token-parameter attention`,
    wanted: "a projection by itself, all parts of a packed one, or an MLP",
    found: p.why,
    fix: "correct `replace`",
  })),
  REPLACE_WEIGHTS_MISSING: error((p: { site: string }) => ({
    what: `the file has no weights for ${p.site}, which is to be replaced`,
    wanted: "key and value parameter tokens for all that is replaced",
    found: "none at this site",
    fix: "correct `replace` to what the file has, or leave out `load` for fresh weights",
  })),
  REPLACE_IMPLIED: note((p: { sites: number }) => ({
    what: `the adapter was trained in place of what the base has at ${p.sites} ${p.sites === 1 ? "site" : "sites"}, and stands there in its place`,
    fix: "`replace` with these sites says so, too",
  })),
  SITE_TWICE: error((p: { site: string; kinds: readonly string[] }) => ({
    what: `two adapters are asked for at ${p.site}`,
    wanted: "one at each site",
    found: p.kinds.join(" and "),
    fix: "leave the site out of one of the two",
  })),

  // ---- adapters and models
  ADAPTER_SITE_MISSING: error((p: { site: string; model: string }) => ({
    what: `the model has no place for the adapter of ${p.site}`,
    wanted: "a block or projection of this layer that was understood",
    found: "none",
    fix: `give an adapter of this model, or see \`tfc inspect ${p.model}\` for what it has`,
  })),
  ADAPTER_LEAF_SHAPE: error((p: { wanted: string; found: string }) => ({
    what: "an adapter's weight does not fit its place in the model",
    wanted: `[${p.wanted}]`,
    found: `[${p.found}]`,
    fix: "give an adapter that was trained for this model",
  })),
  OVERRIDE_REFUSED: error((p: { model: string; why: string; wanted?: string; fix?: string }) => ({
    what: `a weight of the base that the checkpoint brings along cannot be put into ${p.model}`,
    wanted: p.wanted ?? "a parameter that the graph has, in a float type",
    found: p.why,
    fix: p.fix ?? "compile the float export of the base, or take the weight out of the checkpoint",
  })),
  BASE_MISMATCH: error((p: { wanted: string; found: string; difference: string }) => ({
    what: "the adapter belongs to another base model",
    wanted: `base ${p.wanted}`,
    found: `base ${p.found}: ${p.difference}`,
    fix: "give an adapter that was trained for this base, or `force` to use it all the same",
  })),
  ADAPTER_BASE_OTHER: error((p: { layers: number; missing: readonly string[] }) => ({
    what: "the adapter was trained for another model",
    wanted: "weights at every module of the model that the adapter's configuration names",
    found: `weights in ${p.layers} ${p.layers === 1 ? "layer" : "layers"}, and none at ${p.missing.slice(0, 3).join(", ")}${p.missing.length > 3 ? `, and ${p.missing.length - 3} more` : ""}`,
    fix: "give an adapter that was trained for this model; one of fewer layers says which in layers_to_transform of its adapter_config.json",
  })),
  MERGE_REFUSED: error((p: { model: string; why: string }) => ({
    what: `an adapter cannot be merged into the weights of ${p.model}`,
    wanted: "LoRA beside a projection whose weight is in a float type",
    found: p.why,
    fix: "compile the model with the adapter beside it: tfc compile --load; or merge into a float export",
  })),
  ADAPTER_CHECKPOINT: note(() => ({
    what: "the adapter is a checkpoint of a run: its parameters are loaded, the optimizer's state is left out",
  })),
  BASE_UNKNOWN: note(() => ({
    what: "the adapter does not say which weights it was trained for; its names and shapes fit this model",
    fix: "tfc adapter import ADAPTER --base MODEL writes the adapter with the fingerprint of a base that you know to be its own",
  })),
  ADAPTER_NOT_FINITE: error((p: { index: number; dtype: string }) => ({
    what: "a weight of the adapter is not finite",
    wanted: "finite numbers",
    found: `NaN or infinity at index ${p.index}, as ${p.dtype}`,
    fix: "train again with a smaller learning rate, or take an earlier checkpoint",
  })),
  ADAPTER_FACTOR_TOO_LARGE: error((p: { name: string; value: number; dtype: string }) => ({
    what: `an adapter's ${p.name} is too large for the type that the graph computes in`,
    wanted: `a ${p.name} that is finite as ${p.dtype}`,
    found: String(p.value),
    fix: "choose a smaller `alpha` or `tau`; if the file says it, it is a mistake of the training",
  })),
  BANK_REFUSED: error((p: { site: string; wanted: number; found: number | null }) => ({
    what: `a bank cannot have adapters of ${p.site} in this graph`,
    wanted: `values of ${p.wanted} dimensions there, as in the layers: of each row, or of each token, one id says which adapter it has`,
    found: p.found === null ? "values whose dimensions neither types nor ops tell" : `${p.found} dimensions`,
    fix: "compile with one adapter, or with `residence: inputs`, or leave this module out of the adapters",
  })),
  BANK_MIXED: error((p: { site: string; wanted: string; found: string }) => ({
    what: `the adapters of a bank differ in kind at ${p.site}`,
    wanted: p.wanted,
    found: p.found,
    fix: "make a bank of adapters of one kind (and, for scalarlm, one number of heads)",
  })),

  // ---- sizes
  HEADS_DO_NOT_DIVIDE: error((p: { heads: number; hidden: number }) => ({
    what: "`heads` must divide the hidden size",
    wanted: `a divisor of ${p.hidden}`,
    found: `${p.heads}`,
    fix: "choose another `heads`",
  })),
  RESIZE_DIRECTION: error((p: { how: "grow" | "shrink"; size: string; wanted: string; found: number }) => ({
    what: `tfc ${p.how} cannot give the adapter this ${p.size}`,
    wanted: p.wanted,
    found: String(p.found),
    fix: p.how === "grow" ? "use tfc shrink for less" : "use tfc grow for more",
  })),
  RESIZE_NOTHING: error((p: { asked: readonly string[]; usable: readonly string[] }) => ({
    what: "the adapter has nothing of the size that was given",
    wanted: p.usable.join(", "),
    found: p.asked.map((name) => `\`${name}\``).join(", "),
    fix: "give the size that its kinds have",
  })),
  RESIZE_UNCHANGED: warning(() => ({
    what: "the adapter has this size already, and the new one is the same",
    fix: "give another size, or use the adapter as it is",
  })),
  GROWTH_INEXACT: error((p: { norm: string }) => ({
    what: `an adapter with ${p.norm} cannot grow and stay what it is`,
    wanted: "a norm under which a token whose key is zeros weighs nothing: l2_norm_gelu or gelu_l2_norm",
    found: `${p.norm}, under which it weighs exp(0) = 1 beside the others`,
    fix: "train another adapter with more tokens, or one with another `norm`",
  })),
  ADAPTER_TOO_LARGE: error((p: { leaf: string; elements: number; most: number }) => ({
    what: `the adapter would be too large: ${p.leaf} alone has ${p.elements} elements`,
    wanted: `fewer than ${p.most} in one tensor`,
    found: `${p.elements}`,
    fix: "choose a smaller `rank`, or fewer `heads`, `tokens` or `members`",
  })),

  // ---- files of weights
  SAFETENSORS_INVALID: error((p: { why: string }) => ({
    what: "the file is not a valid safetensors file",
    wanted: "an 8-byte header length, a JSON header, and the tensors' bytes without gaps",
    found: p.why,
    fix: "get the file again",
  })),
  SAFETENSORS_UNSUPPORTED: error((p: { what: string }) => ({
    what: "a safetensors file cannot hold these weights",
    wanted: "tensors of a type the format names, and a header within its limit",
    found: p.what,
    fix: "leave the tensor out, or give it another type",
  })),
  TORCH_INVALID: error((p: { why: string }) => ({
    what: "the file is not a valid PyTorch checkpoint",
    wanted: "a zip archive of data.pkl and the tensors' bytes, as torch.save writes it",
    found: p.why,
    fix: "get the file again",
  })),
  TORCH_FORBIDDEN: error((p: { what: string }) => ({
    what: "the PyTorch checkpoint asks for more than data, which tfc never runs",
    wanted: "tensors, numbers, text, lists and dicts only",
    found: p.what,
    fix: "save plain data alone, such as torch.save(model.state_dict(), file), and only open files that you trust",
  })),
  TORCH_UNSUPPORTED: error((p: { what: string; fix?: string }) => ({
    what: "the PyTorch checkpoint holds something that tfc does not read",
    wanted: "little-endian tensors and plain values, as torch.save writes them since PyTorch 1.6",
    found: p.what,
    fix: p.fix ?? "leave it out, or save it as plain tensors",
  })),
  ONNX_ADAPTER_INVALID: error((p: { why: string }) => ({
    what: "the file is not a valid .onnx_adapter file",
    wanted: "a flatbuffer as onnxruntime writes it, with the identifier TORT and format_version 1",
    found: p.why,
    fix: "get the file again",
  })),
  ONNX_ADAPTER_UNSUPPORTED: error((p: { what: string }) => ({
    what: "onnxruntime would not read these weights from an .onnx_adapter file",
    wanted: "named tensors of one dimension or more, of integers or of floats with at least 8 bits",
    found: p.what,
    fix: "leave the tensor out, give it another type or shape, or keep it in a safetensors file",
  })),
  ONNX_ADAPTER_TOO_LARGE: error((p: { bytes: number; most: number }) => ({
    what: "an .onnx_adapter file cannot hold weights above 2 GiB",
    wanted: `at most ${p.most} bytes`,
    found: `${p.bytes} bytes`,
    fix: "keep the weights in a safetensors file",
  })),

  // ---- adapters in files
  ADAPTER_FORMAT_UNKNOWN: error((p: { found: string }) => ({
    what: "this is not an adapter in a format that tfc reads",
    wanted:
      "a safetensors, PyTorch or .onnx_adapter file, a PEFT folder (adapter_config.json), one of ScalarLM's checkpoints (checkpoint_*.pt), or a run of `tfc train` (adapter.safetensors)",
    found: p.found,
    fix: "give the file or folder that the training wrote",
  })),
  ADAPTER_EMPTY: error((p: { weights: number }) => ({
    what: "there is no adapter in the file",
    wanted: "weights of an adapter, such as model.layers.0.mlp.tokenformer_k",
    found: p.weights === 0 ? "no weights" : `${p.weights} weights of a base model and nothing else`,
    fix: "give the file that the training of the adapter wrote",
  })),
  ADAPTER_WEIGHT_UNKNOWN: error((p: { what: string; more: number }) => ({
    what: `tfc cannot apply a weight${p.more === 0 ? "" : ` (and ${p.more} more)`}, and leaves none out`,
    wanted: "weights of adapters at attention, MLPs and their projections, or weights of a Llama",
    found: p.what,
    fix: "train without it, or take it out of the file if the model does not need it",
  })),
  ADAPTER_LEAF_TWICE: error((p: { first: string }) => ({
    what: "two weights of the file are the same one by their names",
    wanted: "one adapter in a file, and each of its weights once",
    found: `also ${JSON.stringify(p.first)}`,
    fix: "save the adapters to files of their own",
  })),
  ADAPTER_LEAF_MISSING: error((p: { kind: string; missing: readonly string[] }) => ({
    what: `the ${p.kind} adapter of a site is not complete`,
    wanted: `the ${p.missing.length === 1 ? "weight" : "weights"} ${p.missing.join(", ")}`,
    found: "none of this name",
    fix: "get the file again, or save the whole adapter",
  })),
  ADAPTER_SHAPE_INVALID: error((p: { wanted: string; found: string }) => ({
    what: "a weight of the adapter has a shape that does not fit",
    wanted: p.wanted,
    found: p.found,
    fix: "get the file again, or check what it was trained for",
  })),
  ADAPTER_DTYPE: error((p: { dtype: string }) => ({
    what: "a weight of the adapter has a type that tfc does not compute in",
    wanted: "float, float16, bfloat16 or double",
    found: p.dtype,
    fix: "save the adapter unquantized",
  })),
  ADAPTER_ALPHA_UNKNOWN: error((p: { setting: string }) => ({
    what: `the file does not say the adapter's ${p.setting}, without which its weights mean nothing`,
    wanted: `${p.setting}, in the file or as an option`,
    found: "its weights alone",
    fix: `give \`${p.setting}\`, or the folder with the adapter_config.json that belongs to the file`,
  })),
  ADAPTER_SETTING_INVALID: error((p: { wanted: string; found: string }) => ({
    what: "the settings of an adapter do not fit",
    wanted: p.wanted,
    found: p.found,
    fix: "leave out what contradicts the file, or get the file again",
  })),
  ADAPTER_METADATA_INVALID: error((p: { why: string; of?: "model" }) => ({
    what: `what the ${p.of === "model" ? "model says of its adapters" : "file says of its adapter"} is not true of it, or not understood`,
    wanted:
      p.of === "model"
        ? "kinds, settings and sites, as `tfc compile` writes them"
        : "settings and sites of all its leaves, as `tfc adapter import` writes them",
    found: p.why,
    fix:
      p.of === "model"
        ? "compile the base model again, or take this entry out of the model's metadata"
        : "import the adapter again from what it was trained to",
  })),
  PEFT_CONFIG_INVALID: error((p: { field: string; wanted: string; found: string; fix?: string }) => ({
    what: `adapter_config.json is not valid${p.field === "" ? "" : `: ${p.field}`}`,
    wanted: p.wanted,
    found: p.found,
    fix: p.fix ?? "save the adapter again, or correct the file",
  })),
  PEFT_UNSUPPORTED: error((p: { what: string; found: string }) => ({
    what: `the PEFT adapter uses ${p.what}, which tfc does not support`,
    wanted: "LoRA or DoRA of projections, packed modules, embeddings or the head",
    found: p.found,
    fix: "merge the adapter into the model with PEFT, or train one of LoRA or DoRA",
  })),
  PEFT_CONTRADICTS: error((p: { wanted: string; found: string }) => ({
    what: "adapter_config.json and the weights contradict each other",
    wanted: p.wanted,
    found: p.found,
    fix: "put the two files together that were saved together",
  })),
  ADAPTER_FORMAT_CANNOT: error((p: { format: string; what: string; fix?: string }) => ({
    what: `${p.format} cannot hold this adapter`,
    wanted: "an adapter that the format has a place for",
    found: p.what,
    fix: p.fix ?? "give an output that ends with .safetensors: it holds every adapter",
  })),
  SERVER_SETTINGS: note((p: { server: string; settings: string }) => ({
    what: `${p.server} does not learn the adapter's size from its file`,
    fix: `start it with ${p.settings}`,
  })),
  SERVER_LEAVES_OUT: warning((p: { count: number }) => ({
    what: `the file holds ${p.count} ${p.count === 1 ? "weight" : "weights"} of the base that ScalarLM's server does not apply: it takes adapters and the head alone`,
    fix: "expect other answers there than those of a compiled graph, or train without weights of the base",
  })),
  OUTPUT_OTHER_CHECKPOINT: error((p: { name: string }) => ({
    what: "the folder holds another checkpoint, and ScalarLM's server loads whichever of them it finds first",
    wanted: "a folder without other .pt files",
    found: p.name,
    fix: "give a folder of its own for this adapter",
  })),
  ADAPTERS_DIFFER: error((p: { differences: number; first: string }) => ({
    what: `the adapters differ in ${p.differences} ${p.differences === 1 ? "place" : "places"}`,
    wanted: "the same sites, settings and numbers",
    found: p.first,
    fix: "see the report; `tolerance` allows for rounding",
  })),

  // ---- adapters at run time
  ADAPTER_KIND_OTHER: error((p: { wanted: string; found: string }) => ({
    what: "the graph was compiled for adapters of another kind",
    wanted: p.wanted,
    found: p.found,
    fix: "give an adapter of this kind, or compile the graph for the other one",
  })),
  ADAPTER_INPUTS_NONE: error(() => ({
    what: "the graph takes no adapters as inputs",
    wanted: "a graph compiled with `residence: inputs`",
    found: "no such inputs",
    fix: "compile the base with `residence: inputs`; or put the adapter into it by `tfc compile --load`, as replaced projections and weights of the base need it, and take that model without `load`",
  })),
  ADAPTER_NAME_UNKNOWN: error((p: { name: string; known: readonly string[] }) => ({
    what: `there is no adapter ${JSON.stringify(p.name)}`,
    wanted:
      p.known.length === 0
        ? "the name of an adapter"
        : `one of ${p.known.slice(0, 10).join(", ")}${p.known.length > 10 ? `, and ${p.known.length - 10} more` : ""}`,
    found: JSON.stringify(p.name),
    fix: `correct the name, or add the adapter first${meantText(p.name, p.known)}`,
  })),
  ADAPTER_REMOVED: error((p: { name: string }) => ({
    what: `the adapter ${JSON.stringify(p.name)} was removed while it was read`,
    wanted: "a name that stays until the adapter is read",
    found: "a call of remove",
    fix: "add it again if it is wanted",
  })),
  ADAPTER_READER_ENDED: error((p: { why: string }) => ({
    what: "the thread that reads adapters ended before it had read this one",
    wanted: "the adapter's tensors",
    found: p.why,
    fix: "try again; where memory ran out, with fewer adapters in memory",
  })),
  ADAPTER_IDS_NONE: error(() => ({
    what: "the graph holds no bank of adapters to choose from",
    wanted: "a graph compiled with `residence: bank`",
    found: "no input for ids",
    fix: "leave out `adapterIds`, or compile the base with `residence: bank`",
  })),
  ADAPTER_IDS_RANGE: error((p: { members: number; found: string }) => ({
    what: "an adapter id is out of range",
    wanted: `-1 for the base, or one from 0 to ${p.members - 1}`,
    found: p.found,
    fix: "correct `adapterIds`",
  })),
  ADAPTER_IDS_COUNT: error((p: { each: "row" | "token"; wanted: number; found: number }) => ({
    what: `adapter_ids must have one id for each ${p.each}`,
    wanted: `${p.wanted} ids`,
    found: String(p.found),
    fix: `give each ${p.each} an id; -1 is the base`,
  })),
} as const;
