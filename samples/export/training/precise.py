"""Models of transformers computed in float64, where their code would go through float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F


@contextmanager
def precise() -> Iterator[None]:
    """Within it, what is float64 stays so: norms, softmax and losses of transformers ask for float32."""
    to, as_float, softmax = torch.Tensor.to, torch.Tensor.float, F.softmax

    def kept_to(self: torch.Tensor, *args, **kwargs) -> torch.Tensor:
        asked = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.dtype)]
        if self.dtype == torch.float64 and torch.float32 in asked:
            return self
        return to(self, *args, **kwargs)

    def kept_float(self: torch.Tensor, *args, **kwargs) -> torch.Tensor:
        return self if self.dtype == torch.float64 else as_float(self, *args, **kwargs)

    def kept_softmax(x: torch.Tensor, *args, dtype: torch.dtype | None = None, **kwargs) -> torch.Tensor:
        return softmax(x, *args, dtype=None if x.dtype == torch.float64 else dtype, **kwargs)

    torch.Tensor.to, torch.Tensor.float, F.softmax = kept_to, kept_float, kept_softmax
    try:
        yield
    finally:
        torch.Tensor.to, torch.Tensor.float, F.softmax = to, as_float, softmax


def doubled(model: torch.nn.Module) -> torch.nn.Module:
    """The model with parameters in float64. Frequencies of rotary embeddings stay in float32, as graphs have them."""
    for parameter in model.parameters():
        parameter.data = parameter.data.double()
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point() and "inv_freq" not in name:
            buffer.data = buffer.data.double()
    model.config.dtype = torch.float64
    return model.requires_grad_(False)
