"""Trains adapters in PyTorch on request, for train.mjs: python train-pytorch.py eager|checkpoint PLAN

PLAN is JSON: `hf` the Hugging Face folder of the base, `adapters` a safetensors file with the first numbers of LoRA beside
q_proj and v_proj and of ScalarLM's adapters beside each MLP, `scaling` of LoRA, `batch` and `length` of the rows, `rate`,
`threads`, `decay` of weights, and the norm of gradients to `clip` at.

Reads lines, each the number of a step; trains on that step's rows and answers with a line of JSON, { seconds,
processor, loss }, the seconds on the clock and those of all processors; for "memory" with { step, process }: bytes at most, over those just before the first step, and of the whole process.
"""

import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


class Lora(torch.nn.Module):
    def __init__(self, layer: torch.nn.Linear, a: torch.Tensor, b: torch.Tensor, scaling: float):
        super().__init__()
        self.layer, self.scaling = layer, scaling
        self.a, self.b = torch.nn.Parameter(a), torch.nn.Parameter(b)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + F.linear(F.linear(x, self.a), self.b) * self.scaling


class ScalarLM(torch.nn.Module):
    """Beside an MLP. In the order of products that needs no `[T, d, r]` tensor."""

    def __init__(self, mlp: torch.nn.Module, k: torch.Tensor, v: torch.Tensor, p: torch.Tensor):
        super().__init__()
        self.mlp = mlp
        self.k, self.v, self.p = (torch.nn.Parameter(leaf) for leaf in (k, v, p))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slots, d = self.k.shape
        heads, r, width = slots, self.p.shape[0], d // slots
        q = x.reshape(-1, heads, width).transpose(0, 1)  # [H, T, h]
        weights = torch.softmax(q @ self.k.view(slots, heads, width).permute(1, 2, 0) / width**0.5, dim=-1)
        v = self.v.view(slots, heads, width, r).permute(1, 2, 0, 3).reshape(heads, width, slots * r)
        parts = (q @ v).view(heads, -1, slots, r)  # [H, T, slots, r]
        z = (weights.unsqueeze(2) @ parts).squeeze(2).sum(0)  # [T, r]
        return self.mlp(x) + (z @ self.p).view(x.shape)


def adapted(plan: dict) -> tuple[torch.nn.Module, list[torch.nn.Parameter]]:
    model = AutoModelForCausalLM.from_pretrained(plan["hf"], attn_implementation="sdpa", dtype=torch.float32)
    model.requires_grad_(False)
    # Read from the file now, and not in the first step.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    leaves = load_file(plan["adapters"])
    for i, layer in enumerate(model.model.layers):
        at, attention = f"model.layers.{i}", layer.self_attn
        for name in ("q_proj", "v_proj"):
            a, b = (leaves[f"{at}.self_attn.{name}.lora_{x}.weight"] for x in "AB")
            setattr(attention, name, Lora(getattr(attention, name), a, b, plan["scaling"]))
        layer.mlp = ScalarLM(layer.mlp, *(leaves[f"{at}.mlp.tokenformer_{x}"] for x in "kvp"))
    return model.train(), [p for p in model.parameters() if p.requires_grad]


def kilobytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(name)


def rows(step: int, plan: dict) -> torch.Tensor:
    """The same rows as train-worker.mjs makes: a linear congruential generator."""
    state, ids = (12345 + step) % 2**31, []
    for _ in range(plan["batch"] * plan["length"]):
        state = (state * 1103515245 + 12345) % 2**31
        ids.append(3 + (state >> 8) % (plan["vocabulary"] - 3))
    return torch.tensor(ids).view(plan["batch"], plan["length"])


def main() -> None:
    mode, plan = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(plan["threads"])
    model, parameters = adapted(plan)
    if mode == "checkpoint":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    optimizer = torch.optim.AdamW(parameters, lr=plan["rate"], weight_decay=plan["decay"])
    before = None
    for line in sys.stdin:
        if line.strip() == "memory":
            peak = kilobytes("VmHWM")
            print(json.dumps({"step": (peak - before) * 1024, "process": peak * 1024}), flush=True)
            continue
        ids = rows(int(line), plan)
        if before is None:
            before = kilobytes("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
        start, processor = time.perf_counter(), time.process_time()
        loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, plan["clip"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        took = {"seconds": time.perf_counter() - start, "processor": time.process_time() - processor}
        print(json.dumps({**took, "loss": loss.item()}), flush=True)


main()
