/**
 * What torch's exporter notes on every node, as `metadata_props`: where in the model it comes from, and the Python
 * stack that made it. On average 1.6 kB a node, as in a real export.
 */

/** Classes of transformers' Llama, by the last name of a module's path that is not a number. */
const classes = {
  model: "transformers.models.llama.modeling_llama.LlamaModel",
  layers: "transformers.models.llama.modeling_llama.LlamaDecoderLayer",
  self_attn: "transformers.models.llama.modeling_llama.LlamaAttention",
  mlp: "transformers.models.llama.modeling_llama.LlamaMLP",
  input_layernorm: "transformers.models.llama.modeling_llama.LlamaRMSNorm",
  post_attention_layernorm: "transformers.models.llama.modeling_llama.LlamaRMSNorm",
  norm: "transformers.models.llama.modeling_llama.LlamaRMSNorm",
};
const LINEAR = "torch.nn.modules.linear.Linear";
const WHOLE = ["__main__.WithFlatCache", "transformers.models.llama.modeling_llama.LlamaForCausalLM"];

/** The stack down to the modules of a depth, outermost first. */
const frames = [
  ["export_dynamo.py", 31, "output = self.model("],
  ["transformers/models/llama/modeling_llama.py", 456, "outputs: BaseModelOutputWithPast = self.model("],
  ["transformers/models/llama/modeling_llama.py", 392, "hidden_states = decoder_layer("],
  ["transformers/models/llama/modeling_llama.py", 311, "hidden_states, _ = self.self_attn("],
  ["torch/nn/modules/linear.py", 134, "return F.linear(input, self.weight, self.bias)"],
];

/** A node's line with its label and notes. */
export function annotate({ name, line, module }) {
  const [, op = "", inputs = ""] = /= (\w+).*?\((.*?)\)/.exec(line) ?? [];
  const projection = /"([\w.]+_proj|lm_head)\.weight"/.exec(inputs)?.[1];
  const modules = pathsOf(projection ?? module);
  const types = [...WHOLE, ...modules.map((path) => classOf(path))];
  const target = `aten.${op.toLowerCase()}.default`;
  const reads = inputs.split(", ").map((input) => `%${input.replaceAll('"', "").replaceAll(".", "_")}`);
  const stack = frames
    .slice(0, modules.length + 2)
    .map(([file, at, code]) => `File "${file}", line ${at}, in forward\n    ${code}`);
  const notes = {
    namespace: `: ${types.map((type, i) => `${type}/${modules[i] ?? name}`).join(": ")}: ${target}`,
    "pkg.torch.onnx.class_hierarchy": list([...types, target]),
    "pkg.torch.onnx.fx_node": `%${name} : [num_users=1] = call_function[target=torch.ops.${target}](args = (${reads.join(", ")}), kwargs = {})`,
    "pkg.torch.onnx.name_scopes": list(["", "model", ...modules, name]),
    "pkg.torch.onnx.stack_trace": stack.join("\n  "),
  };
  const comment = line.includes(" # ") ? "" : " #";
  return `["node_${name}"] ${line}${comment} #meta ${JSON.stringify(notes)}`;
}

/** `model`, `model.layers.0`, `model.layers.0.mlp` for `model.layers.0.mlp`. */
function pathsOf(module) {
  const parts = module.replace(/\.(\d+)/, "#$1").split(".");
  return parts.map((_, i) =>
    parts
      .slice(0, i + 1)
      .join(".")
      .replace("#", "."),
  );
}

function classOf(path) {
  return (
    classes[
      path
        .replace(/\.\d+$/, "")
        .split(".")
        .at(-1) ?? ""
    ] ?? LINEAR
  );
}

function list(names) {
  return `[${names.map((name) => `'${name}'`).join(", ")}]`;
}
