"""Generates on request with onnxruntime in Python, for run-models.mjs: python run-loop.py plain|bound PLAN

PLAN is JSON: `file` a graph, `threads`. `plain` is the loop that everyone writes: `session.run`, and what it returned is
fed again. `bound` binds presents as the next step's pasts, so that caches are not copied. Lines as in run-worker.mjs.
"""

import json
import resource
import sys
import time

import numpy as np
import onnxruntime


class Loop:
    """A decoder with concatenated caches."""

    def __init__(self, file: str, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
        self.inputs = {i.name: i for i in self.session.get_inputs()}
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.caches = {n: n.replace("past_key_values", "present") for n in self.inputs if n.startswith("past_key")}

    def empty(self) -> dict[str, np.ndarray]:
        shapes = {name: self.inputs[name].shape for name in self.caches}
        return {n: np.zeros((1, s[1], 0, s[3]), np.float32) for n, s in shapes.items()}

    def step_feeds(self, ids: np.ndarray, past: int) -> dict[str, np.ndarray]:
        total = past + ids.shape[1]
        known = {
            "input_ids": ids,
            "attention_mask": np.ones((1, total), np.int64),
            "position_ids": np.arange(past, total, dtype=np.int64)[None],
        }
        return {name: value for name, value in known.items() if name in self.inputs}

    def plain(self, prompt: list[int], new: int) -> list[int]:
        ids, past, cache, made = np.array([prompt], np.int64), 0, self.empty(), []
        while True:
            results = dict(zip(self.outputs, self.session.run(None, self.step_feeds(ids, past) | cache)))
            made.append(int(results["logits"][0, -1].argmax()))
            if len(made) == new:
                return made
            past += ids.shape[1]
            cache = {name: results[present] for name, present in self.caches.items()}
            ids = np.array([[made[-1]]], np.int64)

    def bound(self, prompt: list[int], new: int) -> list[int]:
        ids, past, made = np.array([prompt], np.int64), 0, []
        cache = {n: onnxruntime.OrtValue.ortvalue_from_numpy(v) for n, v in self.empty().items()}
        while True:
            binding = self.session.io_binding()
            for name, value in self.step_feeds(ids, past).items():
                binding.bind_cpu_input(name, value)
            for name, value in cache.items():
                binding.bind_ortvalue_input(name, value)
            for name in self.outputs:
                binding.bind_output(name, "cpu")
            self.session.run_with_iobinding(binding)
            results = dict(zip(self.outputs, binding.get_outputs()))
            made.append(int(results["logits"].numpy()[0, -1].argmax()))
            if len(made) == new:
                return made
            past += ids.shape[1]
            cache = {name: results[present] for name, present in self.caches.items()}
            ids = np.array([[made[-1]]], np.int64)


def main() -> None:
    how, plan = sys.argv[1], json.loads(sys.argv[2])
    loop = Loop(plan["file"], plan["threads"])
    for line in sys.stdin:
        question = json.loads(line)
        if "prompt" not in question:
            answer = {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
        else:
            start = time.perf_counter()
            ids = getattr(loop, how)(question["prompt"], question["new"])
            answer = {"seconds": time.perf_counter() - start, "ids": ids}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
