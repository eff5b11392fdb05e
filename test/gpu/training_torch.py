"""The forward and backward part of training.py's large model in PyTorch, with weights of its own: only its time counts."""

import torch
import torch.nn.functional as F


def torch_step(plan: dict, provider: str):
    llama, rank = plan["llama"], plan["rank"]
    device, kind = provider, torch.float16
    hidden, width = llama["hidden"], llama["headDim"]
    heads, shared = llama["heads"], llama["kvHeads"]

    def weight(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device).mul_(0.02).to(kind)

    def leaf(*shape: int) -> torch.Tensor:
        return (torch.randn(*shape, device=device) * 0.02).requires_grad_()

    sizes = {"q": heads * width, "k": shared * width, "v": shared * width}
    layers = [
        {
            **{name: weight(size, hidden) for name, size in sizes.items()},
            "o": weight(hidden, heads * width),
            **{name: weight(llama["intermediate"], hidden) for name in ("gate", "up")},
            "down": weight(hidden, llama["intermediate"]),
            **{f"{name}_a": leaf(rank, hidden) for name in ("q", "v")},
            **{f"{name}_b": leaf(sizes[name], rank) for name in ("q", "v")},
            "norms": torch.ones(2, hidden, device=device, dtype=kind),
        }
        for _ in range(llama["layers"])
    ]
    words, head = weight(llama["vocab"], hidden), weight(llama["vocab"], hidden)
    leaves = [one for layer in layers for name, one in layer.items() if name[-2:] in ("_a", "_b")]
    ids = torch.randint(3, llama["vocab"], (plan["rows"], plan["tokens"]), device=device)
    angles = torch.arange(plan["tokens"], device=device)[:, None] / 10000 ** (
        torch.arange(0, width, 2, device=device) / width
    )
    cos, sin = (f(torch.cat([angles, angles], -1)).to(kind) for f in (torch.cos, torch.sin))

    def norm(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (hidden,), scale, 1e-5)

    def project(x: torch.Tensor, layer: dict, name: str) -> torch.Tensor:
        y = F.linear(x, layer[name])
        if name == "k":
            return y
        return y + F.linear(F.linear(x, layer[f"{name}_a"].to(kind)), layer[f"{name}_b"].to(kind))

    def split(y: torch.Tensor) -> torch.Tensor:
        return y.view(*y.shape[:2], -1, width).transpose(1, 2)

    def rotate(x: torch.Tensor) -> torch.Tensor:
        half = x.chunk(2, -1)
        return x * cos + torch.cat([-half[1], half[0]], -1) * sin

    def step() -> None:
        x = F.embedding(ids, words)
        for layer in layers:
            h = norm(x, layer["norms"][0])
            q, k, v = (split(project(h, layer, name)) for name in ("q", "k", "v"))
            k, v = (each.repeat_interleave(heads // shared, 1) for each in (rotate(k), v))
            a = F.scaled_dot_product_attention(rotate(q), k, v, is_causal=True)
            x = x + F.linear(a.transpose(1, 2).flatten(2), layer["o"])
            h = norm(x, layer["norms"][1])
            x = x + F.linear(F.silu(F.linear(h, layer["gate"])) * F.linear(h, layer["up"]), layer["down"])
        logits = F.linear(x[:, :-1], head).float()
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        torch.autograd.grad(loss * 1024, leaves)
        if device == "cuda":
            torch.cuda.synchronize()

    return step
