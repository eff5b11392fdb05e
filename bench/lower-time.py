"""Times models against a base in pairs: reads a plan from the standard input, prints a line of JSON for each result.

The plan: {"base": FILE, "variants": [{"name", "file", "form", "rows"}], "columns": [{"name", "rows", "past", "tokens",
"rounds", "length"}], "threads": N, "cpu": whether to count processor time}. `form` is how the caches are fed:

concat   keys and values of the past go in as NumPy arrays, those of past and present come out
shared   past and present are one buffer for each, long enough for all columns, bound to both
products a graph of products alone: x goes in

`rows` is how many a graph takes, null for any number: other columns are left out.

A line: {"variant", "column", "base": [seconds], "times": [seconds], "difference"} with the times of each round, base
and variant in turn, after one round that is not counted; or {"variant", "column", "error"}. `difference` is the largest
between the logits of the last position, null where there are none to compare.
"""

import json
import sys
import time

import numpy as np
from feeding import Model


class Products:
    """A graph of products alone."""

    def __init__(self, file: str, threads: int):
        self.model = Model(file, "concat", threads=threads)
        self.session = self.model.session

    def prepare(self, column: dict, _) -> None:
        numbers = np.random.default_rng(0).standard_normal(
            (column["rows"], column["tokens"], self.model.given["x"].shape[2]), np.float32
        )
        self.feeds = {"x": numbers}

    def run(self) -> None:
        self.session.run(None, self.feeds)

    def logits(self) -> None:
        return None


class Decoder:
    """A decoder, and how one column is fed to it."""

    def __init__(self, file: str, form: str, threads: int):
        self.model = Model(file, form, threads=threads)
        self.session = self.model.session

    def prepare(self, column: dict, sizes: tuple[int, tuple[int, int]]) -> None:
        """Makes the feeds of a column. The same numbers go to every model."""
        vocabulary, cache = sizes
        ids = np.random.default_rng(0).integers(3, vocabulary, (column["rows"], column["tokens"]))
        self.model.begin(column["rows"], column["length"], cache, column["past"])
        self.model.prepare(ids)

    def run(self) -> None:
        self.model.run()

    def logits(self) -> np.ndarray:
        """Those of each row's last position."""
        return self.model.logits()[:, -1]


def measure(base: Decoder, variant: Decoder | Products, column: dict, clock) -> dict:
    pair = [base, variant]
    for model in pair:
        model.prepare(column, sizes(base))
        model.run()
    one, other = base.logits(), variant.logits()
    difference = None if other is None else float(np.abs(one - other).max())
    times = [[], []]
    for turn in range(column["rounds"]):
        # Each goes first in every other round.
        for i in (0, 1) if turn % 2 == 0 else (1, 0):
            start = clock()
            pair[i].run()
            times[i].append(clock() - start)
    return {"base": times[0], "times": times[1], "difference": difference}


def sizes(base: Decoder) -> tuple[int, tuple[int, int]]:
    """How many tokens there are; heads of a cache and their size."""
    logits = next(output for output in base.session.get_outputs() if output.name == "logits")
    cache = base.model.given[base.model.caches[0]]
    return logits.shape[2], (cache.shape[1], cache.shape[3])


def opened(variant: dict, threads: int) -> Decoder | Products:
    if variant["form"] == "products":
        return Products(variant["file"], threads)
    return Decoder(variant["file"], variant["form"], threads)


def main() -> None:
    plan = json.load(sys.stdin)
    clock = time.process_time if plan["cpu"] else time.perf_counter
    base = Decoder(plan["base"], "concat", plan["threads"])
    for variant in plan["variants"]:
        try:
            model = opened(variant, plan["threads"])
        except Exception as error:  # noqa: BLE001 - another tool's model: what is wrong with it is the finding
            print(json.dumps({"variant": variant["name"], "column": None, "error": str(error).splitlines()[0]}), flush=True)
            continue
        for column in plan["columns"]:
            if variant["rows"] not in (None, column["rows"]):
                continue
            row = {"variant": variant["name"], "column": column["name"]}
            try:
                row |= measure(base, model, column, clock)
            except Exception as error:  # noqa: BLE001 - likewise
                row["error"] = str(error).splitlines()[0]
            print(json.dumps(row), flush=True)
            print(f"  {variant['name']}: {column['name']}", file=sys.stderr, flush=True)
        del model


if __name__ == "__main__":
    main()
