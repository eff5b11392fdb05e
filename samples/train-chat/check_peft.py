"""Holds what PEFT computes with an adapter that tfc trained against the compiled graph and its answers.

    python check_peft.py HF TOKENIZER DEMO/float32
    python check_peft.py HF TOKENIZER DEMO/int4 --int4

HF is the model's folder or its name on the hub, TOKENIZER the folder of its export, which `npm run demo:chat` was given;
DEMO/… is what the demo wrote of a base: model.onnx, run/adapter.safetensors, peft/. With --int4 each linear's weight is
what onnxruntime's own quantizer makes of it, in blocks of 32, and PyTorch computes with the floats that this stands for;
the kernels of MatMulNBits, which round rows to 8 bits as they are compiled, compute in floats for the logits. Answers are
those of the kernels as compiled: where rounding takes another token, an answer differs.

Compares greedy answers of `tfc generate --chat --load` with those of transformers with PEFT, token by token, and the
logits of each question with its answer: of the graph in onnxruntime against PyTorch. Needs torch, transformers, peft,
safetensors, onnx, onnxruntime.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.capi._pybind_state import quantize_matmul_4bits
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).resolve().parent
BLOCK = 32


def through_int4(weight: torch.Tensor) -> torch.Tensor:
    """What a linear's weight, [out, in], is behind onnxruntime's quantizer."""
    outs, ins = weight.shape
    blocks = -(-ins // BLOCK)
    packed = np.zeros((outs, blocks, BLOCK // 2), np.uint8)
    scales = np.zeros(outs * blocks, np.float32)
    zeros = np.zeros(outs * ((blocks + 1) // 2), np.uint8)
    columns = np.ascontiguousarray(weight.numpy().T)
    quantize_matmul_4bits(packed, columns, scales, zeros, BLOCK, outs, ins, False)
    numbers = np.stack([packed & 15, packed >> 4], -1).reshape(outs, blocks, BLOCK).astype(np.float32)
    points = np.stack([zeros & 15, zeros >> 4], -1).reshape(outs, -1, 1)[:, :blocks].astype(np.float32)
    floats = (numbers - points) * scales.reshape(outs, blocks, 1)
    return torch.from_numpy(floats.reshape(outs, -1)[:, :ins].copy())


@torch.no_grad()
def peft_model(folder: str, adapter: Path, is_int4: bool) -> PeftModel:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    if is_int4:
        for module in model.modules():
            # A head that shares the embeddings' matrix gets one of its own: the embeddings stay as they are.
            if isinstance(module, torch.nn.Linear):
                module.weight = torch.nn.Parameter(through_int4(module.weight.detach()))
    return PeftModel.from_pretrained(model, adapter).eval()


def answers_of_tfc(demo: Path, tokenizer: str, questions: list[str], most: int) -> list[list[int]]:
    command = ["npx", "tfc", "generate", str(demo / "model.onnx"), "--tokenizer", tokenizer, "--chat", "--json"]
    command += ["--load", str(demo / "run" / "adapter.safetensors"), "--device", "cpu", "--max-new-tokens", str(most)]
    run = subprocess.run(command, input="\n/reset\n".join(questions), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(run.stderr)
    return [json.loads(line)["ids"] for line in run.stdout.splitlines()]


def adapter_inputs(demo: Path) -> dict[str, np.ndarray]:
    """What the graph takes of an adapter: its matrices by name, and of each pair the factor of the product."""
    matrices = load_file(demo / "run" / "adapter.safetensors")
    config = json.loads((demo / "peft" / "adapter_config.json").read_text())
    factor = np.array([config["lora_alpha"] / config["r"]], np.float32)
    pairs = {name.rsplit(".lora_A", 1)[0] for name in matrices if ".lora_A" in name}
    return {**matrices, **{f"{pair}.scaling": factor for pair in pairs}}


def in_floats(file: Path) -> Path:
    """A graph beside another one, whose MatMulNBits do not round what they multiply."""
    model = onnx.load(file, load_external_data=False)
    for nodes in [model.graph.node, *(function.node for function in model.functions)]:
        for node in nodes:
            for attribute in node.attribute:
                if node.op_type == "MatMulNBits" and attribute.name == "accuracy_level":
                    attribute.i = 1
    exact = file.with_name("in-floats.onnx")
    onnx.save(model, exact)
    return exact


def logits_of_graph(session: onnxruntime.InferenceSession, adapter: dict, ids: np.ndarray) -> np.ndarray:
    """Logits [1, sequence, vocabulary] without a past."""
    length = ids.shape[1]
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": np.arange(length)[None], **adapter}
    wanted = {port.name: port for port in session.get_inputs()}
    for name, port in wanted.items():
        if name.startswith("past_key_values"):
            feeds[name] = np.zeros([1, port.shape[1], 0, port.shape[3]], np.float32)
    return session.run(["logits"], {name: feeds[name] for name in wanted})[0]


@torch.no_grad()
def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("hf")
    args.add_argument("tokenizer")
    args.add_argument("demo", type=Path)
    args.add_argument("--int4", action="store_true")
    args.add_argument("--max-new-tokens", type=int, default=40)
    args = args.parse_args()

    questions = (HERE / "questions.txt").read_text().strip().split("\n")
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    model = peft_model(args.hf, args.demo / "peft", args.int4)
    served = answers_of_tfc(args.demo, args.tokenizer, questions, args.max_new_tokens)
    graph = in_floats(args.demo / "model.onnx") if args.int4 else args.demo / "model.onnx"
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    adapter = adapter_inputs(args.demo)
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]

    worst, largest, same = 0.0, 0.0, 0
    for question, ids in zip(questions, served, strict=True):
        said = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(said, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        made = model.generate(**prompt, max_new_tokens=args.max_new_tokens, do_sample=False)[0].tolist()
        new = made[prompt["input_ids"].shape[1] :]
        same += (new[:-1] if new[-1] in ends else new) == ids
        whole = torch.tensor([made])
        want = model(input_ids=whole).logits.numpy()
        got = logits_of_graph(session, adapter, whole.numpy())
        worst = max(worst, float(np.abs(got - want).max()))
        largest = max(largest, float(np.abs(want).max()))
        print(f"{question}\n  {tokenizer.decode(ids)}")
    print(f"answers     {same} of {len(questions)} token by token those of PEFT")
    print(f"logits      {worst:.2e} apart at most, of {largest:.1f}: {worst / largest:.1e}")
    if (same < len(questions) and not args.int4) or worst > 1e-4 * largest:
        sys.exit(1)


main()
