"""Train the parameters of a gradient graph data-parallel: each process computes its share of every batch.

    torchrun --nproc-per-node 2 train.py model.onnx --tokenizer tokenizer.json --data text.txt --out run
"""

import argparse
import os
from pathlib import Path

import torch
import torch.distributed as dist
from tokenizers import Tokenizer

from data import batch_at, padded, read_rows, share_of
from graph import GradientGraph

# Sums of float32 in another order; gradients that are weighted wrongly differ by a tenth and more.
TOLERANCE = 1e-4


def options_of() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json of the model")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="texts, or .jsonl with `text`")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8, help="rows of all processes together")
    parser.add_argument("--length", type=int, default=256, help="tokens of a row at most")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--clip", type=float, default=1.0, help="norm of all gradients; 0 clips nothing")
    parser.add_argument("--save-every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the order of the rows")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--check", action="store_true", help="hold each step against one process with the joined batch")
    return parser.parse_args()


def combined(graph: GradientGraph, batch: list) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of the joined batch.

    Each process has the mean over its own labels. The mean over all labels weighs them by how many there are: equal
    weights would be wrong where rows differ in length.
    """
    share = share_of(batch, dist.get_rank(), dist.get_world_size())
    if share:
        loss, tokens, grads = graph.run(padded(share))
    else:
        loss, tokens, grads = 0.0, 0, {name: torch.zeros_like(p) for name, p in graph.parameters.items()}
    counts = torch.tensor([loss * tokens, tokens], dtype=torch.float64, device=graph.device)
    dist.all_reduce(counts)
    total = counts[1].item()
    if total == 0:
        return 0.0, grads
    # One exchange for all tensors.
    flat = torch.cat([grad.detach().flatten() for grad in grads.values()]) * (tokens / total)
    dist.all_reduce(flat)
    parts = flat.split([grad.numel() for grad in grads.values()])
    return counts[0].item() / total, {name: part.view_as(grads[name]) for name, part in zip(grads, parts)}


def difference(graph: GradientGraph, batch: list, loss: float, grads: dict[str, torch.Tensor]) -> float:
    """How far loss and gradients lie from those of the joined batch in one process, relative to each tensor's maximum."""
    alone, _, wanted = graph.run(padded(batch))
    apart = [abs(loss - alone) / abs(alone)]
    for name, grad in grads.items():
        largest = wanted[name].abs().max().item()
        apart.append((grad - wanted[name]).abs().max().item() / (largest or 1.0))
    return max(apart)


def optimizer_of(graph: GradientGraph, options: argparse.Namespace) -> torch.optim.AdamW:
    """AdamW that decays what the graph says decays."""
    groups = [
        {
            "params": [p for name, p in graph.parameters.items() if graph.decays[name] == decays],
            "weight_decay": options.weight_decay if decays else 0.0,
        }
        for decays in (True, False)
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=options.lr)


def train(options: argparse.Namespace, device: torch.device) -> None:
    """Make the steps. Each process makes the same update, so that parameters need no exchange."""
    is_first = dist.get_rank() == 0
    threads = max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    graph = GradientGraph(options.graph, device, threads)
    parameters = list(graph.parameters.values())
    rows = read_rows(options.data, Tokenizer.from_file(str(options.tokenizer)), options.length)
    if not rows:
        raise SystemExit("no data: no row has two tokens")
    optimizer, largest = optimizer_of(graph, options), 0.0
    for step in range(1, options.steps + 1):
        batch = batch_at(step - 1, rows, options.batch, options.seed)
        loss, grads = combined(graph, batch)
        if options.check and is_first:
            largest = max(largest, difference(graph, batch, loss, grads))
        for name, parameter in graph.parameters.items():
            parameter.grad = grads[name]
        norm = torch.nn.utils.clip_grad_norm_(parameters, options.clip or float("inf"), error_if_nonfinite=True)
        optimizer.step()
        if is_first:
            print(f"step {step}  loss {loss:.6f}  grad norm {norm.item():.4f}", flush=True)
            if step % options.save_every == 0 or step == options.steps:
                graph.save(options.out / f"step-{step:06}.safetensors")
    if options.check and is_first:
        print(f"largest difference from one process with the joined batch: {largest:.1e} (of {TOLERANCE:.0e} allowed)")
        if not largest <= TOLERANCE:
            raise SystemExit("the processes together do not compute what one does")


def main() -> None:
    """Join the other processes, train, and leave."""
    options = options_of()
    on_gpu = options.device == "cuda" or (options.device == "auto" and torch.cuda.is_available())
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        train(options, device)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
