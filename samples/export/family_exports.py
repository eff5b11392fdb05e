"""The list of exports: which family goes through which exporter, and with which options."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Export:
    """One file: `<family>-<exporter>[-<variant>]/model.onnx`."""

    family: str
    exporter: str
    variant: str = ""
    options: dict = field(default_factory=dict)
    wide_heads: bool = False  # see family_models.WIDE_HEADS
    runs_on_cpu: bool = True
    tolerance: float = 1e-4  # of the logits, against PyTorch in float32

    @property
    def folder(self) -> str:
        """Where its folder lies, below `../models`."""
        return "new-families" if self.family in NEW else "families"

    @property
    def name(self) -> str:
        """The name of its folder."""
        return "-".join(part for part in (self.family, self.exporter, self.variant) if part)


# Families that tfc does not recognize yet; the tests over all samples leave them out.
NEW = (
    "mixtral",
    "qwen2-moe",
    "qwen3-moe",
    "olmoe",
    "glm4-moe",
    "deepseek-v2",
    "deepseek-v3",
    "gpt-oss",
    "cohere",
    "glm4",
    "olmo2",
    "granite",
    "smollm3",
    "phi",
    "stablelm",
    "helium",
    "bitnet",
    "gemma",
    "falcon-h1",
    "lfm2",
    "lfm2-moe",
)

MODULE_PATHS = {"metadata": ("namespace", "pkg.torch.onnx.name_scopes")}
FP16_CUDA = {"precision": "fp16", "provider": "cuda"}
FULL_CACHE = {"precision": "fp32", "windowed_kv_cache": "false"}
PAGED = {"use_paged_attention": "true"}
INT4 = {"precision": "int4"}
# The other way, which transformers takes by itself, has no translation in torch.
BATCHED = {"experts": "batched_mm"}
PACKED = {"packed_experts": True}
FEW_BITS = 1.5  # logits of these random models have a standard deviation of about 1

EXPORTS = [
    Export("llama2", "dynamo", options=MODULE_PATHS),
    *(
        Export(family, "dynamo")
        for family in (
            "llama3",
            "llama-bias",
            "mistral",
            "qwen2",
            "qwen3",
            "phi3",
            "phi3-longrope",
            "gemma2",
            "gemma3",
        )
    ),
    Export("llama2", "dynamo", "fp16", {"precision": "fp16"}, tolerance=0.05),
    Export("llama2", "dynamo", "bf16", {"precision": "bf16"}, runs_on_cpu=False),
    *(
        Export(family, "torchscript")
        for family in ("llama2", "llama3", "mistral", "qwen2", "qwen3", "phi3", "gemma3")
    ),
    *(
        Export(family, "genai", "fp32", {"precision": "fp32"}, wide_heads=True)
        for family in ("llama2", "qwen3", "phi3")
    ),
    # It rounds the factor of the embeddings to two decimals.
    Export("gemma2", "genai", "fp32", FULL_CACHE, wide_heads=True, tolerance=1e-2),
    *(
        Export(family, "genai", "fp16", FP16_CUDA, wide_heads=True, tolerance=0.05)
        for family in ("llama2", "phi3")
    ),
    Export("llama2", "genai", "paged", FP16_CUDA | PAGED, wide_heads=True, runs_on_cpu=False),
    *(
        Export(family, "genai", "int4", INT4, wide_heads=True, tolerance=FEW_BITS)
        for family in ("llama2", "phi3-longrope")
    ),
    Export("llama2", "mobius"),
    Export("llama2", "mobius", "static", {"static_cache": True}),
    Export("llama2", "mobius", "cpu", {"provider": "cpu", "wide_heads": True}, wide_heads=True),
    Export("qwen3", "mobius"),
    Export("phi3", "mobius"),
    # It rounds the factor of the embeddings to bfloat16, as the first Gemma code did.
    Export("gemma3", "mobius", tolerance=2e-3),
    *(
        Export("llama2", "quantized", method, {"method": method}, tolerance=FEW_BITS)
        for method in ("dynamic", "static", "nbits")
    ),
    *(
        Export(family, "dynamo", options=BATCHED)
        for family in (
            "mixtral",
            "qwen2-moe",
            "qwen3-moe",
            "olmoe",
            "glm4-moe",
            "deepseek-v3",
            "gpt-oss",
        )
    ),
    *(
        Export(family, "torchscript")
        for family in ("qwen2-moe", "qwen3-moe", "glm4-moe", "deepseek-v3", "gpt-oss")
    ),
    *(Export(family, "mobius") for family in ("mixtral", "qwen2-moe")),
    *(Export(family, "mobius", options=PACKED) for family in ("deepseek-v2", "deepseek-v3")),
    *(
        Export(family, "transformers")
        for family in ("mixtral", "deepseek-v2", "gpt-oss", "falcon-h1", "lfm2")
    ),
    Export("mixtral", "transformers", "cuda", {"fusions": "cuda"}, runs_on_cpu=False),
    Export("gpt-oss", "genai", "fp32", FULL_CACHE, wide_heads=True),
    *(
        Export(family, "dynamo")
        for family in (
            "cohere",
            "glm4",
            "olmo2",
            "granite",
            "smollm3",
            "phi",
            "stablelm",
            "helium",
            "bitnet",
            "gemma",
        )
    ),
    *(Export(family, "torchscript") for family in ("cohere", "olmo2", "phi", "stablelm")),
    *(Export(family, "mobius") for family in ("glm4", "olmo2", "phi", "stablelm")),
    *(
        Export(family, "genai", "fp32", {"precision": "fp32"}, wide_heads=True)
        for family in ("granite", "phi")
    ),
    Export("lfm2-moe", "genai", "int4", INT4, wide_heads=True, tolerance=FEW_BITS),
]
