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

YARN = {
    "rope_type": "yarn",
    "factor": 32.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "truncate": False,
    "original_max_position_embeddings": 4096,
}
# Two of four experts for each token; libraries and families name the numbers differently.
EXPERTS = {
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
}
# Multi-head latent attention, and a layer without experts before the one with.
LATENT = {
    "rms_norm_eps": 1e-6,  # as published: transformers has it in the latent norms whatever is said here
    "num_key_value_heads": HEADS,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
}

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
    "gemma": {"model_type": "gemma", "head_dim": 16, "tie_word_embeddings": True},
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
    # Mixtures of experts
    "mixtral": EXPERTS | {"model_type": "mixtral", "head_dim": 8, "intermediate_size": 16},
    "qwen2-moe": EXPERTS | {"model_type": "qwen2_moe", "shared_expert_intermediate_size": 24},
    "qwen3-moe": EXPERTS | {"model_type": "qwen3_moe", "head_dim": 8, "norm_topk_prob": True},
    "olmoe": EXPERTS | {"model_type": "olmoe", "intermediate_size": 16},
    "glm4-moe": EXPERTS
    | {
        "model_type": "glm4_moe",
        "head_dim": 8,
        "attention_bias": True,
        "use_qk_norm": True,
        "partial_rotary_factor": 0.5,
        "first_k_dense_replace": 1,
        "n_shared_experts": 1,
        "norm_topk_prob": True,
        "routed_scaling_factor": 1.5,
    },
    "deepseek-v2": EXPERTS | LATENT | {"model_type": "deepseek_v2", "routed_scaling_factor": 1.5},
    "deepseek-v3": EXPERTS
    | LATENT
    | {
        "model_type": "deepseek_v3",
        "num_experts": 8,
        "num_local_experts": 8,
        "n_routed_experts": 8,
        "n_group": 2,
        "topk_group": 1,
        "scoring_func": "sigmoid",  # as published; transformers reads neither
        "topk_method": "noaux_tc",
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.5,
    },
    "gpt-oss": EXPERTS
    | {
        "model_type": "gpt_oss",
        "head_dim": 8,
        "intermediate_size": 16,
        "attention_bias": True,
        "sliding_window": 4,
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_theta": 150000.0,
        "rope_scaling": YARN,
    },
    # One MLP a layer
    "cohere": {
        "model_type": "cohere",
        "rope_theta": 10000.0,
        "layer_norm_eps": 1e-5,
        "logit_scale": 0.25,
        "tie_word_embeddings": True,
    },
    "glm4": {
        "model_type": "glm4",
        "head_dim": 8,
        "attention_bias": False,
        "partial_rotary_factor": 0.5,
    },
    "olmo2": {"model_type": "olmo2"},
    "granite": {
        "model_type": "granite",
        "embedding_multiplier": 1.5,
        "logits_scaling": 0.5,
        "residual_multiplier": 0.75,
        "attention_multiplier": 0.25,
    },
    "smollm3": {
        "model_type": "smollm3",
        "no_rope_layers": [1, 0],
        "layer_types": ["full_attention", "full_attention"],
        "tie_word_embeddings": True,
    },
    "phi": {
        "model_type": "phi",
        "layer_norm_eps": 1e-5,
        "partial_rotary_factor": 0.5,
        "num_key_value_heads": HEADS,
    },
    "stablelm": {
        "model_type": "stablelm",
        "layer_norm_eps": 1e-5,
        "partial_rotary_factor": 0.5,
        "use_qkv_bias": True,
    },
    "helium": {"model_type": "helium", "head_dim": 8},
    "bitnet": {"model_type": "bitnet", "hidden_act": "relu2"},
    # Attention and something else
    "falcon-h1": {
        "model_type": "falcon_h1",
        "head_dim": 8,
        "rope_theta": 10000.0,
        "mamba_d_ssm": HIDDEN,
        "mamba_n_heads": HEADS,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "mamba_chunk_size": 4,
        "key_multiplier": 0.5,
        "ssm_out_multiplier": 0.5,
    },
    "lfm2-moe": EXPERTS
    | {
        "model_type": "lfm2_moe",
        "layer_types": ["conv", "full_attention"],
        "norm_eps": 1e-5,
        "num_dense_layers": 1,
        "moe_intermediate_size": 32,  # in 4 bits, weights come in blocks of 32
        "norm_topk_prob": True,
        "use_expert_bias": True,
    },
    "lfm2": {
        "model_type": "lfm2",
        "layer_types": ["conv", "full_attention"],
        "norm_eps": 1e-5,
        "block_auto_adjust_ff_dim": False,
    },
}


# Mixtral's names before transformers 5
RENAMED = {
    ".block_sparse_moe.": ".mlp.",
    ".w1.": ".gate_proj.",
    ".w2.": ".down_proj.",
    ".w3.": ".up_proj.",
}
PACKED = {"gate_up_proj": ("gate_proj", "up_proj"), "down_proj": ("down_proj",)}
WHOLE = ("gpt_oss",)  # its experts are in one tensor everywhere, and lie the other way


def random_weight(family: str, name: str, parameter: torch.Tensor, model_type: str) -> torch.Tensor:
    """A weight of a size that keeps activations near 1; norms vary around their neutral value.

    The experts that transformers 5 keeps in one tensor are those that transformers 4 keeps apart.
    """
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    block, _, last = name.rpartition(".experts.")
    if parameter.dim() == 3 and last in PACKED and model_type not in WHOLE:
        parts = PACKED[last]
        rows = parameter.shape[1] // len(parts)
        return torch.stack(
            [
                torch.cat(
                    [
                        random_weight(
                            family, f"{block}.experts.{i}.{part}.weight", expert[:rows], model_type
                        )
                        for part in parts
                    ]
                )
                for i, expert in enumerate(parameter)
            ]
        )
    generator = torch.Generator().manual_seed(zlib.crc32(f"{family}/{name}".encode()))
    noise = torch.randn(parameter.shape, generator=generator)
    if parameter.dim() > 1:
        return noise / math.sqrt(1 if "embed" in name else parameter.shape[1])
    is_scale = "norm" in name and not name.endswith("bias")
    neutral = 1.0 if is_scale and not model_type.startswith("gemma") else 0.0
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
        for name, buffer in model.named_buffers():
            if name.endswith(("e_score_correction_bias", ".expert_bias")):  # not by gradients
                buffer.copy_(random_weight(family, name, buffer, model_type))
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


def save(family: str, folder: str, wide_heads: bool = False, **options) -> None:
    """Write the family as transformers does, with a tokenizer."""
    build(family, wide_heads=wide_heads).save_pretrained(folder, **options)
    tokenizer().save_pretrained(folder)
