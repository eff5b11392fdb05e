"""A Llama built as serving engines such as vLLM build it, with the weights of an HF checkpoint.

Tokens are flat (`[T]`, no batch axis), the residual is carried beside the hidden states and added in the norm, the
q, k and v projections are one matrix and so are gate and up, attention reads and writes a paged cache, and logits
are computed for chosen rows only.
"""

import torch
from torch import nn
from torch.nn.functional import embedding, linear, silu

from paged_attention import paged_attention

# What a tracer meets: ops whose inside it does not see. Each has an eager form, so that the module runs as it is.


@torch.library.custom_op("vllm::unified_attention", mutates_args=())
def unified_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    cumulative_sequence_length: torch.Tensor,
    past_seqlens: torch.Tensor,
    block_table: torch.Tensor,
    slot_mapping: torch.Tensor,
    layer_name: str,
    num_heads: int,
    num_kv_heads: int,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Attention of one layer over its paged cache; queries and keys have been turned already."""
    return paged_attention(
        query, key, value, key_cache, value_cache,
        cumulative_sequence_length, past_seqlens, block_table, slots=slot_mapping, scale=scale,
    )  # fmt: skip


@torch.library.custom_op("contrib::paged_attention", mutates_args=())
def contrib_paged_attention(
    qkv: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    cumulative_sequence_length: torch.Tensor,
    past_seqlens: torch.Tensor,
    block_table: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    num_heads: int,
    num_kv_heads: int,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same as `com.microsoft::PagedAttention` has it: q, k and v packed, the rotary embedding inside."""
    head = key_cache.shape[3]
    query, key, value = qkv.split([num_heads * head, num_kv_heads * head, num_kv_heads * head], 1)
    return paged_attention(
        query, key, value, key_cache, value_cache,
        cumulative_sequence_length, past_seqlens, block_table, cos=cos, sin=sin, scale=scale,
    )  # fmt: skip


@torch.library.custom_op("vllm::fused_add_rms_norm", mutates_args=())
def fused_add_rms_norm(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The norm of x + residual, and that sum."""
    total = x + residual
    return rms_norm(total, weight, epsilon), total


@unified_attention.register_fake
def _(query, key, value, key_cache, value_cache, *_):
    return torch.empty_like(query), torch.empty_like(key_cache), torch.empty_like(value_cache)


@contrib_paged_attention.register_fake
def _(qkv, key_cache, value_cache, cumulative, past, table, cos, sin, num_heads, *_):
    width = num_heads * key_cache.shape[3]
    return qkv.new_empty(qkv.shape[0], width), torch.empty_like(key_cache), torch.empty_like(value_cache)


@fused_add_rms_norm.register_fake
def _(x, residual, weight, epsilon):
    return torch.empty_like(x), torch.empty_like(x)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """RMSNorm in plain ops."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


class Norm(nn.Module):
    """RMSNorm that adds the residual first where there is one, and hands the sum on."""

    def __init__(self, config):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.hidden_size))
        self.epsilon = config.rms_norm_eps

    def forward(self, x, residual):
        if residual is None:
            return rms_norm(x, self.weight, self.epsilon), x
        return fused_add_rms_norm(x, residual, self.weight, self.epsilon)


