"""
Runs packages of `tfc package --genai` in onnxruntime-genai, and compares the tokens of each with those of an
independent loop: transformers where the model's checkpoint is there, else onnxruntime on the graph as it was before tfc
touched it. Greedy, so that tokens are equal or they are not.

    npm run build
    python -m venv genai && genai/bin/pip install onnxruntime-genai==0.18.0 onnxruntime transformers torch
    genai/bin/python test/engines/genai.py [--real FOLDER] [PART OF A CASE'S NAME …]

FOLDER holds a checkpoint of Hugging Face in hf and its export in onnx: SmolLM2-135M-Instruct in what docs/scale.md
tells of.
"""

import argparse
import functools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import onnxruntime_genai as og

sys.path.insert(0, str(Path(__file__).parent))
from tfc import AUSTEN, SAMPLES, greedy_by_onnxruntime, tfc  # noqa: E402

NEW = 16
# What ends a text where a sample's configuration is not there; no answer has it, as none has the end elsewhere.
END = 1

TEXTS = ["Gravity is", "Two  spaces, 123\nand a line.", "naïve café 日本 🙂"]

ort.set_default_logger_severity(4)


def compiled(folder, base, flags):
    """The base, compiled with these flags; the base itself without any."""
    if flags is None:
        return base
    out = folder / "compiled" / "model.onnx"
    tfc("compile", base, "-o", out, *flags)
    return out


# ---- the oracle


@functools.cache
def checkpoint_of(folder):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@functools.cache
def greedy_by_transformers(folder, ids):
    import torch

    out = checkpoint_of(folder).generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        min_new_tokens=NEW,
        max_new_tokens=NEW,
        repetition_penalty=1.0,
    )
    return out[0, len(ids) :].tolist()


def by_transformers(folder):
    return lambda prompts: [greedy_by_transformers(folder, tuple(ids)) for ids in prompts]


# ---- genai


def greedy_by_genai(folder, prompts, together=False, adapter=None, inputs=None):
    model = og.Model(str(folder))
    if together:
        return generate(model, prompts, adapter, inputs)
    return [generate(model, [ids], adapter, inputs)[0] for ids in prompts]


def generate(model, prompts, adapter, inputs):
    width = max(map(len, prompts))
    # Behind each prompt, as genai's own tokenizer pads.
    pad = json.loads(Path(model_folder[0], "genai_config.json").read_text())["model"]["pad_token_id"]
    rows = np.array([ids + [pad] * (width - len(ids)) for ids in prompts], np.int32)
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=width + NEW, batch_size=len(prompts), min_length=width + NEW)
    generator = og.Generator(model, params)
    if adapter is not None:
        adapters = og.Adapters(model)
        adapters.load(str(adapter), "one")
        generator.set_active_adapter(adapters, "one")
    for name, value in (inputs or {}).items():
        generator.set_model_input(name, value)
    generator.append_tokens(rows)
    while not generator.is_done():
        generator.generate_next_token()
    return [[int(i) for i in generator.get_sequence(row)][width:] for row in range(len(prompts))]


model_folder = [""]


def run(name, base, flags=None, tokenizer=None, together=False, oracle=None, prompts=None, **more):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        path = compiled(folder, base, flags)
        out = folder / "genai"
        if tokenizer is None:
            tokenizer = folder / "settings"
            tokenizer.mkdir()
            (tokenizer / "config.json").write_text(json.dumps({"max_position_embeddings": 64, "eos_token_id": END}))
        tfc("package", path, "--genai", out, "--tokenizer", tokenizer)
        model_folder[0] = str(out)
        if more.get("text") is not None:
            own, hf = og.Tokenizer(og.Model(str(out))), more["text"]
            for text in TEXTS:
                wanted = hf(text, add_special_tokens=False)["input_ids"]
                assert [int(i) for i in own.encode(text)] == wanted, f"genai's tokens of {text!r}"
                assert own.decode(wanted) == hf.decode(wanted, skip_special_tokens=True), f"genai's text of {text!r}"
        adapter = None
        if more.get("export"):
            adapter = folder / "one.onnx_adapter"
            tfc("adapter", "export", more["export"], "-o", adapter, *more.get("export_flags", []))
        got = greedy_by_genai(out, prompts, together, adapter, more.get("inputs"))
        wanted = oracle(prompts)
        return got == wanted, got, wanted


