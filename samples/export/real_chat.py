"""Talk with a real chat model by transformers and by tfc, and compare what they say, token by token.

    python real_chat.py HF ONNX [--turns 3] [--max-new-tokens 48]

HF is the model's folder or its name on the hub, ONNX the folder of its export with the tokenizer's files, as

    optimum-cli export onnx --model HuggingFaceTB/SmolLM2-135M-Instruct --task text-generation-with-past smollm2

makes it for HuggingFaceTB/SmolLM2-135M-Instruct. Both talk greedily, in float32, by the model's own chat template and
with what was said before; of tfc the command is run, `npx tfc generate ONNX --chat --json`. Where the two likeliest
tokens are closer than 1e-3, which of them is taken is no question of right and wrong: that is said, and not compared
further.
"""

import argparse
import json
import subprocess
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MESSAGES = [
    "What is the capital of France? Answer in one sentence.",
    "And of Italy?",
    "Write a haiku about the sea.",
    "Name three colours.",
]


@torch.no_grad()
def by_transformers(folder: str, messages: list[str], most: int) -> list[tuple[list[int], list[float]]]:
    """Each answer's ids, without the one that ends it, and how far its tokens are ahead of the next likeliest."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    eos = model.generation_config.eos_token_id
    ends = eos if isinstance(eos, list) else [eos]
    conversation, answers = [], []
    for message in messages:
        conversation.append({"role": "user", "content": message})
        ids = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_tensors="pt")["input_ids"]
        made = model.generate(
            ids, max_new_tokens=most, do_sample=False, return_dict_in_generate=True, output_logits=True
        )
        new = made.sequences[0, ids.shape[1] :].tolist()
        tops = [torch.topk(logits[0], 2).values for logits in made.logits]
        kept = new[:-1] if new[-1] in ends else new
        answers.append((kept, [float(top[0] - top[1]) for top in tops]))
        conversation.append({"role": "assistant", "content": tokenizer.decode(kept, skip_special_tokens=True)})
    return answers


def by_tfc(folder: str, messages: list[str], most: int) -> list[dict]:
    """Each answer as `tfc generate --json` prints it."""
    command = ["npx", "tfc", "generate", folder, "--chat", "--json", "--device", "cpu", "--max-new-tokens", str(most)]
    run = subprocess.run(command, input="\n".join(messages), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(run.stderr)
    return [json.loads(line) for line in run.stdout.splitlines()]


def main() -> None:
    """Compare."""
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("hf")
    args.add_argument("onnx")
    args.add_argument("--turns", type=int, default=len(MESSAGES))
    args.add_argument("--max-new-tokens", type=int, default=48)
    args = args.parse_args()
    messages = MESSAGES[: args.turns]
    wanted = by_transformers(args.hf, messages, args.max_new_tokens)
    found = by_tfc(args.onnx, messages, args.max_new_tokens)
    for message, (ids, margins), answer in zip(messages, wanted, found, strict=True):
        print(f"> {message}\n{answer['text']}")
        if answer["ids"] == ids:
            print(f"  equal, {len(ids)} tokens\n")
            continue
        at = next((i for i, pair in enumerate(zip(ids, answer["ids"])) if pair[0] != pair[1]), min(len(ids), answer["new"]))
        close = at < len(margins) and margins[at] < 1e-3
        print(f"  {'as likely' if close else 'DIFFERENT'} at token {at}: {ids[at : at + 3]}, {answer['ids'][at : at + 3]}\n")
        if close:
            break
        sys.exit(1)
    print("equal")


if __name__ == "__main__":
    main()
