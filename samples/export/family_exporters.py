"""The exporters: each takes a family and a path, and leaves one self-contained `model.onnx`.

Their packages do not all fit into one virtual environment, so each function
imports what it needs.
"""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import onnx

import family_models

NAME_SCOPES = "pkg.torch.onnx.name_scopes"
DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@contextmanager
def checkpoint(family: str, wide_heads: bool = False, **options):
    """A folder, gone afterwards, that holds the family as transformers saves it."""
    with tempfile.TemporaryDirectory() as folder:
        family_models.save(family, folder, wide_heads, **options)
        yield Path(folder)


def save_inline(source: Path, path: Path) -> None:
    """Copy a graph and the files of its weights into one file."""
    onnx.save(onnx.load(source), path)


def dynamo(
    family: str,
    path: Path,
    precision: str = "fp32",
    metadata: tuple[str, ...] = (NAME_SCOPES,),
    experts: str | None = None,
) -> None:
    """`torch.onnx.export(dynamo=True)`, with inputs as in `export_dynamo.py`.

    Of the metadata that the exporter writes, more than half of such a small
    file, only `metadata` stays.
    """
    import torch

    from family_dynamo import export

    program = export(family_models.build(family, getattr(torch, DTYPES[precision])), experts)
    keep_metadata(program.model, metadata)
    program.save(path, external_data=False)


def keep_metadata(model, kept: tuple[str, ...]) -> None:
    """Drop all metadata of a model in `onnx_ir` but that of the names given."""
    graph = model.graph
    values = [*graph.inputs, *graph.initializers.values()]
    for holder in (model, graph, *graph.all_nodes(), *values):
        props = {k: v for k, v in holder.metadata_props.items() if k in kept}
        holder.metadata_props.clear()
        holder.metadata_props.update(props)
    for node in graph.all_nodes():
        for value in node.outputs:
            value.metadata_props.clear()


def torchscript(family: str, path: Path) -> None:
    """optimum's `text-generation-with-past`, which uses the TorchScript exporter."""
    from family_optimum import register
    from optimum.exporters.onnx import main_export

    register()
    with checkpoint(family) as source, tempfile.TemporaryDirectory() as out:
        main_export(str(source), output=out, task="text-generation-with-past", do_validation=False)
        shutil.copyfile(Path(out) / "model.onnx", path)


def genai(family: str, path: Path, precision: str, provider: str = "cpu", **extra) -> None:
    """onnxruntime-genai's model builder: the graph and its weights, without its configuration."""
    from onnxruntime_genai.models.builder import create_model, parse_extra_options

    with checkpoint(family, wide_heads=True) as source, tempfile.TemporaryDirectory() as out:
        where = (None, str(source), out, precision, provider, f"{out}/cache")
        extra = parse_extra_options(*where, [f"{key}={value}" for key, value in extra.items()])
        create_model(*where, **extra)
        save_inline(Path(out) / "model.onnx", path)


def mobius(
    family: str,
    path: Path,
    provider: str = "default",
    static_cache: bool = False,
    wide_heads: bool = False,
    packed_experts: bool = False,
) -> None:
    """mobius-onnx, which builds graphs from definitions of its own.

    Of DeepSeek's it finds experts only where they lie in one tensor, unlike in published checkpoints.
    """
    from mobius import CausalLMTask, build

    saved = {"save_original_format": False} if packed_experts else {}
    with checkpoint(family, wide_heads, **saved) as source, tempfile.TemporaryDirectory() as out:
        task = CausalLMTask(static_cache=True) if static_cache else None
        package = build(str(source), task=task, execution_provider=provider)
        package["model"].graph.name = family  # it is named for the folder of the checkpoint
        package.save(out)
        save_inline(Path(out) / "model.onnx", path)


def quantized(family: str, path: Path, method: str) -> None:
    """onnxruntime's quantisers, on the dynamo export of the family, which must be there."""
    from family_quantizers import METHODS

    METHODS[method](path.parent.parent / f"{family}-dynamo" / "model.onnx", path)


def transformers(
    family: str, path: Path, fusions: str | None = None, experts: str | None = None
) -> None:
    """The exporter that transformers 5 brings: dynamo behind patches and translations of its own.

    `fusions` is the execution provider for whose operators it rewrites the graph.
    """
    import onnx_ir
    from family_dynamo import example_inputs
    from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

    model = family_models.build(family)
    if experts is not None:
        model.set_experts_implementation(experts)
    config = OnnxConfig(dynamic=True, ort_fusions=fusions)
    program = OnnxExporter().export(model, example_inputs(model), config=config).program
    keep_metadata(program, (NAME_SCOPES,))
    onnx_ir.save(program, path)
