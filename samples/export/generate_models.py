"""The models whose greedy tokens `generate_oracle.py` records: each family, alone and with each of its adapters.

A model is named by the base and what is loaded into it: `llama2`, `llama2-wide`, `llama2 + lora`,
`llama2 + family-adapters/llama2-trained`. `lora` is an adapter that is in no file: both sides make it of the
integers of `numbers`.
"""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from adapted_oracle import adapt
from family_adapters import GROWN, NEW_TOKENS, TRAINED, AdaptedMlp, model_of
from family_checkpoint import FAMILIES as SCALARLM
from family_checkpoint import adapted
from mixture_checkpoint import LATENT, MIXTURES
from peft import LoraConfig, PeftModel, get_peft_model
from peft_adapters import UNRECORDED, base_model
from peft_adapters import ADAPTERS as PEFT
from safetensors.torch import load_file
from scalarlm_checkpoint import adapted_model

import family_models
from families import OUT
from family_exports import EXPORTS

Model = torch.nn.Module
AUSTEN = OUT / "austen-llama"
RANK, ALPHA = 4, 16
# What LoRA goes beside; packed and latent projections have names of their own.
MODULES = {"phi3": ["qkv_proj"], "deepseek_v2": ["q_a_proj", "o_proj"], "deepseek_v3": ["q_a_proj", "o_proj"]}
PLAIN = ["q_proj", "v_proj"]


def numbers(name: str, shape: torch.Size) -> torch.Tensor:
    """Numbers from -0.5 to 0.5: a linear congruential generator, seeded with the CRC-32 of a name."""
    state, values = zlib.crc32(name.encode()) % 2**31, []
    for _ in range(shape.numel()):
        state = (1103515245 * state + 12345) % 2**31
        values.append(state / 2**31 - 0.5)
    return torch.tensor(values, dtype=torch.float64).reshape(shape).to(torch.float32)


@torch.no_grad()
def with_lora(model: Model) -> Model:
    """LoRA beside some projections of every layer that has them."""
    modules = MODULES.get(model.config.model_type, PLAIN)
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=modules))
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            parameter.copy_(numbers(name.replace(".default", ""), parameter.shape))
    return model


def loaded(model: Model, file: Path) -> Model:
    """A model with what a checkpoint of ScalarLM's trainer holds."""
    state = torch.load(file, weights_only=True)["model_state_dict"]
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    return model


def trained(name: str, folder: Path) -> Model:
    """A family with adapters beside its MLPs."""
    model = model_of(name)
    for layer in model.model.layers:
        layer.mlp = AdaptedMlp(layer.mlp, model.config.hidden_size)
    return loaded(model, folder / "checkpoint_1.pt")


def grown(name: str, folder: Path) -> Model:
    """A family with more tokens, and LoRA of PEFT."""
    model = model_of(name)
    model.resize_token_embeddings(family_models.VOCABULARY + NEW_TOKENS, mean_resizing=False)
    return PeftModel.from_pretrained(model, folder)


def austen_scalarlm() -> Model:
    """The sample model with adapters beside attention and MLP."""
    model = base_model(AUSTEN)
    adapt(model, load_file(AUSTEN / "adapters.safetensors"))
    return model


def austen() -> Iterator[tuple[str, Callable[[], Model]]]:
    """The sample model, alone and with each adapter."""
    yield "austen-llama", lambda: base_model(AUSTEN)
    yield "austen-llama + lora", lambda: with_lora(base_model(AUSTEN))
    yield "austen-llama + austen-llama/adapters.safetensors", austen_scalarlm
    for name in sorted(PEFT.keys() - UNRECORDED):
        path = OUT / "peft" / name
        yield f"austen-llama + peft/{name}", lambda p=path: PeftModel.from_pretrained(base_model(AUSTEN), p)
    for name in ("checkpoint_10.pt", "with-mlp-and-head.pt"):
        yield f"austen-llama + scalarlm/{name}", lambda n=name: loaded(adapted_model(AUSTEN), OUT / "scalarlm" / n)


def families() -> Iterator[tuple[str, Callable[[], Model]]]:
    """Each family that there is an export of, alone and with each adapter."""
    bases = {e.family + ("-wide" if e.wide_heads else "") for e in EXPORTS if (OUT / e.folder / e.name).exists()}
    for base in sorted(bases):
        yield base, lambda b=base: model_of(b)
        yield f"{base} + lora", lambda b=base: with_lora(model_of(b))
    committed = (
        *((f, "family-adapters", f"{f}-trained", lambda n, p: trained(n, p)) for f in TRAINED),
        *((f, "family-adapters", f"{f}-grown", lambda n, p: grown(n, p)) for f in GROWN),
        *(
            (f, "family-adapters", f"{f}-mixture", lambda n, p: loaded(adapted(n), p / "checkpoint_1.pt"))
            for f in MIXTURES
        ),
        *(
            (f, "family-adapters", f"{f}-latent", lambda n, p: PeftModel.from_pretrained(model_of(n), p))
            for f in LATENT
        ),
        *((f, "scalarlm-families", f, lambda n, p: loaded(adapted(n), p / "checkpoint_10.pt")) for f in SCALARLM),
    )
    for base, folder, name, make in committed:
        yield f"{base} + {folder}/{name}", lambda b=base, m=make, p=OUT / folder / name: m(b, p)


def models() -> Iterator[tuple[str, Callable[[], Model]]]:
    """The name of each model, and what makes it."""
    yield from austen()
    yield from families()
