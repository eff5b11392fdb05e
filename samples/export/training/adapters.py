"""Adapters beside the modules of a model, as hooks, under the names that a compiled graph gives to their leaves."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from adapter_oracle import scalarlm_adapter
from generate_models import numbers
from pattention_oracle import pattention, usual_tau

Leaves = dict[str, torch.Tensor]
SIZES = {"tokenformer_k": 2.0}
USUAL = 0.25
# Linears that hold several: which rows of theirs are whose, by the model's settings.
PACKED = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}


def leaf_of(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A leaf's numbers, as if it was trained: those of its name, times a size that its kind decides."""
    values = numbers(name, torch.Size(shape)).double() * SIZES.get(name.rpartition(".")[2], USUAL)
    return values.float().to(dtype).requires_grad_()


@dataclass
class Adapters:
    """Adapters of a model. `make` of the kinds below puts them beside modules."""

    model: torch.nn.Module
    dtype: torch.dtype = torch.float64
    # What leaves are rounded to before they are used: half precision has float32 leaves.
    used: torch.dtype | None = None
    leaves: Leaves = field(default_factory=dict)

    def leaf(self, name: str, *shape: int) -> Callable[[], torch.Tensor]:
        """A new leaf, and how to read it."""
        self.leaves[name] = leaf_of(name, shape, self.dtype)
        return lambda: self.leaves[name] if self.used is None else self.leaves[name].to(self.used)

    def layers(self) -> list[torch.nn.Module]:
        return list(self.model.model.layers)

    def scalarlm(self, module: str, layers: list[int] | None = None, heads: int = 4, rank: int = 4) -> None:
        """ScalarLM's adapter of `self_attn` or `mlp`."""
        for i, block in self._blocks(module, layers):
            d, name = self.model.config.hidden_size, f"model.layers.{i}.{module}"
            k = self.leaf(f"{name}.tokenformer_k", heads, d)
            v = self.leaf(f"{name}.tokenformer_v", heads, d * rank)
            p = self.leaf(f"{name}.tokenformer_p", rank, d)
            beside(block, lambda x, k=k, v=v, p=p: scalarlm_adapter(x, k(), v(), p()))

    def pattention(self, module: str, norm: str, tokens: int, layers: list[int] | None = None) -> None:
        """Token-parameter attention beside `self_attn` or `mlp`."""
        for i, block in self._blocks(module, layers):
            d = self.model.config.hidden_size
            beside(block, self._tokens(f"model.layers.{i}.{module}", d, d, norm, tokens))

    def lora(self, projection: str, rank: int, alpha: float, layers: list[int] | None = None) -> None:
        """LoRA beside a projection, which a linear may hold among others."""
        for i, layer in enumerate(self.layers()):
            if layers is not None and i not in layers:
                continue
            for name, linear, rows in held(self.model, layer, projection):
                site = f"model.layers.{i}.{name}"
                a = self.leaf(f"{site}.lora_A.weight", rank, linear.in_features)
                b = self.leaf(f"{site}.lora_B.weight", len(rows), rank)

                def add(x, a=a, b=b, rows=rows, width=linear.out_features):
                    y = (x @ a().T) * (alpha / rank) @ b().T
                    return torch.nn.functional.pad(y, (rows.start, width - rows.stop))

                beside(linear, add)

    def replace(self, tokens: dict[str, int], norm: str = "l2_norm_gelu") -> None:
        """Token-parameter attention in the place of projections and whole MLPs."""
        for i, layer in enumerate(self.layers()):
            for path, count in tokens.items():
                block = layer.get_submodule(path)
                d = self.model.config.hidden_size
                d_in, d_out = (d, d) if path == "mlp" else (block.in_features, block.out_features)
                compute = self._tokens(f"model.layers.{i}.{path}", d_in, d_out, norm, count)
                block.forward = compute

    def _tokens(self, site: str, d_in: int, d_out: int, norm: str, tokens: int) -> Callable:
        keys = self.leaf(f"{site}.key_param_tokens", tokens, d_in)
        values = self.leaf(f"{site}.value_param_tokens", tokens, d_out)
        tau = usual_tau(norm, tokens)
        return lambda x: pattention(x, keys(), values(), norm, tau)

    def _blocks(self, module: str, layers: list[int] | None):
        for i, layer in enumerate(self.layers()):
            block = block_of(layer, module)
            if block is not None and (layers is None or i in layers):
                yield i, block


def block_of(layer: torch.nn.Module, module: str) -> torch.nn.Module | None:
    """The attention or MLP of a layer; some families call the latter `feed_forward`."""
    names = ("mlp", "feed_forward", "block_sparse_moe") if module == "mlp" else (module,)
    return next((getattr(layer, n) for n in names if hasattr(layer, n)), None)


def beside(module: torch.nn.Module, adapter: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Adds to what a module gives what an adapter makes of what it takes."""

    def hook(_module, args, kwargs, output):
        added = adapter(args[0] if args else kwargs["hidden_states"])
        return (output[0] + added, *output[1:]) if isinstance(output, tuple) else output + added

    module.register_forward_hook(hook, with_kwargs=True)


def held(model: torch.nn.Module, layer: torch.nn.Module, projection: str):
    """The linears of a layer that hold a projection: its name in the layer, the linear, and its rows."""
    config = model.config
    for name, module in layer.named_modules():
        parent, _, last = name.rpartition(".")
        if not hasattr(module, "in_features"):
            continue
        # Experts and what stands beside them are no single projections of the layer.
        if last == projection and parent in ("self_attn", "mlp"):
            yield name, module, range(module.out_features)
        elif projection in PACKED.get(last, ()):
            parts = PACKED[last]
            width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
            sizes = (
                [config.num_attention_heads * width, *[config.num_key_value_heads * width] * 2]
                if len(parts) == 3
                else [module.out_features // 2] * 2
            )
            at = parts.index(projection)
            start = sum(sizes[:at])
            yield f"{parent}.{projection}", module, range(start, start + sizes[at])


def finite(leaves: Leaves) -> bool:
    return all(math.isfinite(leaf.detach().abs().max()) for leaf in leaves.values())
