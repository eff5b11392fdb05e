"""The families: tiny decoders with the shapes of real ones and seeded random weights.

Every script that exports or checks a family builds it here, so that no
checkpoint has to travel between virtual environments. A weight depends on the
family's name and its own name only: not on the order in which a library makes
its modules, nor on the version of transformers.
"""

import math
import zlib

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

# No projection is as wide: onnxruntime-genai would take the first such one for the head.
VOCABULARY = 56
CONTEXT = 64
HIDDEN = 32
HEADS = 4

COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
# onnxruntime's GroupQueryAttention rotates 16 channels of a head at a time, so that heads must
# be wider for it: by themselves, or where head_dim is not free by being fewer.
WIDE_HEADS = {"head_dim": 16}
FEWER_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "partial_rotary_factor": 1.0}

# name: model_type and what differs from COMMON
FAMILIES = {
    "llama2": {"model_type": "llama", "head_dim": 8},
    "llama3": {
        "model_type": "llama",
        "head_dim": 8,
        "tie_word_embeddings": True,
        "rope_theta": 500000.0,
        "rope_scaling": LLAMA3_ROPE,
    },
    "llama-bias": {
        "model_type": "llama",
        "head_dim": 8,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "mistral": {"model_type": "mistral", "head_dim": 8, "sliding_window": 4},
    "qwen2": {"model_type": "qwen2", "rope_theta": 1000000.0},
    "qwen3": {"model_type": "qwen3", "head_dim": 8, "rope_theta": 1000000.0},
    "phi3": {
        "model_type": "phi3",
        "original_max_position_embeddings": CONTEXT,
        "partial_rotary_factor": 0.5,
    },
    "phi3-longrope": {
        "model_type": "phi3",
        "original_max_position_embeddings": CONTEXT // 2,
        "partial_rotary_factor": 0.5,
        "rope_scaling": {"type": "longrope"},  # its factors depend on the heads
    },
    "gemma2": {
        "model_type": "gemma2",
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 4,
        "layer_types": ["sliding_attention", "full_attention"],
        "tie_word_embeddings": True,
    },
    "gemma3": {
        "model_type": "gemma3_text",
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 4,
        "layer_types": ["sliding_attention", "full_attention"],
        "tie_word_embeddings": True,
    },
}


def random_weight(family: str, name: str, parameter: torch.Tensor, model_type: str) -> torch.Tensor:
    """A weight of a size that keeps activations near 1; norms vary around their neutral value."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{family}/{name}".encode()))
    noise = torch.randn(parameter.shape, generator=generator)
    if parameter.dim() > 1:
        return noise / math.sqrt(1 if "embed" in name else parameter.shape[1])
    neutral = 1.0 if "norm" in name and not model_type.startswith("gemma") else 0.0
    return neutral + 0.2 * noise


def long_rope(settings: dict) -> dict:
    """Factors for short and long contexts, one for each pair of rotated channels."""
    head_dim = settings["hidden_size"] // settings["num_attention_heads"]
    pairs = int(head_dim * settings["partial_rotary_factor"]) // 2
    return {
        "type": "longrope",
        "short_factor": [1.0 + 0.25 * pair for pair in range(pairs)],
        "long_factor": [1.5 + pair for pair in range(pairs)],
    }


def build(
    family: str, dtype: torch.dtype = torch.float32, wide_heads: bool = False
) -> torch.nn.Module:
    """The model of a family, in evaluation mode; with heads of 8 or, if asked for, 16."""
    settings = COMMON | FAMILIES[family]
    if wide_heads:
        settings |= WIDE_HEADS if "head_dim" in settings else FEWER_HEADS
    if settings.get("rope_scaling", {}).get("type") == "longrope":
        settings["rope_scaling"] = long_rope(settings)
    model_type = settings["model_type"]
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**settings)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(random_weight(family, name, parameter, model_type))
    return model.to(dtype)


def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of the families' vocabulary, for tools that will not work without one."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "<s>", "</s>", "<unk>", *(f"w{i}" for i in range(4, VOCABULARY))]
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def save(family: str, folder: str, wide_heads: bool = False) -> None:
    """Write the family as transformers does, with a tokenizer."""
    build(family, wide_heads=wide_heads).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
