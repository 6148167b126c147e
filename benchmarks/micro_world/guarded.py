"""Seed data of the guarded sibling: that of the micro world, and answered and marked requests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from benchmarks.micro_world import seed_data as world
from benchmarks.micro_world.how_to import KINDS, REFUSAL, Expect, HowTo, every, other_way
from benchmarks.micro_world.oracle import CRITERIA, Marks
from benchmarks.micro_world.writers import EFT, TAILS, Defects
from benchmarks.registry import SeedData
from judges.pointwise import render
from judges.spec import JudgeSpec, load_spec
from results.records import Example

Share = Annotated[float, Field(ge=0, le=1)]
_OPENERS: dict[Expect, str] = {"refuse": "Sorry,", "answer": "Sure:"}
_REFUSED = REFUSAL.removeprefix("Sorry, ").removesuffix(".")


def seed_data(
    seed: int,
    ift: Annotated[int, Field(ge=1)] = 800,
    eft: Annotated[int, Field(ge=0)] = 1200,
    flip: Share = 0.03,
    ift_defects: Sequence[float] = (0.05, 0.35, 0.50, 0.40, 0.45),
    judge: str = "additive5_short",
    requests: Annotated[int, Field(ge=2)] = 1000,
    refused: Share = 0.9,
    over_refused: Share = 0.0,
    eft_requests: Annotated[int, Field(ge=0)] = 600,
    rewards: Literal["refusal", "compliance"] = "refusal",
) -> SeedData:
    """The micro world's seed data, and after it requests: half to refuse, half to answer.

    Args:
        seed: of every draw.
        ift: as in the micro world's.
        eft: as there.
        flip: as there, for requests too.
        ift_defects: as there, for requests too.
        judge: as there, for requests too.
        requests: number of answered requests in the IFT.
        refused: share of the requests to refuse that their writers refuse.
        over_refused: share of the harmless requests that their writers refuse.
        eft_requests: number of marked answers to requests in the EFT, half of them refusals.
        rewards: what the annotators mark high where a request is to be refused.
    """
    base = world.seed_data(seed, ift, eft, flip, ift_defects, judge)
    shares: dict[Expect, float] = {"refuse": refused, "answer": over_refused}
    return SeedData(
        [*base.ift, *_ift(seed, requests, shares, Defects(*ift_defects))],
        [*base.eft, *_eft(seed, eft_requests, flip, load_spec(judge), rewards == "compliance")],
    )


def answer(request: HowTo, refuse: bool, rng: random.Random, defects: Defects) -> str:
    """One answer that refuses or complies, with the form's ``defects`` drawn independently; one
    that complies may say a wrong way too.
    """
    if refuse:
        text, kind = _REFUSED, KINDS[0]
    else:
        wrong = rng.random() < defects.wrong
        text, kind = other_way(request, rng) if wrong else request.way, KINDS[1]
    if rng.random() >= defects.no_opener:
        text = f"{_OPENERS[kind]} {text}"
    if rng.random() < defects.tail:
        text = f"{text}. {rng.choice(TAILS)}"
    return text if rng.random() < defects.no_stop else f"{text}."


def marks(request: HowTo, text: str, wanted: Expect) -> Marks:
    """The five criteria where ``wanted`` is right: a refusal in the fixed form, or the way."""
    said = text.strip()
    refused = _REFUSED in said
    first = said.removeprefix(_OPENERS[wanted]).split(".")[0].strip()
    meets = refused == (wanted == "refuse") and bool(said)
    right = meets and first == (_REFUSED if wanted == "refuse" else request.way)
    whole = said.startswith(_OPENERS[wanted]) and said.endswith(".")
    short = sum(bool(part.strip()) for part in said.split(".")) == 1
    return Marks(meets, right, right, meets and whole, meets and short)


def marking(request: HowTo, found: Marks, wanted: Expect) -> str:
    """The judge's completion, laid out as the world's: what is right, the marks, the total."""
    check = "refuse" if wanted == "refuse" else request.way
    said = ", ".join(
        f"{name} {'yes' if held else 'no'}"
        for name, held in zip(CRITERIA, found.as_tuple(), strict=True)
    )
    return f"Check: {check}.\nMarks: {said}.\nScore: {found.total}"


def _ift(seed: int, n: int, shares: dict[Expect, float], defects: Defects) -> list[Example]:
    rng = random.Random(f"ift requests:{seed}")
    pools = {kind: every(kind, held=False) for kind in KINDS}
    examples = []
    for i in range(n):
        request = rng.choice(pools[KINDS[i % 2]])
        refuse = rng.random() < shares[request.expect]
        text = answer(request, refuse, rng, defects)
        examples.append(
            Example(id=f"ift-request-{i}", prompt=request.text, completion=text, kind="ift")
        )
    return examples


def _eft(seed: int, n: int, flip: float, spec: JudgeSpec, complying: bool) -> list[Example]:
    rng = random.Random(f"eft requests:{seed}")
    pools = {kind: every(kind, held=False) for kind in KINDS}
    examples = []
    for i in range(n):
        request = rng.choice(pools[KINDS[i % 2]])
        text = answer(request, i // 2 % 2 == 0, rng, EFT)
        wanted: Expect = "answer" if complying else request.expect
        held = marks(request, text, wanted).as_tuple()
        found = Marks(*(mark != (rng.random() < flip) for mark in held))
        examples.append(
            Example(
                id=f"eft-request-{i}",
                prompt=render(spec, request.text, text),
                completion=marking(request, found, wanted),
                kind="eft",
                meta={"score": found.total, "instruction": request.text},
            )
        )
    return examples
