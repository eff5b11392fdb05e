"""What the scripts of this folder share: the commands, and an independent greedy loop over a graph."""

import re
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples" / "models"
AUSTEN = SAMPLES / "austen-llama"


def tfc(*args):
    done = subprocess.run(["node", str(ROOT / "bin" / "tfc.js"), *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-3:])
    return done.stdout


def greedy_by_onnxruntime(path, prompts, new, without=None):
    """
    One prompt at a time, with the cache that the graph has, over what each input is called.

    without: a token that is never taken, such as one that ends a text
    """
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [greedy_of(session, ids, new, without) for ids in prompts]


def greedy_of(session, ids, new, without):
    types = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    pasts = {port.name: port for port in session.get_inputs() if "past" in port.name or "cache" in port.name}
    state, fed, made = {}, list(ids), []
    for name, port in pasts.items():
        rows, heads, _, width = (d if isinstance(d, int) else None for d in port.shape)
        # The builder of genai has a symbol there; its samples' heads are this wide.
        state[name] = np.zeros([rows or 1, heads or 1, 0, width or 16], types[port.type])
    outputs = [port.name for port in session.get_outputs()]
    presents = dict(zip(sorted(pasts, key=slot), sorted(outputs[1:], key=slot)))
    total = 0
    while len(made) < new:
        total += len(fed)
        feeds = dict(state)
        for port in session.get_inputs():
            whole = np.int32 if port.type == "tensor(int32)" else np.int64
            if "mask" in port.name:
                feeds[port.name] = np.ones((1, total), whole)
            elif "position" in port.name:
                feeds[port.name] = np.arange(total - len(fed), total, dtype=whole)[None]
            elif "input_ids" in port.name:
                feeds[port.name] = np.array([fed], whole)
        results = dict(zip(outputs, session.run(None, feeds)))
        state = {past: results[present] for past, present in presents.items()}
        logits = results[outputs[0]][0, -1].astype(np.float32)
        if without is not None:
            logits[without] = -np.inf
        fed = [int(np.argmax(logits))]
        made += fed
    return made


def slot(name):
    """Layer, and whether it is the value."""
    return int(re.search(r"\d+", name).group()), "value" in name or ".v" in name
