"""Print text that the model writes, to see whether it looks like what it was trained on.

    python sample.py ../models/austen-llama
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

PROMPTS = ["It is a truth universally acknowledged, that", '"My dear Emma,"', "Mr. Darcy"]


def main() -> None:
    """Continue each prompt, sampling as `generation_config.json` says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = LlamaForCausalLM.from_pretrained(options.model).eval()
    for prompt in PROMPTS:
        inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        (ids,) = model.generate(**inputs, max_new_tokens=options.tokens)
        print(tokenizer.decode(ids, skip_special_tokens=True), end="\n\n---\n\n")


if __name__ == "__main__":
    main()
