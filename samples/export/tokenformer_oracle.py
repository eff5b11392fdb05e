"""Make a Tokenformer on the sample model's skeleton, and record what PyTorch computes with it.

    python tokenformer_oracle.py ../models/austen-llama ../models/tokenformer

In the layout of the TokenFormer paper, token-parameter attention (`l2_norm_gelu`) stands in the place of q_proj,
k_proj, v_proj and o_proj of every layer, and one more in the place of the whole feed-forward block. Embedding, rotary
attention, head and the places of the norms are the Llama's; the norms have weights of their own. Weights are seeded
and random: nothing was trained.

`state_dict.safetensors` holds the parameter tokens and the norms under the names of the Llama's modules, and
`state_dict.pt` the same tensors under those of the public TokenFormer code's modules, below `transformer.layers.{i}.`.
(That code's own files number the stages of its pipeline instead: `sequential.{i + 2}.attention.query.…`.) Neither
holds the embedding, which is the head too. `logits.safetensors` holds `{case}.{step}.logits`, for the inputs of that
name in the sample model's `oracle.safetensors`, at their last 7 positions.

At padding on the left PyTorch's attention gives o_proj rows of zeros. Without the guard in `pattention_oracle.py` they
would become NaN, and spread.
"""

import argparse
from pathlib import Path

import torch
from adapted_oracle import last_positions, record
from pattention_oracle import pattention, random_tokens, usual_tau
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

RECORDED = ("elinor.0.logits", "padded_batch.0.logits")
NORM = "l2_norm_gelu"
# As in the public code's configuration: qkv_slot_num, proj_slot_num, ffn_slot_num.
QKV_TOKENS, PROJ_TOKENS, FFN_TOKENS = 24, 24, 48

# The Llama's modules, and those of the public code.
PUBLIC_NAMES = {
    "model.layers.": "transformer.layers.",
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.o_proj": "attention.proj",
    "model.norm": "transformer.norm",
}


class Pattention(torch.nn.Module):
    """Token-parameter attention in the place of a module."""

    def __init__(self, generator: torch.Generator, tokens: int, d_in: int, d_out: int):
        super().__init__()
        keys, values = random_tokens(generator, tokens, d_in, d_out)
        self.key_param_tokens = torch.nn.Parameter(keys)
        self.value_param_tokens = torch.nn.Parameter(values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tau = usual_tau(NORM, len(self.key_param_tokens))
        return pattention(x, self.key_param_tokens, self.value_param_tokens, NORM, tau)


def replaced(model: LlamaForCausalLM, generator: torch.Generator) -> None:
    """Put token-parameter attention in the place of every linear layer but the head, and give norms other weights."""
    hidden = model.config.hidden_size
    for layer in model.model.layers:
        attention = layer.self_attn
        for name, tokens in {"q": QKV_TOKENS, "k": QKV_TOKENS, "v": QKV_TOKENS, "o": PROJ_TOKENS}.items():
            linear = getattr(attention, f"{name}_proj")
            pattention_layer = Pattention(generator, tokens, linear.in_features, linear.out_features)
            setattr(attention, f"{name}_proj", pattention_layer)
        layer.mlp = Pattention(generator, FFN_TOKENS, hidden, hidden)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.mul_(1 + 0.2 * torch.randn(parameter.shape, generator=generator))


def public_name(name: str) -> str:
    """The name that the public code's modules would give."""
    for ours, theirs in PUBLIC_NAMES.items():
        name = name.replace(ours, theirs)
    return name


def main() -> None:
    """Make the model, and record its logits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = LlamaForCausalLM.from_pretrained(args.model, attn_implementation="sdpa").eval()
    replaced(model, torch.Generator().manual_seed(37))
    state = {name: p.detach() for name, p in model.named_parameters() if "embed_tokens" not in name}
    save_file(state, args.out / "state_dict.safetensors", metadata={"format": "pt"})
    torch.save({public_name(name): tensor for name, tensor in state.items()}, args.out / "state_dict.pt")
    oracle = load_file(args.model / "oracle.safetensors")
    recorded = record(model, oracle)
    logits = {tensor: recorded[tensor] for tensor in RECORDED}
    for tensor, values in logits.items():
        assert torch.isfinite(values).all()
        change = (values - oracle[tensor]).abs().max().item()
        print(f"{tensor}: {list(values.shape)}, change by up to {change:.1f}, std {values.std():.2f}")
    save_file(last_positions(logits), args.out / "logits.safetensors")


if __name__ == "__main__":
    main()
