"""Rebuilds M0, the micro world's base model, from nothing (``make m0``).

M0 is a Llama of 0.9 million parameters, pre-trained on facts, question-answer text, lists of
instructions and marked answers of this world. Held-out instructions are in none of them.
"""

from __future__ import annotations

import argparse
import random
import shutil
from pathlib import Path
from typing import Any

from backends.fresh_model import fresh_llama, train_tokenizer
from backends.pretraining import packed, pretrain
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


def train(out: Path, tokens: int, seed: int, peak: float, rubric: str, hidden: int,
          layers: int) -> None:  # fmt: skip
    """Trains for about ``tokens`` tokens and writes model and tokenizer to ``out``.

    ``hidden`` is a multiple of ``HEAD``, the size of an attention head.
    """
    rng = random.Random(f"m0:{seed}")
    tokenizer = train_tokenizer((document(rng, rubric) for _ in range(6000)), VOCAB)
    model = fresh_llama(tokenizer, hidden, layers, hidden // HEAD, POSITIONS, seed)
    batches = packed(tokenizer, lambda: document(rng, rubric), ROWS, LENGTH)

    def keep(step: int) -> None:
        if step % 500 == 0:
            save(model, tokenizer, out)

    pretrain(model, batches, tokens // (ROWS * LENGTH), peak, keep)
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
