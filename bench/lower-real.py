"""Runs a real model on request: what `npm run bench -- lower --real` asks, a line of JSON each, is answered by a line.

The first line is the plan: {"engine": "onnx" | "llama.cpp", "hf": DIR, "page": FILE, "threads": N, "models": [{"name",
"file", "form"}]}. Then {"name", "what"}, where what is

prefill      seconds of a prompt of PROMPT tokens
decode       seconds of NEW tokens behind it, each the likeliest one
perplexity   of the page, by the likelihood of each token behind those before it
answer       what is said to QUESTION with the model's chat template, the likeliest token each time

An answer is {"seconds", "tokens"}, {"value"} or {"error"}.

`python lower-real.py quantize SOURCE.gguf OUT.gguf` makes Q4_0 of another GGUF by llama.cpp's own quantizer.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

PROMPT, NEW = 128, 64
QUESTION = "What is the capital of France? Answer in one sentence."
ANSWER_TOKENS = 24
LENGTH = 1024


class Onnx:
    """A graph in onnxruntime."""

    def __init__(self, model: dict, plan: dict):
        from feeding import Model

        self.model = Model(model["file"], model["form"], threads=plan["threads"])
        config = json.loads((Path(plan["hf"]) / "config.json").read_text())
        heads = config["num_attention_heads"]
        size = config.get("head_dim") or config["hidden_size"] // heads
        self.cache = (config.get("num_key_value_heads", heads), size)

    def begin(self) -> None:
        self.model.begin(1, LENGTH, self.cache)

    def step(self, ids: list[int]) -> np.ndarray:
        """Logits `[positions, vocabulary]` of tokens behind those before."""
        self.model.prepare(np.array([ids]))
        self.model.run()
        logits = self.model.logits()[0]
        self.model.advance()
        return logits


class LlamaCpp:
    """A GGUF file in llama.cpp."""

    def __init__(self, model: dict, plan: dict):
        from llama_cpp import Llama

        # Logits of all positions only where they are wanted: they cost.
        self.made = {
            every: Llama(
                model["file"],
                n_ctx=LENGTH,
                n_batch=LENGTH,
                n_ubatch=LENGTH,
                n_threads=plan["threads"],
                n_threads_batch=plan["threads"],
                logits_all=every,
                verbose=False,
            )
            for every in (False, True)
        }
        self.every = False

    def begin(self, every: bool = False) -> None:
        self.every = every
        self.made[every].reset()

    def step(self, ids: list[int]) -> np.ndarray:
        llama = self.made[self.every]
        llama.eval(ids)
        if self.every:
            return llama.scores[: len(ids)]
        return np.ctypeslib.as_array(llama._ctx.get_logits(), (1, llama.n_vocab()))


def spent(act) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def greedy(engine, prompt: list[int], count: int) -> list[int]:
    """The likeliest tokens behind a prompt."""
    made = [int(engine.step(prompt)[-1].argmax())]
    while len(made) < count:
        made.append(int(engine.step(made[-1:])[-1].argmax()))
    return made


def prefill(engine, texts: dict) -> dict:
    engine.begin()
    return {"seconds": spent(lambda: engine.step(texts["page"][:PROMPT])), "tokens": PROMPT}


def decode(engine, texts: dict) -> dict:
    engine.begin()
    token = [int(engine.step(texts["page"][:PROMPT])[-1].argmax())]
    return {"seconds": spent(lambda: greedy(engine, token, NEW)), "tokens": NEW}


def perplexity(engine, texts: dict) -> dict:
    ids = texts["page"]
    if isinstance(engine, LlamaCpp):
        engine.begin(every=True)
    else:
        engine.begin()
    logits = engine.step(ids)[:-1].astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    likelihood = logits[np.arange(len(ids) - 1), ids[1:]] - np.log(np.exp(logits).sum(-1))
    return {"value": float(np.exp(-likelihood.mean())), "tokens": len(ids)}


def answer(engine, texts: dict) -> dict:
    engine.begin()
    made = greedy(engine, texts["question"], ANSWER_TOKENS)
    ends = [i for i, token in enumerate(made) if token in texts["ends"]]
    return {"value": texts["decode"](made[: ends[0]] if ends else made)}


def texts_of(hf: str, page: str) -> dict:
    """The page and the question as tokens."""
    from jinja2 import Template
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(hf) / "tokenizer.json"))
    config = json.loads((Path(hf) / "config.json").read_text())
    ends = config["eos_token_id"]
    template = Template((Path(hf) / "chat_template.jinja").read_text())
    chat = template.render(messages=[{"role": "user", "content": QUESTION}], add_generation_prompt=True)
    return {
        "page": tokenizer.encode(Path(page).read_text(), add_special_tokens=False).ids,
        "question": tokenizer.encode(chat, add_special_tokens=False).ids,
        "ends": ends if isinstance(ends, list) else [ends],
        "decode": lambda ids: tokenizer.decode(ids),
    }


def quantize(source: str, target: str) -> None:
    """Q4_0, for which llama.cpp has its fastest kernels on CPUs."""
    import llama_cpp

    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0
    settings.allow_requantize = True
    if llama_cpp.llama_model_quantize(source.encode(), target.encode(), settings) != 0:
        raise SystemExit(f"llama.cpp does not quantize {source}")


def main() -> None:
    if sys.argv[1:2] == ["quantize"]:
        return quantize(*sys.argv[2:])
    plan = json.loads(sys.stdin.readline())
    texts = texts_of(plan["hf"], plan["page"])
    engines = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["name"] not in engines:
                model = next(one for one in plan["models"] if one["name"] == asked["name"])
                kind = Onnx if plan["engine"] == "onnx" else LlamaCpp
                engines[asked["name"]] = kind(model, plan)
            what = {"prefill": prefill, "decode": decode, "perplexity": perplexity, "answer": answer}[asked["what"]]
            said = what(engines[asked["name"]], texts)
        except Exception as error:  # noqa: BLE001 - one model's failure is a finding, the others go on
            said = {"error": str(error).splitlines()[0]}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
