"""Training steps of what train.mjs made, on one provider, for measure.py.

{"part": "train", "graph", "difference", "elsewhere"}   the largest difference of a gradient from that in float32 on the CPU,
                                                        in parts of the largest number of its tensor; ops on the CPU that
                                                        were not said to be there
{"part": "train times", "graph", "times"}               seconds of each round; the graph "PyTorch" where it is installed
"""

import time

import numpy as np
import onnxruntime as ort
from feeding import PROVIDERS, tensors_of


def session_of(file: str, provider: str, **options: str) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    settings.enable_mem_pattern = False
    if options.get("optimize") == "no":
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return ort.InferenceSession(file, settings, providers=PROVIDERS[provider])


def feeds_of(session: ort.InferenceSession, graph: dict, plan: dict, vocabulary: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(13).integers(3, vocabulary, (plan["rows"], plan["tokens"]))
    given = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "labels": ids,
        "loss_scale": np.array(1024, np.float32),
        **tensors_of(graph["weights"]),
    }
    return {one.name: given[one.name] for one in session.get_inputs() if one.name in given}


def gradients(graph: dict, plan: dict, provider: str) -> dict[str, np.ndarray]:
    session = session_of(graph["file"], provider)
    feeds = feeds_of(session, graph, plan, plan["vocabulary"])
    names = [one.name for one in session.get_outputs() if one.name.endswith(".grad")]
    return dict(zip(names, session.run(names, feeds)))


def elsewhere(graph: dict, provider: str) -> list[str]:
    """Ops that are on the CPU and were not said to be there: on CUDA arithmetic on sizes alone is."""
    if provider == "cpu":
        return []
    session, said = session_of(graph["file"], provider, optimize="no"), list(graph["host"])
    found = []
    for part in session.get_provider_graph_assignment_info():
        for node in [] if part.ep_name.startswith("CUDA") else part.get_nodes():
            said.remove(node.op_type) if node.op_type in said else found.append(node.op_type)
    return sorted(set(found))


def seconds(run, count: int) -> list[float]:
    for _ in range(3):
        run()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def bound(graph: dict, plan: dict, provider: str):
    """A step whose inputs and gradients stay on the provider."""
    session = session_of(graph["file"], provider)
    binding, kept = session.io_binding(), []
    for name, value in feeds_of(session, graph, plan, plan["llama"]["vocab"]).items():
        kept.append(ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value), provider, 0))
        binding.bind_ortvalue_input(name, kept[-1])
    for one in session.get_outputs():
        binding.bind_output(one.name, "cpu" if one.name == "loss" else provider)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    run.kept = kept
    return run


def train(plan: dict, provider: str, attempt) -> None:
    numbers, times = plan["numbers"], plan["times"]
    reference = gradients(numbers["reference"], numbers, "cpu")

    def compared(graph: dict) -> dict:
        found = gradients(graph, numbers, provider)
        if found.keys() != reference.keys():
            raise ValueError("other gradients than the reference's")
        far = [float(np.abs(found[name] - want).max() / np.abs(want).max()) for name, want in reference.items()]
        # The largest of numbers of which one is none is none.
        return {"difference": float(np.max(far)), "elsewhere": elsewhere(graph, provider)}

    for graph in numbers["graphs"]:
        attempt({"part": "train", "graph": graph["name"]}, lambda graph=graph: compared(graph))
    try:
        from training_torch import torch_step
    except ImportError:
        torch_step = None
    if torch_step is not None:
        attempt(
            {"part": "train times", "graph": "PyTorch"},
            lambda: {"times": seconds(torch_step(times, provider), times["rounds"])},
        )
    for graph in times["graphs"]:
        attempt(
            {"part": "train times", "graph": graph["name"]},
            lambda graph=graph: {"times": seconds(bound(graph, times, provider), times["rounds"])},
        )
