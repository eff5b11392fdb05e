"""Records what PyTorch computes of a loss of tokens and of AdamW, for test/passes/training-oracle.test.ts.

    python samples/export/training_oracle.py

The loss is torch.nn.functional.cross_entropy with ignore_index -100 of labels that are shifted as Hugging Face's models
shift them, behind a small decoder whose head caps its logits; gradients are autograd's. AdamW is torch.optim.AdamW behind
torch.nn.utils.clip_grad_norm_, five steps, with decay for the matrix only.
"""

import json
import pathlib

import torch

OUTPUT = pathlib.Path(__file__).parents[2] / "test/passes/training-oracle.json"


def numbers(tensor: torch.Tensor) -> list[float]:
    return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]


def loss() -> dict:
    torch.manual_seed(3)
    weights = {
        "table": torch.randn(16, 8),
        "up": torch.randn(8, 12) / 3,
        "down": torch.randn(12, 8) / 3,
        "scale": torch.randn(8).requires_grad_(),
        "head": torch.randn(8, 16).requires_grad_(),
    }
    ids = torch.randint(0, 16, (3, 7))
    labels = ids.clone()
    labels[0, :4] = -100
    labels[2, 5:] = -100
    x = weights["table"][ids]
    hidden = (x + torch.relu(x @ weights["up"]) @ weights["down"]) * weights["scale"]
    logits = 5 * torch.tanh(hidden @ weights["head"] / 5)
    mean = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, 16), labels[:, 1:].reshape(-1), ignore_index=-100
    )
    mean.backward()
    return {
        "weights": {name: numbers(weight) for name, weight in weights.items()},
        "ids": ids.tolist(),
        "labels": labels.tolist(),
        "loss": mean.item(),
        "tokens": int((labels[:, 1:] != -100).sum()),
        "gradients": {name: numbers(weights[name].grad) for name in ("scale", "head")},
    }


def adamw() -> dict:
    torch.manual_seed(4)
    w, b = torch.randn(3, 4).requires_grad_(), torch.randn(4).requires_grad_()
    groups = [{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.999), eps=1e-8)
    first = {"w": numbers(w), "b": numbers(b)}
    steps = []
    for step in range(1, 6):
        # The second is small: clipping leaves it as it is.
        w.grad, b.grad = (torch.randn_like(one) * (0.01 if step == 2 else 1) for one in (w, b))
        gradients = {"w": numbers(w.grad), "b": numbers(b.grad)}
        rate = 1e-2 / step
        for group in optimizer.param_groups:
            group["lr"] = rate
        norm = torch.nn.utils.clip_grad_norm_([w, b], 1.0)
        optimizer.step()
        state = {name: optimizer.state[one] for name, one in (("w", w), ("b", b))}
        steps.append(
            {
                "rate": rate,
                "gradients": gradients,
                "norm": norm.item(),
                "updated": {"w": numbers(w), "b": numbers(b)},
                "means": {name: numbers(one["exp_avg"]) for name, one in state.items()},
                "squares": {name: numbers(one["exp_avg_sq"]) for name, one in state.items()},
            }
        )
    return {"first": first, "decay": 0.1, "steps": steps}


if __name__ == "__main__":
    OUTPUT.write_text(json.dumps({"loss": loss(), "adamw": adamw()}) + "\n")
