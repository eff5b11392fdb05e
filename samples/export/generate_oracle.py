"""Record what transformers' generate answers, greedily: single prompts, and the same ones as a padded batch.

    python generate_oracle.py ../../test/models/generate-oracle.json

A row holds the prompt's ids, the new ids as `generate(do_sample=False)` has them, with the id that ends an answer, and
the least margin between the two likeliest logits on the way: where it is smaller than a graph is exact, another answer
is as good. Answers of a batch, padded on the left, must be those of its rows alone.

Models with random weights repeat themselves. Prompts are therefore those of a few tries, of several lengths each, whose
answers have the most different tokens, and no margin that rounding could decide. Those with tied embeddings still do:
of them there are rows with a repetition penalty besides. Margins are those of the logits behind it.
"""

import argparse
import json
import zlib
from pathlib import Path

import torch
import transformers
from generate_models import ALPHA, AUSTEN, RANK, models
from transformers import AutoTokenizer
from transformers.utils import logging

import family_models

# Longer and shorter than the windows of 4 that some families have; all within phi3-longrope's short context.
LENGTHS = (9, 2, 5)
NEW_TOKENS, TRIES = 12, 12
CLEAR = 1e-3
PROMPTS = ("It is a truth universally acknowledged, that", "She could not", '"My dear Emma," said Mr. Knightley,')
AUSTEN_TOKENS = 24
PENALTY, DULL = 4.0, 12
PAD, EOS = 0, 2


@torch.no_grad()
def answers(
    model: torch.nn.Module, prompts: list[list[int]], new: int, penalty: float | None
) -> list[tuple[list[int], list[float]]]:
    """For each row the new ids, and the margins of the two likeliest logits."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    result = model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=new,
        pad_token_id=PAD,
        eos_token_id=EOS,
        repetition_penalty=penalty,
        return_dict_in_generate=True,
        output_scores=True,
    )
    best = torch.stack(result.scores, dim=1).float().topk(2).values
    rows = zip(result.sequences[:, longest:].tolist(), (best[..., 0] - best[..., 1]).tolist())
    ends = [row.index(EOS) + 1 if EOS in row else len(row) for row in result.sequences[:, longest:].tolist()]
    return [(row[:end], margins[:end]) for (row, margins), end in zip(rows, ends)]


def record(model: torch.nn.Module, prompts: list[list[int]], new: int, penalty: float | None = None) -> list[dict]:
    """The rows of one batch. Padding must change no answer."""
    alone = [answers(model, [prompt], new, penalty)[0] for prompt in prompts]
    batched = answers(model, prompts, new, penalty)
    assert [ids for ids, _ in batched] == [ids for ids, _ in alone], prompts
    return [
        {"prompt": prompt, "ids": ids, "margin": float(f"{min(margins):.2g}")}
        | ({} if penalty is None else {"penalty": penalty})
        for prompt, (ids, margins) in zip(prompts, alone)
    ]


def variety(rows: list[dict]) -> int:
    """Of each answer the different tokens."""
    return sum(len(set(row["ids"])) for row in rows)


def most_telling(model: torch.nn.Module, name: str, penalty: float | None = None) -> list[dict]:
    """Of some tries the rows with the most different tokens."""

    def worth(rows: list[dict]) -> tuple[bool, int]:
        clear = all(row["margin"] > CLEAR for row in rows)
        return clear, variety(rows) + any(EOS in row["ids"] for row in rows)

    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    tries = []
    for _ in range(TRIES):
        prompts = [
            torch.randint(3, family_models.VOCABULARY, (length,), generator=generator).tolist() for length in LENGTHS
        ]
        tries.append(record(model, prompts, NEW_TOKENS, penalty))
    return max(tries, key=worth)


def lora_modules(model: torch.nn.Module) -> dict[str, list[int]]:
    """What LoRA is beside, each module by its name, with what it takes and gives."""
    return {
        name: [module.in_features, module.out_features]
        for name, module in model.named_modules()
        if hasattr(module, "lora_A")
    }


def lines(rows: dict[str, list[dict]]) -> str:
    """JSON with a row in each line."""
    text = ",\n".join(
        f"    {json.dumps(name)}: [\n" + ",\n".join(f"      {json.dumps(row)}" for row in of) + "\n    ]"
        for name, of in rows.items()
    )
    return "{\n" + text + "\n  }"


def main() -> None:
    """Record every model, or those whose names hold what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(AUSTEN)
    rows, modules = {}, {}
    for name, make in models():
        if options.only not in name:
            continue
        model = make().eval()
        if name.endswith(" + lora"):
            modules[name] = lora_modules(model)
        is_austen = name.startswith("austen-llama")
        prompts = [tokenizer(text)["input_ids"] for text in PROMPTS]
        rows[name] = record(model, prompts, AUSTEN_TOKENS) if is_austen else most_telling(model, name)
        if variety(rows[name]) < DULL:
            rows[name] += most_telling(model, name, PENALTY)
        told = [(len(set(row["ids"])), row["margin"]) for row in rows[name]]
        print(f"{name}: {told}", flush=True)
    about = {
        "about": "Greedy answers of transformers' generate; see samples/export/generate_oracle.py.",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "lora": {"rank": RANK, "alpha": ALPHA},
        "new": {"austen-llama": AUSTEN_TOKENS, "families": NEW_TOKENS},
    }
    head = json.dumps(about, indent=2).removesuffix("\n}")
    beside = ",\n".join(f"    {json.dumps(name)}: {json.dumps(of)}" for name, of in modules.items())
    options.out.write_text(f'{head},\n  "modules": {{\n{beside}\n  }},\n  "models": {lines(rows)}\n}}\n')


if __name__ == "__main__":
    main()
