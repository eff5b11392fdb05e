"""A graph of `tfc compile --train --emit grads`, run by onnxruntime on tensors of torch."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from safetensors import safe_open
from safetensors.torch import save_file


class GradientGraph:
    """Computes the loss of a batch and the gradients of the parameters, which begin as the files beside it say."""

    def __init__(self, file: Path, device: torch.device, threads: int) -> None:
        self.device = device
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Lengths differ from batch to batch: a plan would keep the memory of the largest one.
        options.enable_mem_pattern = False
        on_gpu = ("CUDAExecutionProvider", {"device_id": device.index or 0})
        providers = [on_gpu] if device.type == "cuda" else ["CPUExecutionProvider"]
        self.session = ort.InferenceSession(file, options, providers=providers)
        training = json.loads(self.session.get_modelmeta().custom_metadata_map.get("tfc.train", "{}"))
        if training.get("emit") != "grads" or training["lossScale"] or training["dropout"] > 0:
            raise SystemExit(f"{file}: not a float32 graph of `tfc compile --train --emit grads`, without dropout")
        values, self.metadata = first_values(file)
        self.parameters = {
            one["name"]: torch.nn.Parameter(values[one["name"]].float().to(device)) for one in training["parameters"]
        }
        self.decays = {one["name"]: one["decay"] for one in training["parameters"]}

    def run(self, batch: dict[str, np.ndarray]) -> tuple[float, int, dict[str, torch.Tensor]]:
        """Mean loss of a batch, the number of labels it is the mean of, and its gradients by parameter."""
        binding = self.session.io_binding()
        feeds = {name: torch.from_numpy(array).to(self.device) for name, array in batch.items()}
        feeds |= {name: value.detach() for name, value in self.parameters.items()}
        grads = {name: torch.empty_like(value.detach()) for name, value in self.parameters.items()}
        loss = torch.empty((), device=self.device)
        tokens = torch.empty((), dtype=torch.int64, device=self.device)
        outputs = {"loss": loss, "tokens": tokens} | {f"{name}.grad": grad for name, grad in grads.items()}
        for name, tensor in feeds.items():
            binding.bind_input(name, *self._place_of(tensor))
        for name, tensor in outputs.items():
            binding.bind_output(name, *self._place_of(tensor))
        if self.device.type == "cuda":
            # onnxruntime has a stream of its own.
            torch.cuda.synchronize(self.device)
        self.session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return loss.item(), int(tokens.item()), grads

    def _place_of(self, tensor: torch.Tensor) -> tuple[str, int, type, list[int], int]:
        dtype = np.int64 if tensor.dtype == torch.int64 else np.float32
        return self.device.type, self.device.index or 0, dtype, list(tensor.shape), tensor.data_ptr()

    def save(self, file: Path) -> None:
        """Writes the parameters as an adapter that `tfc compile --load` takes: whole, or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.parameters.items()}
        save_file(tensors, unfinished, self.metadata)
        unfinished.replace(file)


def first_values(graph: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """What parameters begin with, and what the files say of themselves: of which kind and base the adapter is."""
    values: dict[str, torch.Tensor] = {}
    metadata: dict[str, str] = {}
    for what in ("adapters", "overrides", "parameters"):
        file = graph.with_name(f"{graph.stem}.{what}.safetensors")
        if not file.exists():
            continue
        with safe_open(file, "pt") as tensors:
            metadata |= tensors.metadata() or {}
            values |= {name: tensors.get_tensor(name) for name in tensors.keys()}
    return values, metadata
