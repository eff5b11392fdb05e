"""Record the distributions that transformers samples from, for given logits and settings.

    python sampling_oracle.py ../../test/runtime/generate/sampling.json

Each case has logits, ids of the prompt and the answer so far, settings by the names of a generation_config.json, and
the probabilities of the next token, by id, without those that are 0. The processors are those that `generate` puts
together, in its order; the last softmax is computed in float64, of scores in float32 as `generate` has them. Logits of
-1e400, which JSON reads as -Infinity, are impossible tokens. Probabilities are null where transformers fails. Tokens at the border of a nucleus are equal in small
vocabularies only: beyond 16 tokens PyTorch sorts equal ones in no fixed order.
"""

import json
import sys

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

NONE = float("-inf")
MODEL = LlamaForCausalLM(
    LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=8)
)

SMALL = {
    "ties": [1.0, 3.0, 3.0, 0.5, 3.0, 1.0, NONE, 2.0],
    "equal": [0.25] * 10,
    "eighths": [-0.6931471824645996, -1.3862943649291992, -2.0794415473937988, -2.0794415473937988],
    "impossible": [NONE, NONE, 0.0, NONE, -3.0, NONE],
    "one": [-7.5],
    "one possible": [NONE, 4.0, NONE],
    "extreme": [88.0, 87.5, -1000.0, 0.0, 3e38, -3e38, 86.0],
    "far apart": [0.0, -50.0, -100.0, -200.0, -17.0, 0.0],
    "near": [1.0, 1.0000001192092896, 1.000000238418579, 0.9999999403953552],
    "signs": [-2.0, -1.0, 0.0, -0.0, 1.0, 2.0, 2.0],
}
SETTINGS = [
    {},
    {"temperature": 0.5},
    {"temperature": 3.0},
    {"temperature": 0.01},
    {"top_k": 1},
    {"top_k": 2},
    {"top_k": 100},
    {"top_p": 0.0},
    {"top_p": 0.5},
    {"top_p": 0.9},
    {"top_p": 0.75, "temperature": 1.7},
    {"top_p": 0.9999999},
    {"min_p": 0.0},
    {"min_p": 0.1},
    {"min_p": 0.5},
    {"min_p": 1.0},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.6, "temperature": 0.7},
    {"repetition_penalty": 1.2, "temperature": 0.8, "top_k": 4, "top_p": 0.8, "min_p": 0.05},
    {"repetition_penalty": 2.5, "temperature": 1.5, "top_k": 3, "top_p": 0.95, "min_p": 0.2},
]
# Of a vocabulary large enough that the order of filters shows.
LARGE = [
    {},
    {"temperature": 0.7, "top_k": 50},
    {"temperature": 1.4, "top_p": 0.9},
    {"temperature": 1.4, "top_k": 20, "top_p": 0.7},
    {"temperature": 2.0, "min_p": 0.03},
    {"repetition_penalty": 1.5, "temperature": 1.2, "top_k": 60, "top_p": 0.95, "min_p": 0.02},
]


def probabilities(logits: list[float], ids: list[int], settings: dict) -> list[float]:
    """What `generate` would draw the next token by."""
    # Every setting is given, or transformers' own default of 50 likeliest tokens would be on.
    config = GenerationConfig(do_sample=True, **{"top_k": 0, "top_p": 1.0, "temperature": 1.0, **settings})
    prompt = torch.tensor([ids])
    processors = MODEL._get_logits_processor(
        config, input_ids_seq_length=len(ids), model_kwargs={"attention_mask": torch.ones_like(prompt)}
    )
    scores = processors(prompt, torch.tensor([logits], dtype=torch.float32))
    return torch.softmax(scores[0].double(), dim=-1).tolist()


def case(name: str, logits: list[float], ids: list[int], settings: dict) -> dict:
    """One record."""
    if any(p != p for p in probabilities(logits, ids, settings)):
        return {"logits": name, "ids": ids, "settings": settings, "probabilities": None}
    probability = {str(i): float(f"{p:.7g}") for i, p in enumerate(probabilities(logits, ids, settings)) if p > 1e-12}
    return {"logits": name, "ids": ids, "settings": settings, "probabilities": probability}


def main() -> None:
    """Record all cases."""
    torch.manual_seed(7)
    large = [round(x, 3) for x in (torch.randn(160) * 3).tolist()]
    cases = [
        case(name, logits, [0, len(logits) - 1, len(logits) // 2, 0], settings)
        for name, logits in SMALL.items()
        for settings in SETTINGS
    ]
    cases += [case("large", large, list(range(0, 160, 7)), settings) for settings in LARGE]
    # An id that has no logit: embeddings may be larger than the head.
    cases.append(case("ties", SMALL["ties"], [1, 300], {"repetition_penalty": 1.4}))
    vocabularies = {
        name: [-1e400 if x == NONE else x for x in logits] for name, logits in {**SMALL, "large": large}.items()
    }
    lines = ",\n".join("    " + json.dumps(one, separators=(",", ":")) for one in cases)
    text = json.dumps(vocabularies, indent=None).replace("-Infinity", "-1e400")
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(f'{{\n  "logits": {text},\n  "cases": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
