"""Runs what plan.mjs made, on one provider: reads the plan from the standard input, prints a line of JSON a result.

{"part": "numbers", "graph", "difference", "deviation"}   the largest difference from the references' logits in a few
                                                          steps, and the standard deviation of those
{"part": "times", "graph", "column", "base", "times"}     seconds of each round, the export and the graph in turn
{"part": "paged", "column", "op", "lowered", "difference": {"op", "lowered"}, "deviation"}
and what training.py says; with "error" in place of results where something fails.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "bench"))
from feeding import PROVIDERS, Model, floats, held  # noqa: E402
from training import train  # noqa: E402

# Rows and tokens of each step, the first behind nothing. Several new tokens behind a past, in one row.
COURSES = [(2, [33, 1, 1]), (1, [17, 3, 1])]
WARM = 3


def say(**row) -> None:
    print(json.dumps(row), flush=True)


def attempt(row: dict, measure) -> None:
    """Prints what is measured, or the first line of what fails."""
    try:
        say(**row, **measure())
    except Exception as error:  # noqa: BLE001 - one graph's failure is a result; the others go on
        say(**row, error=str(error).splitlines()[0][:300])


def course(model: Model, plan: dict, rows: int, steps: list[int]) -> list[np.ndarray]:
    """The logits of each step."""
    drawn = np.random.default_rng(5)
    model.begin(rows, plan["length"], tuple(plan["cache"]))
    logits = []
    for new in steps:
        model.prepare(drawn.integers(3, plan["vocabulary"], (rows, new)))
        model.run()
        logits.append(model.logits())
        model.advance()
    return logits


def numbers(plan: dict, provider: str) -> None:
    known = {}

    def reference(file: str) -> list[list[np.ndarray]]:
        if file not in known:
            model = Model(file, "concat")
            known[file] = [course(model, plan, rows, steps) for rows, steps in COURSES]
        return known[file]

    def measure(graph: dict) -> dict:
        model = Model(graph["file"], graph["form"], provider, weights=graph.get("weights"))
        wanted = [reference(file) for file in graph["against"]]
        difference, values = 0.0, []
        for i, (rows, steps) in enumerate(COURSES):
            for step, logits in enumerate(course(model, plan, rows, steps)):
                for row in range(rows):
                    want = wanted[row % len(wanted)][i][step][row]
                    got = logits[row]
                    if not np.isfinite(got).all():
                        raise ValueError("the logits have numbers that are not finite")
                    difference = max(difference, float(np.abs(got - want).max()))
                    values.append(want)
        return {"difference": difference, "deviation": float(np.concatenate(values).std())}

    for graph in plan["graphs"]:
        row = {"part": "numbers", "graph": graph["name"]}
        if "missing" in graph:
            say(**row, error=graph["missing"])
        else:
            attempt(row, lambda graph=graph: measure(graph))


def rounds(pair: list, count: int) -> list[list[float]]:
    """Seconds of each of two, in turn."""
    for run in pair:
        for _ in range(WARM):
            run()
    seconds = [[], []]
    for turn in range(count):
        for i in (0, 1) if turn % 2 == 0 else (1, 0):
            start = time.perf_counter()
            pair[i]()
            seconds[i].append(time.perf_counter() - start)
    return seconds


def times(plan: dict, provider: str) -> None:
    base = Model(plan["base"], "concat", provider)

    def measure(model: Model, column: dict) -> dict:
        drawn = np.random.default_rng(7)
        ids = drawn.integers(3, plan["vocabulary"], (column["rows"], column["tokens"]))
        for each in (base, model):
            each.begin(column["rows"], plan["length"], tuple(plan["cache"]), column["past"])
            each.prepare(ids, on_host=False)
        one, other = rounds([base.run, model.run], column["rounds"])
        return {"base": one, "times": other}

    for graph in plan["graphs"]:
        row = {"part": "times", "graph": graph["name"]}
        if "missing" in graph:
            say(**row, column=None, error=graph["missing"])
            continue
        try:
            model = Model(graph["file"], graph["form"], provider, weights=graph.get("weights"))
        except Exception as error:  # noqa: BLE001 - likewise
            say(**row, column=None, error=str(error).splitlines()[0][:300])
            continue
        for column in plan["columns"]:
            attempt(row | {"column": column["name"]}, lambda column=column, model=model: measure(model, column))
        del model


class Paged:
    """One paged attention, its caches on the provider."""

    def __init__(self, file: str, provider: str):
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self.provider = provider
        self.session = ort.InferenceSession(file, options, providers=PROVIDERS[provider])
        self.types = {one.name: one.type for one in self.session.get_inputs()}

    def prepare(self, feeds: dict[str, np.ndarray]) -> None:
        self.binding = self.session.io_binding()
        self.kept = []
        for name, numbers in feeds.items():
            array = held(numbers, self.types[name])
            value = ort.OrtValue.ortvalue_from_numpy(array, self.provider, 0)
            self.kept.append((array, value))
            self.binding.bind_ortvalue_input(name, value)
            if name.endswith("_cache"):
                # The op writes into its caches; the lowered form's results go to the same place.
                self.binding.bind_ortvalue_output(f"{name}_out", value)
        self.binding.bind_output("output", "cpu")

    def run(self) -> None:
        self.session.run_with_iobinding(self.binding)

    def output(self) -> np.ndarray:
        names = [one.name for one in self.session.get_outputs()]
        bound = ["key_cache_out", "value_cache_out", "output"]
        assert sorted(names) == sorted(bound)
        return floats(self.binding.get_outputs()[bound.index("output")])


def paged_feeds(plan: dict, column: dict) -> dict[str, np.ndarray]:
    """Rows of one length, each in blocks of its own that lie anywhere."""
    rows, past, tokens, block = column["rows"], column["past"], column["tokens"], plan["block"]
    drawn = np.random.default_rng(11)
    row_blocks = -(-(past + tokens) // block)
    blocks = rows * row_blocks
    cache = (blocks, block, plan["kvHeads"], plan["headDim"])
    width = lambda heads: drawn.standard_normal((rows * tokens, heads * plan["headDim"]), np.float32)  # noqa: E731
    return {
        "query": width(plan["heads"]),
        "key": width(plan["kvHeads"]),
        "value": width(plan["kvHeads"]),
        "key_cache": drawn.standard_normal(cache, np.float32),
        "value_cache": drawn.standard_normal(cache, np.float32),
        "cumulative_sequence_length": np.arange(rows + 1) * tokens,
        "past_seqlens": np.full(rows, past),
        "block_table": drawn.permutation(blocks).reshape(rows, row_blocks),
    }


def paged(plan: dict, provider: str) -> None:
    def measure(column: dict) -> dict:
        feeds = paged_feeds(plan, column)
        reference = Paged(plan["reference"], "cpu")
        reference.prepare(feeds)
        reference.run()
        wanted = reference.output()
        names = ["op", "lowered"] if provider == "cuda" else ["lowered"]
        models = {name: Paged(plan[name], provider) for name in names}
        difference = {}
        for name, model in models.items():
            model.prepare(feeds)
            model.run()
            difference[name] = float(np.abs(model.output() - wanted).max())
        one, other = rounds([models[names[0]].run, models["lowered"].run], column["rounds"])
        seconds = {names[0]: one, "lowered": other}
        return {**seconds, "difference": difference, "deviation": float(wanted.std())}

    for column in plan["columns"]:
        attempt({"part": "paged", "column": column["name"]}, lambda column=column: measure(column))


def main() -> None:
    plan = json.load(sys.stdin)
    numbers(plan["numbers"], plan["provider"])
    paged(plan["paged"], plan["provider"])
    train(plan["train"], plan["provider"], attempt)
    times(plan["times"], plan["provider"])


if __name__ == "__main__":
    main()
