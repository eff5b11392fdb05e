"""The list of exports: which family goes through which exporter, and with which options."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Export:
    """One file: `<family>-<exporter>[-<variant>]/model.onnx`."""

    family: str
    exporter: str
    variant: str = ""
    options: dict = field(default_factory=dict)
    runs_on_cpu: bool = True
    tolerance: float = 1e-4  # of the logits, against PyTorch in float32

    @property
    def name(self) -> str:
        """The name of its folder."""
        return "-".join(part for part in (self.family, self.exporter, self.variant) if part)


FP16_CUDA = {"precision": "fp16", "provider": "cuda"}
INT4 = 1.0

EXPORTS = [
    *(
        Export(family, "dynamo")
        for family in (
            "llama2",
            "llama3",
            "llama-bias",
            "mistral",
            "qwen2",
            "qwen3",
            "phi3",
            "phi3-longrope",
            "gemma3",
        )
    ),
    Export("llama2", "dynamo", "fp16", {"precision": "fp16"}, tolerance=0.05),
    Export("llama2", "dynamo", "bf16", {"precision": "bf16"}, runs_on_cpu=False),
    *(
        Export(family, "torchscript")
        for family in ("llama2", "llama3", "mistral", "qwen2", "qwen3", "phi3", "gemma3")
    ),
    Export("llama2", "genai", "fp32", {"precision": "fp32"}),
    Export("llama3", "genai", "fp32", {"precision": "fp32"}),
    Export("qwen3", "genai", "fp32", {"precision": "fp32"}),
    Export("phi3", "genai", "fp32", {"precision": "fp32"}),
    Export("gemma3", "genai", "fp32", {"precision": "fp32"}),
    Export("llama2", "genai", "fp16", FP16_CUDA, runs_on_cpu=False),
    Export("phi3", "genai", "fp16", FP16_CUDA, runs_on_cpu=False),
    Export("llama2", "genai", "paged", FP16_CUDA | {"use_paged_attention": "true"}, False),
    Export("llama2", "genai", "int4", {"precision": "int4"}, tolerance=INT4),
    Export("qwen3", "genai", "int4", {"precision": "int4"}, tolerance=INT4),
    Export("llama2", "mobius"),
    Export("llama2", "mobius", "static", {"static_cache": True}),
    Export("llama2", "mobius", "cpu", {"provider": "cpu"}),
    Export("qwen3", "mobius"),
    Export("gemma3", "mobius"),
]
