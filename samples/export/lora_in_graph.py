"""A one-layer Llama with LoRA that was not merged before the export, its adapter, and PyTorch's logits with and without.

    python samples/export/lora_in_graph.py test/compile/adapter/lora-in-graph
"""

import sys

import onnx
import peft
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

out = sys.argv[1]
torch.manual_seed(0)
config = LlamaConfig(
    hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
    vocab_size=20, max_position_embeddings=64, tie_word_embeddings=False, attn_implementation="eager",
)  # fmt: skip
lora = peft.LoraConfig(
    r=2, lora_alpha=4, target_modules=["q_proj", "v_proj", "down_proj"],
    rank_pattern={"down_proj": 3}, alpha_pattern={"v_proj": 1}, init_lora_weights=False,
)  # fmt: skip
model = peft.get_peft_model(LlamaForCausalLM(config).eval(), lora).eval()
model.save_pretrained(f"{out}/adapter")


class Logits(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids):
        return self.inner(input_ids=input_ids, use_cache=False).logits


ids = torch.randint(0, 20, (2, 5))
dims = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("sequence", min=2)}
with torch.no_grad():
    logits = Logits(model)(ids)
    with model.disable_adapter():
        base = Logits(model)(ids)
    program = torch.onnx.export(
        Logits(model), (ids,), dynamo=True, input_names=["input_ids"], output_names=["logits"],
        dynamic_shapes={"input_ids": dims},
    )  # fmt: skip
graph = program.model_proto
# Small: what the exporter notes of where nodes come from is nine tenths of the file.
for entry in [*graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.initializer]:
    del entry.metadata_props[:]
    entry.doc_string = ""
for node in graph.graph.node:
    node.name = ""
del graph.graph.value_info[:], graph.metadata_props[:], graph.graph.metadata_props[:], graph.functions[:]
onnx.save(graph, f"{out}/model.onnx")
save_file({"input_ids": ids, "logits": logits.contiguous(), "base": base.contiguous()}, f"{out}/logits.safetensors")
