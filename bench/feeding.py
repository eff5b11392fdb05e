"""A decoder's session and its feeds, in onnxruntime on the CPU or on CUDA: what the benchmarks in Python share.

Caches are fed in one of two forms:

concat   keys and values of the past go in, those of past and present come out
shared   past and present are one buffer of a fixed length, bound to both

On the CPU arrays of NumPy go in and out where caches are joined, which is the fastest way there; all else is bound, and
caches are where the provider is.
"""

import ctypes
import json
import struct
import zlib

import numpy as np
import onnxruntime as ort

# ONNX's number, and NumPy's type; bfloat16 is held as its bits.
TYPES = {
    "tensor(float)": (1, np.float32),
    "tensor(float16)": (10, np.float16),
    "tensor(bfloat16)": (16, np.uint16),
    "tensor(int64)": (7, np.int64),
    "tensor(int32)": (6, np.int32),
}

PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}


def held(value: np.ndarray, kind: str) -> np.ndarray:
    """Numbers as onnxruntime takes them for a type: of bfloat16 the upper half of a float32, rounded."""
    if kind != "tensor(bfloat16)":
        return np.ascontiguousarray(value, TYPES[kind][1])
    bits = np.ascontiguousarray(value, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def floats(value: ort.OrtValue) -> np.ndarray:
    """The numbers of a value in the CPU's memory, as float32."""
    if value.data_type() != "tensor(bfloat16)":
        return value.numpy().astype(np.float32)
    count = int(np.prod(value.shape()))
    bits = np.ctypeslib.as_array(ctypes.cast(value.data_ptr(), ctypes.POINTER(ctypes.c_uint16)), (count,))
    return (bits.astype(np.uint32) << 16).view(np.float32).reshape(value.shape())


class Model:
    """A session of a decoder with caches, fed step by step."""

    def __init__(self, file: str, form: str, provider: str = "cpu", threads: int = 0, weights: str | None = None):
        """`weights`: a safetensors file with what the graph takes as inputs beside tokens and caches."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.form, self.provider = form, provider
        self.session = ort.InferenceSession(file, options, providers=PROVIDERS[provider])
        if provider == "cuda" and "CUDAExecutionProvider" not in self.session.get_providers():
            raise RuntimeError("the CUDA provider does not load")
        self.given = {one.name: one for one in self.session.get_inputs()}
        self.outputs = [one.name for one in self.session.get_outputs()]
        self.caches = [name for name in self.given if name.startswith("past_key_values.")]
        self.weights = {} if weights is None else tensors_of(weights)
        self.is_bound = form == "shared" or provider == "cuda"

    def value(self, name: str, numbers: np.ndarray) -> ort.OrtValue:
        """Numbers for an input, in the CPU's memory."""
        kind = self.given[name].type
        array = held(numbers, kind)
        if kind == "tensor(bfloat16)":
            return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, TYPES[kind][0])
        return ort.OrtValue.ortvalue_from_numpy(array)

    def begin(self, rows: int, length: int, cache: tuple[int, int], past: int = 0) -> None:
        """Starts anew, behind so many random positions, which are the same for every model.

        `length` is that of shared caches, `cache` the heads of one and their size.
        """
        self.rows, self.past = rows, past
        self.kept, self.extra = {}, {}
        heads, size = cache
        for name in self.caches:
            drawn = np.random.default_rng(zlib.crc32(name.encode()))
            numbers = drawn.standard_normal((rows, heads, past, size), np.float32)
            self.kept[name] = self.buffer(name, numbers, length) if self.form == "shared" else self.value(name, numbers)
        for name in self.given.keys() - set(self.caches) - {"input_ids", "attention_mask", "position_ids", "x"}:
            self.extra[name] = self.other(name)

    def buffer(self, name: str, numbers: np.ndarray, length: int) -> ort.OrtValue:
        """A cache of a fixed length whose first positions hold these numbers."""
        fixed = self.given[name].shape[2]
        shape = [*numbers.shape[:2], fixed if isinstance(fixed, int) else length, numbers.shape[3]]
        whole = np.zeros(shape, np.float32)
        whole[:, :, : numbers.shape[2]] = numbers
        value = self.value(name, whole)
        if self.provider == "cpu":
            return value
        number, _ = TYPES[self.given[name].type]
        device = ort.OrtValue.ortvalue_from_shape_and_type(shape, number, "cuda", 0)
        device.update_inplace(held(whole, self.given[name].type))
        return device

    def other(self, name: str) -> ort.OrtValue:
        """What is neither tokens nor a cache: adapters, and the member of each row."""
        if name == "adapter_ids":
            return self.value(name, np.arange(self.rows) % 2)
        if name in self.weights:
            return self.value(name, self.weights[name])
        raise ValueError(f"nothing is known of input {name}")

    def prepare(self, ids: np.ndarray, on_host: bool = True) -> None:
        """Makes the feeds of a step: tokens `[rows, new]` behind what the caches hold."""
        rows, new = ids.shape
        step = {
            "input_ids": ids,
            "attention_mask": np.ones((rows, self.past + new)),
            "position_ids": np.broadcast_to(np.arange(self.past, self.past + new), (rows, new)),
        }
        values = {name: self.value(name, numbers) for name, numbers in step.items() if name in self.given}
        self.new = new
        self.feeds = {**values, **self.kept, **self.extra}
        if not self.is_bound:
            self.arrays = {name: value.numpy() for name, value in self.feeds.items()}
            return
        self.binding, self.bound = self.session.io_binding(), []
        for name, value in self.feeds.items():
            self.binding.bind_ortvalue_input(name, value)
        for name in self.outputs:
            past = name.replace("present.", "past_key_values.")
            self.bound.append(name)
            if self.form == "shared" and past in self.kept:
                self.binding.bind_ortvalue_output(name, self.kept[past])
            else:
                is_kept = on_host and not name.startswith("present.")
                self.binding.bind_output(name, "cpu" if is_kept or self.provider == "cpu" else "cuda")

    def run(self) -> None:
        """Runs the step that was prepared."""
        if self.is_bound:
            self.session.run_with_iobinding(self.binding)
        else:
            self.results = self.session.run(None, self.arrays)

    def advance(self) -> None:
        """Takes the step's caches for the next one's past."""
        self.past += self.new
        if self.form == "shared":
            return
        if self.is_bound:
            outputs = dict(zip(self.bound, self.binding.get_outputs(), strict=True))
        else:
            outputs = {
                name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in zip(self.outputs, self.results, strict=True)
            }
        self.kept = {name: outputs[name.replace("past_key_values.", "present.")] for name in self.caches}

    def logits(self) -> np.ndarray | None:
        """`[rows, positions, vocabulary]` as float32; null where the graph gives none."""
        if "logits" not in self.outputs:
            return None
        if self.is_bound:
            return floats(self.binding.get_outputs()[self.bound.index("logits")])
        return self.results[self.outputs.index("logits")].astype(np.float32)


def tensors_of(file: str) -> dict[str, np.ndarray]:
    """What a safetensors file holds, as float32."""
    with open(file, "rb") as source:
        data = source.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            numbers = (np.frombuffer(data[begin:end], np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            numbers = np.frombuffer(data[begin:end], {"F32": np.float32, "F16": np.float16}[entry["dtype"]])
        tensors[name] = numbers.astype(np.float32).reshape(entry["shape"])
    return tensors
