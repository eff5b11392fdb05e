"""Families that optimum does not know, told to it as it is told of those that it knows.

Mixtral's and Qwen2-MoE's blocks of transformers 4.57 loop over the experts that some token chose, which a trace
cannot follow, and GLM-4-MoE's and DeepSeek-V3's leave out the experts that no token of the trace chose. While they are exported they
loop over all, as optimum has Qwen3-MoE's do and as earlier versions of transformers did.
"""

import torch
from optimum.exporters.onnx.model_configs import (
    COMMON_TEXT_GENERATION_TASKS,
    DeepSeekV3OnnxConfig,
    GLMOnnxConfig,
    LlamaOnnxConfig,
    Olmo2OnnxConfig,
    Qwen2OnnxConfig,
)
from optimum.exporters.onnx.model_patcher import ModelPatcher, qwen3_moe_forward_patched
from optimum.exporters.tasks import TasksManager
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE
from transformers.models.glm4_moe.modeling_glm4_moe import Glm4MoeMoE
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.qwen2_moe.modeling_qwen2_moe import Qwen2MoeSparseMoeBlock


def mixtral_forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The routed experts, their weights divided by their sum."""
    self.norm_topk_prob = True
    return qwen3_moe_forward_patched(self, hidden_states)


def qwen2_moe_forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The routed experts, and the shared one behind its gate."""
    routed, router_logits = qwen3_moe_forward_patched(self, hidden_states)
    shared = torch.sigmoid(self.shared_expert_gate(hidden_states)) * self.shared_expert(hidden_states)
    return routed + shared, router_logits


def all_experts(
    self, hidden_states: torch.Tensor, topk_indices: torch.Tensor, topk_weights: torch.Tensor
) -> torch.Tensor:
    """The routed experts, whether or not a token chose them."""
    final = torch.zeros_like(hidden_states, dtype=topk_weights.dtype)
    expert_mask = torch.nn.functional.one_hot(topk_indices, num_classes=len(self.experts))
    for expert, mask in zip(self.experts, expert_mask.permute(2, 0, 1)):
        token_indices, weight_indices = torch.where(mask)
        expert_weights = topk_weights[token_indices, weight_indices]
        expert_output = expert(hidden_states[token_indices])
        final.index_add_(0, token_indices, expert_output * expert_weights.unsqueeze(-1))
    return final.type(hidden_states.dtype)


def patcher(block: type, method: str, replacement) -> type[ModelPatcher]:
    """A patcher that replaces a method of a class of blocks."""

    class Patcher(ModelPatcher):
        def __enter__(self):
            super().__enter__()
            self.original = getattr(block, method)
            setattr(block, method, replacement)

        def __exit__(self, *raised):
            super().__exit__(*raised)
            setattr(block, method, self.original)

    return Patcher


class MixtralOnnxConfig(LlamaOnnxConfig):
    """Mixtral."""

    _MODEL_PATCHER = patcher(MixtralSparseMoeBlock, "forward", mixtral_forward)


class Qwen2MoeOnnxConfig(Qwen2OnnxConfig):
    """Qwen2-MoE."""

    _MODEL_PATCHER = patcher(Qwen2MoeSparseMoeBlock, "forward", qwen2_moe_forward)


class Glm4MoeOnnxConfig(GLMOnnxConfig):
    """GLM-4-MoE."""

    _MODEL_PATCHER = patcher(Glm4MoeMoE, "moe", all_experts)


class DeepseekV3OnnxConfig(DeepSeekV3OnnxConfig):
    """DeepSeek-V3, which optimum knows, without experts missing."""

    _MODEL_PATCHER = patcher(DeepseekV3MoE, "moe", all_experts)


CONFIGS = {
    "deepseek_v3": DeepseekV3OnnxConfig,
    "mixtral": MixtralOnnxConfig,
    "qwen2_moe": Qwen2MoeOnnxConfig,
    "olmoe": Olmo2OnnxConfig,
    "glm4_moe": Glm4MoeOnnxConfig,
    "glm4": GLMOnnxConfig,
    "bitnet": LlamaOnnxConfig,
}


def register() -> None:
    """Let optimum know the families above, and export them as said here."""
    for model_type, config in CONFIGS.items():
        TasksManager.create_register("onnx", overwrite_existing=True)(model_type, *COMMON_TEXT_GENERATION_TASKS)(
            type(config.__name__, (config,), {})
        )
