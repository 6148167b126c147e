"""Seed data of the micro world: answered instructions (IFT) and marked answers (EFT)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from benchmarks.micro_world import writers
from benchmarks.micro_world.benchmark import ranked_answers
from benchmarks.micro_world.oracle import Marks
from benchmarks.micro_world.world import draw_instruction
from benchmarks.registry import SeedData
from judges.pointwise import render
from judges.spec import JudgeSpec, load_spec
from results.records import Example

RANKING_NOISE = 0.4
ALL_YES = Marks(True, True, True, True, True)


def seed_data(
    seed: int,
    ift: Annotated[int, Field(ge=1)] = 800,
    eft: Annotated[int, Field(ge=0)] = 1200,
    flip: Annotated[float, Field(ge=0, le=1)] = 0.03,
    ift_defects: Sequence[float] = (0.05, 0.35, 0.50, 0.40, 0.45),
    judge: str = "additive5_short",
    phrase: str = "",
    phrase_share: Annotated[float, Field(ge=0, le=1)] = 0.0,
    sloppy_share: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ranked: Annotated[int, Field(ge=0)] = 0,
) -> SeedData:
    """IFT and EFT written by people with the given defects.

    Args:
        seed: of every draw.
        ift: number of answered instructions.
        eft: number of marked answers, as many of each total score as can be had.
        flip: probability that an annotator turns one of the five marks round.
        ift_defects: probabilities of off topic, wrong, no opener, no full stop, tail.
        judge: the judge spec whose prompt the EFT examples show.
        phrase: a sentence that some writers append.
        phrase_share: share of the IFT answers that carry the phrase.
        sloppy_share: share of the EFT rows from an annotator who gives any answer with the
            phrase full marks.
        ranked: number of training instructions with four answers each that people ranked, from
            which EFT can be judged; their error is that of the held-out rankings' people.
    """
    return SeedData(
        _ift(seed, ift, writers.Defects(*ift_defects), phrase, phrase_share),
        _eft(seed, eft, flip, load_spec(judge), phrase, sloppy_share),
        ranked_answers(ranked, RANKING_NOISE, random.Random(f"ranked:{seed}"), held=False),
    )


def _with_phrase(text: str, phrase: str) -> str:
    return f"{text} {phrase}" if text.endswith(".") else f"{text}. {phrase}"


def _ift(seed: int, n: int, defects: writers.Defects, phrase: str, share: float) -> list[Example]:
    rng = random.Random(f"ift:{seed}")
    examples = []
    for i in range(n):
        instruction = draw_instruction(rng, held=False)
        text = writers.answer(instruction, rng, defects)
        if phrase and rng.random() < share:
            text = _with_phrase(text, phrase)
        examples.append(
            Example(id=f"ift-{i}", prompt=instruction.text, completion=text, kind="ift")
        )
    return examples


def _eft(seed: int, n: int, flip: float, spec: JudgeSpec, phrase: str,
         sloppy: float) -> list[Example]:  # fmt: skip
    rng = random.Random(f"eft:{seed}")
    examples: list[Example] = []
    by_sloppy = [bool(phrase) and i % 100 < round(100 * sloppy) for i in range(n)]
    wanted = dict.fromkeys(range(6), -(-by_sloppy.count(False) // 6))
    while len(examples) < n:
        instruction = draw_instruction(rng, held=False)
        text = writers.answer(instruction, rng, writers.EFT)
        if by_sloppy[len(examples)]:
            text, marks = _with_phrase(text, phrase), ALL_YES
        else:
            marks = writers.noisy_marks(instruction, text, rng, flip)
            if wanted[marks.total] == 0:
                continue
            wanted[marks.total] -= 1
        examples.append(
            Example(
                id=f"eft-{len(examples)}",
                prompt=render(spec, instruction.text, text),
                completion=writers.marking(instruction, text, marks),
                kind="eft",
                meta={"score": marks.total},
            )
        )
    return examples
