"""Train the sample model: a small Llama and its byte-level BPE tokenizer.

    python train.py --out ../models/austen-llama --minutes 28

The learning rate follows a cosine over wall-clock time, so the budget is kept
whatever the machine. The folder is rewritten every few minutes and at the end.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from austen_text import load_chapters

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"
SPECIAL = [PAD, BOS, EOS]  # ids 0, 1, 2
VOCABULARY = 2048
CONTEXT = 512
PEAK_RATE, FINAL_RATE, WARMUP_STEPS = 3e-3, 1e-4, 100
TOKENS_PER_STEP = 4096
SAVE_EVERY_SECONDS = 180
HELD_OUT_EVERY = 40  # every 40th chapter is for validation


def train_tokenizer(chapters: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer that puts `<|bos|>` before what it encodes."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        chapters,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A {BOS} $B",
        special_tokens=[(BOS, bpe.token_to_id(BOS))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        model_max_length=CONTEXT,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_model() -> LlamaForCausalLM:
    """About 1.4 million parameters, with grouped-query attention (4 heads share 2)."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=352,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=CONTEXT,
            rope_theta=10000.0,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            pad_token_id=SPECIAL.index(PAD),
            bos_token_id=SPECIAL.index(BOS),
            eos_token_id=SPECIAL.index(EOS),
        )
    )


class Corpus:
    """Chapters as one token stream, and where its paragraphs begin."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, chapters: list[str]):
        ids, starts = [], []
        for chapter in chapters:
            for paragraph in chapter.split("\n\n"):
                starts.append(len(ids))
                ids += tokenizer.encode(paragraph + "\n\n", add_special_tokens=False)
            ids.append(tokenizer.eos_token_id)
        self.bos = tokenizer.bos_token_id
        self.ids, self.starts = torch.tensor(ids), starts

    def batch(self, rows: int, length: int) -> torch.Tensor:
        """Random windows; half of them are `<|bos|>` and the beginning of a paragraph."""
        out = []
        last = len(self.ids) - length
        while len(out) < rows:
            if len(out) % 2:
                at = random.randrange(last)
                out.append(self.ids[at : at + length])
            elif (at := random.choice(self.starts)) < last:
                window = self.ids[at : at + length - 1]
                out.append(torch.cat([torch.tensor([self.bos]), window]))
        return torch.stack(out)


def loss_of(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of each next token, in nats; matrices multiply in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits
    targets = batch[:, 1:].flatten()
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets)


@torch.no_grad()
def validation_loss(model: torch.nn.Module, corpus: Corpus) -> float:
    """Loss over all held-out text, in windows of 256 tokens."""
    windows = corpus.ids[: len(corpus.ids) // 256 * 256].view(-1, 256)
    return sum(loss_of(model, w).item() * len(w) for w in windows.split(16)) / len(windows)


def optimizer_for(model: LlamaForCausalLM) -> torch.optim.AdamW:
    """AdamW; matrices decay, norm weights do not."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": 0.1},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)


def learning_rate(step: int, progress: float) -> float:
    """Linear warm-up by steps, then a cosine over `progress` in 0..1."""
    cosine = FINAL_RATE + (PEAK_RATE - FINAL_RATE) * (1 + math.cos(math.pi * progress)) / 2
    return cosine * min(1.0, (step + 1) / WARMUP_STEPS)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write weights, configuration and tokenizer the way transformers does."""
    model.generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        do_sample=True,
        temperature=0.8,
        top_k=50,
        max_new_tokens=200,
    )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    # transformers 5 writes a class name that version 4 does not know; both know this one.
    config = out / "tokenizer_config.json"
    settings = json.loads(config.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    config.write_text(json.dumps(settings, indent=2) + "\n")


def main() -> None:
    """Train for the given time, saving as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=28)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    random.seed(0)

    chapters = load_chapters()
    tokenizer = train_tokenizer(chapters)
    training = Corpus(tokenizer, [c for i, c in enumerate(chapters) if i % HELD_OUT_EVERY])
    held_out = Corpus(tokenizer, chapters[::HELD_OUT_EVERY])
    model = build_model()
    print(
        f"{model.num_parameters():,} parameters, {len(training.ids):,} training tokens,"
        f" {len(held_out.ids):,} held out",
        flush=True,
    )

    optimizer = optimizer_for(model)
    running, saved_at, began = math.log(VOCABULARY), time.time(), time.time()
    step = 0
    while (progress := (time.time() - began) / (60 * options.minutes)) < 1:
        # Most steps see 256 tokens; the last fifth sees the full context.
        length = 256 if progress < 0.8 else CONTEXT
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, progress)
        loss = loss_of(model, training.batch(TOKENS_PER_STEP // length, length + 1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        running += 0.02 * (loss.item() - running)
        step += 1
        if step % 50 == 0:
            print(f"step {step} {100 * progress:.0f}% loss {running:.3f}", flush=True)
        if time.time() - saved_at > SAVE_EVERY_SECONDS:
            save(model, tokenizer, options.out)
            saved_at = time.time()
    save(model, tokenizer, options.out)
    log = {
        "steps": step,
        "tokens_seen": step * TOKENS_PER_STEP,
        "minutes": round((time.time() - began) / 60, 1),
        "training_loss": round(running, 3),
        "validation_loss": round(validation_loss(model, held_out), 3),
    }
    print(json.dumps(log), flush=True)


if __name__ == "__main__":
    main()
