"""Rebuilds M0, the micro world's base model, from nothing (``make m0``).

M0 is a Llama of 0.9 million parameters, pre-trained on facts, question-answer text, lists of
instructions and marked answers of this world. Held-out instructions are in none of them.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backends.fresh_model import fresh_llama, train_tokenizer
from benchmarks.micro_world import writers
from benchmarks.micro_world.oracle import mark
from benchmarks.micro_world.world import draw_instruction

VOCAB, HEAD, POSITIONS = 800, 32, 512
ROWS, LENGTH = 16, 192
KINDS = {"fact": 1.5, "answer": 3.0, "instructions": 0.5, "marking": 4.5}


def document(rng: random.Random, rubric: str) -> str:
    """One document of the pre-training text."""
    kind = rng.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    if kind == "fact":
        return " ".join(writers.fact(rng) for _ in range(3))
    if kind == "instructions":
        instructions = [draw_instruction(rng, held=False).text for _ in range(8)]
        return "\n".join(f"{i}. {text}" for i, text in enumerate(instructions, 1))
    instruction = draw_instruction(rng, held=False)
    if kind == "answer":
        return f"{instruction.text} {writers.answer(instruction, rng, writers.PRETRAINING)}"
    text = writers.answer(instruction, rng, rng.choice((writers.PRETRAINING, writers.EFT)))
    question = rubric.replace("{prompt}", instruction.text).replace("{response}", text)
    # A space, not a line break: in a chat too an answer starts with a word that follows a space.
    return f"{question} {writers.marking(instruction, text, mark(instruction, text))}"


def blocks(tokenizer: Any, rng: random.Random, rubric: str) -> Iterator[Any]:
    """Batches of ``ROWS`` x ``LENGTH`` token ids, documents packed one after the other."""
    import torch

    ids: list[int] = []
    while True:
        while len(ids) < ROWS * LENGTH:
            texts = [document(rng, rubric) for _ in range(64)]
            for encoded in tokenizer(texts)["input_ids"]:
                ids += [*encoded, tokenizer.eos_token_id]
        yield torch.tensor(ids[: ROWS * LENGTH]).view(ROWS, LENGTH)
        ids = ids[ROWS * LENGTH :]


def train(out: Path, tokens: int, seed: int, peak: float, rubric: str, hidden: int,
          layers: int) -> None:  # fmt: skip
    """Trains for about ``tokens`` tokens and writes model and tokenizer to ``out``.

    ``hidden`` is a multiple of ``HEAD``, the size of an attention head.
    """
    import torch

    rng = random.Random(f"m0:{seed}")
    tokenizer = train_tokenizer((document(rng, rubric) for _ in range(6000)), VOCAB)
    model = fresh_llama(tokenizer, hidden, layers, hidden // HEAD, POSITIONS, seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=peak, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    steps, warmup = tokens // (ROWS * LENGTH), 200
    stream, start, mean = blocks(tokenizer, rng, rubric), time.monotonic(), 0.0
    for step in range(steps):
        scale = min(1.0, (step + 1) / warmup) * (0.55 + 0.45 * math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = peak * scale
        batch = next(stream)
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            seconds = time.monotonic() - start
            rate = (step + 1) * ROWS * LENGTH / seconds
            print(
                f"step {step}/{steps} loss {mean:.3f} {rate:.0f} tokens/s {seconds:.0f} s",
                flush=True,
            )
        if step % 500 == 499:
            save(model, tokenizer, out)
    save(model, tokenizer, out)


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Replaces ``out`` when all is written: a build that is interrupted leaves the old M0 whole."""
    new, old = out.with_name(f"{out.name}.new"), out.with_name(f"{out.name}.old")
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    model.save_pretrained(new)
    tokenizer.save_pretrained(new)
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def main() -> None:
    """Command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=here / "m0")
    parser.add_argument("--tokens", type=int, default=20_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--hidden", type=int, default=128, help=f"a multiple of {HEAD}")
    parser.add_argument("--layers", type=int, default=4)
    args = parser.parse_args()
    rubric = (here.parents[1] / "judges/rubrics/additive5_short.md").read_text().strip()
    train(args.out, args.tokens, args.seed, args.lr, rubric, args.hidden, args.layers)


if __name__ == "__main__":
    main()
