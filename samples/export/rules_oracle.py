"""Record what transformers' logits processors make of given logits, by the fields of a generation_config.json that are
about single tokens rather than about how to sample.

    python rules_oracle.py ../../test/runtime/generate/rules.json

Each case has logits, ids of the prompt and the answer so far, how many of them are the prompt's, how many new tokens
there may be, settings by the names of a generation_config.json, and the probabilities of the next token, by id, without
those that are 0. Processors are those that `generate` puts together, in its order; the last softmax is computed in
float64.
"""

import json
import sys

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

MODEL = LlamaForCausalLM(
    LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=8)
)
ENDS = [2, 9]
LOGITS = {
    "mixed": [0.5, -1.25, 2.0, 1.5, -0.75, 3.0, 0.25, -2.0, 1.0, -0.5, 2.5, 0.0],
    "flat": [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.125, 1.25, 1.375, 1.5],
    "steep": [9.0, 1.0, 0.0, 4.0, 8.5, -3.0, 2.0, 7.0, -1.0, 3.0, 5.0, 6.0],
}
# Prompt, and the answer so far.
TEXTS = {
    "begins": ([3, 5, 10, 3, 5], []),
    "goes on": ([3, 5, 10], [3, 5, 6, 3, 5]),
    "one": ([5], []),
    "second": ([5], [3]),
}
RULES = [
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"no_repeat_ngram_size": 7},
    {"encoder_no_repeat_ngram_size": 1},
    {"encoder_no_repeat_ngram_size": 2},
    {"encoder_repetition_penalty": 1.5},
    {"encoder_repetition_penalty": 0.5, "repetition_penalty": 1.25},
    {"suppress_tokens": [5, 10, 2]},
    {"begin_suppress_tokens": [5, 3]},
    {"begin_suppress_tokens": [5, 3], "forced_bos_token_id": 7},
    {"forced_bos_token_id": 7},
    {"forced_eos_token_id": 9},
    {"forced_eos_token_id": [2, 9]},
    {"min_length": 4},
    {"min_length": 8, "min_new_tokens": 1},
    {"min_new_tokens": 3},
    {"min_new_tokens": 6},
    {"bad_words_ids": [[5], [3, 5, 6], [5, 10], [2], [3, 5, 3, 5, 0]]},
    {"sequence_bias": [[[5], -10.0], [[3, 5, 0], 2.5], [[5, 1], 4.0], [[3, 5, 6, 3, 5, 4], 3.0]]},
    {"sequence_bias": [[[5], -10.0], [[3], -1.0]], "repetition_penalty": 1.5},
    {"exponential_decay_length_penalty": [1, 1.5]},
    {"exponential_decay_length_penalty": [0, 0.9], "min_new_tokens": 2},
    {"suppress_tokens": [5], "no_repeat_ngram_size": 2, "min_new_tokens": 9, "repetition_penalty": 1.3,
     "temperature": 0.7, "top_k": 4, "top_p": 0.9},
]
SAMPLING = [
    {"typical_p": 0.2},
    {"typical_p": 0.7},
    {"typical_p": 0.95, "temperature": 1.5, "top_k": 9},
    {"typical_p": 0.5, "top_p": 0.9, "min_p": 0.02, "epsilon_cutoff": 0.05, "eta_cutoff": 0.1},
    {"epsilon_cutoff": 0.05},
    {"epsilon_cutoff": 0.9},
    {"eta_cutoff": 0.01},
    {"eta_cutoff": 0.3, "temperature": 2.0},
]
MOST = 6


def probabilities(logits: list[float], prompt: list[int], answer: list[int], settings: dict) -> list[float]:
    """What `generate` would draw the next token by."""
    neutral = {"top_k": 0, "top_p": 1.0, "temperature": 1.0, "eos_token_id": ENDS, "pad_token_id": 0}
    config = GenerationConfig(do_sample=True, max_length=len(prompt) + MOST, **{**neutral, **settings})
    MODEL._prepare_special_tokens(config, kwargs_has_attention_mask=True)
    ids = torch.tensor([prompt + answer])
    processors = MODEL._get_logits_processor(
        config,
        input_ids_seq_length=len(prompt),
        encoder_input_ids=torch.tensor([prompt]),
        model_kwargs={"attention_mask": torch.ones_like(ids)},
    )
    scores = processors(ids, torch.tensor([logits], dtype=torch.float32))
    return torch.softmax(scores[0].double(), dim=-1).tolist()


def case(name: str, text: str, settings: dict) -> dict:
    """One record."""
    prompt, answer = TEXTS[text]
    found = probabilities(LOGITS[name], prompt, answer, settings)
    kept = {str(i): float(f"{p:.5g}") for i, p in enumerate(found) if p > 1e-12}
    ids = prompt + answer
    return {"logits": name, "ids": ids, "prompt": len(prompt), "settings": settings, "probabilities": kept}


def main() -> None:
    """Record all cases."""
    cases = [case("mixed", text, settings) for text in TEXTS for settings in RULES]
    cases += [case(name, "begins", settings) for name in LOGITS for settings in SAMPLING]
    lines = ",\n".join("    " + json.dumps(one, separators=(",", ":")) for one in cases)
    head = json.dumps({"logits": LOGITS, "ends": ENDS, "most": MOST})[1:-1]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(f'{{\n  {head},\n  "cases": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