def cases(real):
    text = json.loads((AUSTEN / "oracle.json").read_text())
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(AUSTEN / "tokenizer.json"))
    prompts = [tokenizer(p)["input_ids"] for case in text["cases"].values() for p in case["prompts"]][:3]
    austen = dict(tokenizer=AUSTEN, prompts=prompts, oracle=by_transformers(AUSTEN), text=tokenizer)
    forms = {
        "as exported": None,
        "adapters": ["--rank", "4"],
        "for cpu": ["--no-adapters", "--for", "cpu"],
        "for cpu, kv shared": ["--no-adapters", "--for", "cpu", "--kv", "shared", "--max-length", "128"],
        "last logits": ["--no-adapters", "--last-logits"],
        "logit rows": ["--no-adapters", "--logit-rows"],
        "for cpu, kv shared, last logits": "--no-adapters --for cpu --kv shared --max-length 128 --last-logits".split(),
        "for cpu, kv shared, logit rows": "--no-adapters --for cpu --kv shared --max-length 128 --logit-rows".split(),
        "bank": ["--adapters", "bank", "--members", "2"],
        "optional inputs, none given": ["--adapters", "optional-inputs"],
    }
    for style in ("dynamo", "torchscript"):
        base = AUSTEN / style / "model.onnx"
        for form, flags in forms.items():
            inputs = {"adapter_ids": np.array([-1], np.int64)} if form == "bank" else None
            yield f"austen {style}, {form}", dict(austen, base=base, flags=flags, inputs=inputs)
            if form not in ("last logits", "for cpu, kv shared, last logits"):
                rows = {"adapter_ids": np.full(len(prompts), -1, np.int64)} if form == "bank" else None
                yield (
                    f"austen {style}, {form}, a batch of unequal prompts",
                    dict(austen, base=base, flags=flags, inputs=rows, together=True),
                )
    yield from adapter_cases(austen)
    for folder in sorted([*(SAMPLES / "families").iterdir(), *(SAMPLES / "new-families").iterdir()]):
        base = folder / "model.onnx"
        if base.exists():
            ids = [[3, 1, 4, 1, 5, 9, 2, 6], [2, 7]]
            yield (
                f"{folder.name}, as exported",
                dict(base=base, prompts=ids, oracle=lambda p, base=base: greedy_by_onnxruntime(base, p, NEW, END)),
            )
    if real is not None:
        yield from real_cases(Path(real))


def adapter_cases(austen):
    """Trained adapters as files and as members of a bank, held against onnxruntime on a graph that has them baked in."""
    base = AUSTEN / "dynamo" / "model.onnx"
    adapters = {"scalarlm": AUSTEN / "adapters.safetensors", "peft": SAMPLES / "peft" / "patterns"}

    def baked(adapter):
        def oracle(prompts):
            with tempfile.TemporaryDirectory() as folder:
                path = compiled(Path(folder), base, ["--load", adapter, "--force"])
                return greedy_by_onnxruntime(path, prompts, NEW, 2)

        return oracle

    for name, adapter in adapters.items():
        given = dict(austen, base=base, oracle=baked(adapter))
        yield f"adapter {name}, baked in", dict(given, flags=["--load", adapter, "--force"])
        for form in ("inputs", "optional-inputs"):
            flags = ["--load", adapter, "--force", "--adapters", form]
            yield f"adapter {name}, {form}, by an .onnx_adapter file", dict(given, flags=flags, export=adapter)
        flags = ["--adapters", "bank", "--load", adapter, "--load", adapter, "--force"]
        inputs = {"adapter_ids": np.array([1], np.int64)}
        yield f"adapter {name}, a bank's member", dict(given, flags=flags, inputs=inputs)


def real_cases(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "hf")
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    prompts = [
        tokenizer("Gravity is")["input_ids"],
        tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"],
    ]
    given = dict(base=folder / "onnx" / "model.onnx", prompts=prompts, tokenizer=folder / "hf", text=tokenizer)
    forms = {
        "as exported": None,
        "for cpu": ["--no-adapters", "--for", "cpu"],
        "for cpu, kv shared": ["--no-adapters", "--for", "cpu", "--kv", "shared", "--max-length", "256"],
        "for cpu, kv shared, logit rows": "--no-adapters --for cpu --kv shared --max-length 256 --logit-rows".split(),
        "last logits": ["--no-adapters", "--last-logits"],
    }
    for form, flags in forms.items():
        yield f"SmolLM2, {form}", dict(given, flags=flags, oracle=by_transformers(folder / "hf"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--real")
    parser.add_argument("parts", nargs="*")
    args = parser.parse_args()
    failed = 0
    for name, case in cases(args.real):
        if args.parts and not any(part in name for part in args.parts):
            continue
        try:
            equal, got, wanted = run(name, **case)
            print(f"{'equal ' if equal else 'DIFFER'}  {name}", flush=True)
            if not equal:
                failed += 1
                print(f"        genai {got}\n        oracle {wanted}")
        except Exception as error:
            text = str(error)
            refused = "PACKAGE_REFUSED" in text
            unloaded = "implementation for" in text
            failed += 0 if refused or unloaded else 1
            print(f"{'refused' if refused else 'no CPU kernel' if unloaded else 'FAILED '} {name}: {text[:300]}", flush=True)
    print(f"onnxruntime-genai {og.__version__}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