class Projection(nn.Module):
    """A matrix `[out, in]`; several projections of one input are packed row after row."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))

    def forward(self, x):
        return linear(x, self.weight)


class Attention(nn.Module):
    """Packed projection, rotary embedding, attention over the paged cache, output projection."""

    def __init__(self, config, name: str, fused: bool):
        super().__init__()
        self.name, self.fused = name, fused
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head, self.scale = config.head_dim, config.head_dim**-0.5
        hidden = config.hidden_size
        self.qkv_proj = Projection(hidden, (self.heads + 2 * self.kv_heads) * self.head)
        self.o_proj = Projection(self.heads * self.head, hidden)

    def forward(self, x, rotary, cache, meta):
        qkv = self.qkv_proj(x)
        sizes = self.heads, self.kv_heads, self.scale
        tables = meta["cumulative_sequence_length"], meta["past_seqlens"], meta["block_table"]
        if self.fused:
            out, *cache = contrib_paged_attention(qkv, *cache, *tables, *rotary.tables(), *sizes)
            return self.o_proj(out), cache
        widths = [self.heads * self.head, self.kv_heads * self.head, self.kv_heads * self.head]
        q, k, v = qkv.split(widths, dim=-1)
        q, k = rotary(meta["positions"], q, self.head), rotary(meta["positions"], k, self.head)
        slots = meta["slot_mapping"]
        out, *cache = unified_attention(q, k, v, *cache, *tables, slots, self.name, *sizes)
        return self.o_proj(out), cache


class Rotary(nn.Module):
    """Tables of cosines and sines, and the turning of each head's two halves by them."""

    def __init__(self, config):
        super().__init__()
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
        rates = 1.0 / config.rope_parameters["rope_theta"] ** exponents
        angles = torch.outer(torch.arange(config.max_position_embeddings, dtype=torch.float32), rates)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def tables(self):
        """Cosines and sines, `[positions, head / 2]` each."""
        return self.cos, self.sin

    def forward(self, positions, x, head: int):
        cos = embedding(positions, self.cos).unsqueeze(1)
        sin = embedding(positions, self.sin).unsqueeze(1)
        a, b = x.unflatten(-1, (-1, head)).chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)


class Mlp(nn.Module):
    """silu(gate) · up of one packed projection, then down."""

    def __init__(self, config):
        super().__init__()
        self.gate_up_proj = Projection(config.hidden_size, 2 * config.intermediate_size)
        self.down_proj = Projection(config.intermediate_size, config.hidden_size)

    def forward(self, x):
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(silu(gate) * up)


class Layer(nn.Module):
    """Norm, attention, norm, MLP; the residual goes along beside the hidden states."""

    def __init__(self, config, name: str, fused: bool):
        super().__init__()
        self.self_attn = Attention(config, f"{name}.self_attn.attn", fused)
        self.mlp = Mlp(config)
        self.input_layernorm, self.post_attention_layernorm = Norm(config), Norm(config)

    def forward(self, x, residual, rotary, cache, meta):
        x, residual = self.input_layernorm(x, residual)
        x, cache = self.self_attn(x, rotary, cache, meta)
        x, residual = self.post_attention_layernorm(x, residual)
        return self.mlp(x), residual, cache


class Model(nn.Module):
    """Embedding, layers, final norm."""

    def __init__(self, config, fused: bool):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        names = (f"model.layers.{i}" for i in range(config.num_hidden_layers))
        self.layers = nn.ModuleList(Layer(config, name, fused) for name in names)
        self.norm, self.rotary = Norm(config), Rotary(config)

    def forward(self, input_ids, caches, meta):
        x, residual, updated = self.embed_tokens(input_ids), None, []
        for layer, key, value in zip(self.layers, caches[::2], caches[1::2]):
            x, residual, cache = layer(x, residual, self.rotary, (key, value), meta)
            updated += cache
        return self.norm(x, residual)[0], updated


class VllmLlama(nn.Module):
    """A decoder with tied embeddings that gives logits of the rows asked for, and the caches as they are then.

    `fused` leaves rotary embedding, cache and attention to one contrib op; else attention is an op of the engine's.
    """

    def __init__(self, config, fused: bool):
        super().__init__()
        self.model = Model(config, fused)

    def forward(self, input_ids, caches, logits_indices, meta):
        hidden, caches = self.model(input_ids, caches, meta)
        return linear(hidden[logits_indices], self.model.embed_tokens.weight), caches

    def load(self, weights: dict[str, torch.Tensor]) -> "VllmLlama":
        """Takes an HF checkpoint's weights, putting packed projections together."""
        packed = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
        state = {}
        for name in self.state_dict():
            parts = next((p for whole, p in packed.items() if f".{whole}." in name), None)
            whole = name.split(".")[-2]
            names = [name] if parts is None else [name.replace(whole, part) for part in parts]
            state[name] = torch.cat([weights[part] for part in names])
        self.load_state_dict(state)
        return self.eval()
