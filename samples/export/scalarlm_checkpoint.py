"""Make checkpoints as ScalarLM's trainer saves them, and record what PyTorch computes with them.

    python scalarlm_checkpoint.py ../models/austen-llama ../models/scalarlm

Writes, with seeded random weights:

- `checkpoint_10.pt`: adapters beside every MLP, and base weights trained with them: q_proj of two layers, every
  input_layernorm, the last norm. Their logits are in `logits.safetensors`.
- `checkpoint_2.pt`: an earlier one, with other numbers and only some of the modules. It comes after the other in the
  alphabet; the highest step is 10.
- `with-mlp-and-head.pt`: as `checkpoint_10.pt`, and a weight inside a wrapped MLP (`mlp.layer.`), the embedding and
  the head. Its logits are in `logits_with_mlp_and_head.safetensors`.

Logits are named `{case}.{step}.logits`, for the inputs of that name in the sample model's `oracle.safetensors`, at their
last 7 positions.

A checkpoint has model_state_dict, optimizer_state_dict, scheduler_state_dict, step, epoch and metadata, which is empty
but for LoRA. Later trainers add nan_steps, data_cursor, rng_state and cuda_rng_state: all but `checkpoint_2.pt` have
them. The optimizer and the scheduler are torch's own, but know of tokenformer_p only, where ScalarLM's know every
parameter. The sample model ties its head to the embedding: `with-mlp-and-head.pt` names both and stores the numbers
once. (ScalarLM itself would name the embedding only: it saves named_parameters(), which names a tied weight once.)
"""

import argparse
from pathlib import Path

import torch
from adapted_oracle import last_positions, record
from adapter_oracle import random_leaves, scalarlm_adapter
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

RECORDED = ("elinor.0.logits", "padded_batch.0.logits")
HEADS, RANK = 4, 2
LEARNING_RATE = 0.02
TOTAL_STEPS = 20
GATE, WRAPPED_GATE = "model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.layer.gate_proj.weight"
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"

Tensors = dict[str, torch.Tensor]


class AdaptedMlp(torch.nn.Module):
    """An MLP with an adapter beside it, under the names that ScalarLM's surgery gives."""

    def __init__(self, layer: torch.nn.Module, hidden: int):
        super().__init__()
        self.layer = layer
        self.tokenformer_k = torch.nn.Parameter(torch.zeros(HEADS, hidden))
        self.tokenformer_v = torch.nn.Parameter(torch.zeros(HEADS, hidden * RANK))
        self.tokenformer_p = torch.nn.Parameter(torch.zeros(RANK, hidden))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        adapter = scalarlm_adapter(x, self.tokenformer_k, self.tokenformer_v, self.tokenformer_p)
        return self.layer(x) + adapter


def adapted_model(folder: Path) -> LlamaForCausalLM:
    """The sample model with an adapter beside every MLP, which adds 0."""
    model = LlamaForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval()
    for layer in model.model.layers:
        layer.mlp = AdaptedMlp(layer.mlp, model.config.hidden_size)
    return model


def all_leaves(generator: torch.Generator, layers: list[int], hidden: int) -> Tensors:
    """The adapters' leaves of some layers."""
    return {
        f"model.layers.{i}.mlp.{leaf}": tensor
        for i in layers
        for leaf, tensor in random_leaves(generator, hidden, HEADS, RANK, p_std=0.05).items()
    }


def overrides(generator: torch.Generator, model: LlamaForCausalLM, names: list[str]) -> Tensors:
    """Weights of the base model, changed by a little."""
    weights = model.state_dict()
    return {
        name: weights[name] * (1 + 0.2 * torch.randn(weights[name].shape, generator=generator))
        for name in names
    }


def train(generator: torch.Generator, state: Tensors, steps: int) -> tuple[dict, dict]:
    """Move every tokenformer_p by steps of AdamW on random gradients; what optimizer and scheduler hold then."""
    names = [name for name in state if name.endswith("tokenformer_p")]
    parameters = [torch.nn.Parameter(state[name].clone()) for name in names]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / TOTAL_STEPS)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
        optimizer.step()
        scheduler.step()
    state |= {name: parameter.detach() for name, parameter in zip(names, parameters, strict=True)}
    return optimizer.state_dict(), scheduler.state_dict()


def checkpoint(generator: torch.Generator, state: Tensors, step: int) -> dict:
    """What the trainer saves after so many steps."""
    optimizer, scheduler = train(generator, state, step)
    return {
        "model_state_dict": state,
        "optimizer_state_dict": optimizer,
        "scheduler_state_dict": scheduler,
        "step": step,
        "epoch": step // 4,
        "metadata": {},
    }


def logits_of(model_folder: Path, file: Path) -> Tensors:
    """The logits of the sample model with what a checkpoint holds, at the last positions."""
    state = torch.load(file, weights_only=True)["model_state_dict"]
    model = adapted_model(model_folder)
    unexpected = model.load_state_dict(state, strict=False).unexpected_keys
    assert not unexpected, unexpected
    oracle = load_file(model_folder / "oracle.safetensors")
    recorded = record(model, oracle)
    logits = {tensor: recorded[tensor] for tensor in RECORDED}
    for tensor, values in logits.items():
        assert torch.isfinite(values).all()
        change = (values - oracle[tensor]).abs().max().item()
        print(f"{file.name}: {tensor} change by up to {change:.1f}")
    return last_positions(logits)


def main() -> None:
    """Make every checkpoint for the model folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = LlamaForCausalLM.from_pretrained(args.model).eval()
    layers, hidden = list(range(model.config.num_hidden_layers)), model.config.hidden_size
    norms = [f"model.layers.{i}.input_layernorm.weight" for i in layers] + ["model.norm.weight"]
    queries = [f"model.layers.{i}.self_attn.q_proj.weight" for i in (0, 3)]
    generator = torch.Generator().manual_seed(31)

    early = all_leaves(generator, layers[:2], hidden) | overrides(generator, model, norms[:1])
    torch.save(checkpoint(generator, early, step=2), args.out / "checkpoint_2.pt")

    late = all_leaves(generator, layers, hidden) | overrides(generator, model, queries + norms)
    cursors = {"nan_steps": 0, "data_cursor": 40, "rng_state": generator.get_state(), "cuda_rng_state": []}
    saved = checkpoint(generator, late, step=10) | cursors
    torch.save(saved, args.out / "checkpoint_10.pt")
    save_file(logits_of(args.model, args.out / "checkpoint_10.pt"), args.out / "logits.safetensors")

    more = overrides(generator, model, [GATE, EMBEDDING])
    whole = late | {WRAPPED_GATE: more[GATE], EMBEDDING: more[EMBEDDING], HEAD: more[EMBEDDING]}
    torch.save(saved | {"model_state_dict": whole}, args.out / "with-mlp-and-head.pt")
    logits = logits_of(args.model, args.out / "with-mlp-and-head.pt")
    save_file(logits, args.out / "logits_with_mlp_and_head.safetensors")


if __name__ == "__main__":
    main()
