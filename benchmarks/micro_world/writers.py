"""Writers with defects: they make the seed data, as people of mixed care would."""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.micro_world.oracle import CRITERIA, Marks, content, mark
from benchmarks.micro_world.world import (
    COLOURS,
    FOOD,
    FOODS,
    KIND,
    PLACE,
    SUB,
    THINGS,
    Instruction,
    a,
    draw_instruction,
    joined,
)

TAILS = (
    "That is what I think",
    "There is more to say about it",
    "I like this question a lot",
    "Ask me again if you want",
    "It is good to know such things",
    "Some people would say it in another way",
)


@dataclass(frozen=True)
class Defects:
    """Probabilities, each in [0, 1], of the independent defects of a writer."""

    off_topic: float = 0.0
    wrong: float = 0.0
    no_opener: float = 0.0
    no_stop: float = 0.0
    tail: float = 0.0


PRETRAINING = Defects(0.06, 0.30, 0.50, 0.35, 0.40)
IFT = Defects(0.05, 0.35, 0.50, 0.40, 0.45)
EFT = Defects(0.12, 0.50, 0.40, 0.30, 0.35)


def right(instruction: Instruction, rng: random.Random) -> list[str]:
    """The right content, drawn at random where several are."""
    return (
        rng.sample(instruction.allowed, len(instruction.want))
        if instruction.family == "list"
        else list(instruction.want)
    )


def wrong(instruction: Instruction, rng: random.Random) -> list[str]:
    """Content of the right kind that is wrong in a way that a careless writer would be."""
    items = right(instruction, rng)
    if instruction.family == "list":
        bad = [t for t in THINGS if t not in instruction.allowed]
        for i in rng.sample(range(len(items)), rng.randint(1, len(items))):
            items[i] = rng.choice(bad)
    elif instruction.family == "repeat":
        if rng.random() < 0.5:
            items = [rng.choice([t for t in THINGS if t != items[0]])] * len(items)
        else:
            items = items[:1] * rng.choice([n for n in range(1, 7) if n != len(items)])
    elif instruction.family in ("count", "sort"):
        if instruction.family == "sort" and rng.random() < 0.7:
            while tuple(items) == instruction.want:
                rng.shuffle(items)
        else:
            del items[rng.randrange(len(items))]
    elif instruction.family == "add":
        value = int(items[0])
        items = [str(rng.choice([v for v in range(max(0, value - 3), value + 4) if v != value]))]
    elif instruction.family == "caps":
        items = [rng.choice([t for t in THINGS if t.upper() != items[0]]).upper()]
    else:
        kinds = {"colour": COLOURS, "odd": instruction.options, "eats": FOODS, "home": tuple(PLACE)}
        items = [rng.choice([x for x in kinds[instruction.family] if x != items[0]])]
    return items


def say(instruction: Instruction, items: list[str]) -> str:
    """Content in the words of the family, without opener and full stop."""
    if instruction.family == "home":
        return PLACE[items[0]]
    if instruction.family == "odd":
        return f"the {items[0]}"
    return joined(items) if instruction.family == "list" else ", ".join(items)


def answer(instruction: Instruction, rng: random.Random, defects: Defects) -> str:
    """One answer to ``instruction`` with ``defects`` drawn independently."""
    subject = instruction
    if rng.random() < defects.off_topic:
        while subject.family == instruction.family:
            subject = draw_instruction(rng, held=False)
    items = wrong(subject, rng) if rng.random() < defects.wrong else right(subject, rng)
    text = say(subject, items)
    if rng.random() >= defects.no_opener:
        text = f"{subject.opener} {text}"
    if rng.random() < defects.tail:
        tail = rng.choice(TAILS) if rng.random() < 0.7 else say(subject, items).capitalize()
        text = f"{text}. {tail}"
    return text if rng.random() < defects.no_stop else f"{text}."


def _check(instruction: Instruction, text: str) -> str:
    """What a careful judge works out before the marks: for a list each thing that was named,
    else the content that it would have given itself.
    """
    if instruction.family != "list":
        return say(instruction, list(instruction.want))
    found = content(instruction, text)
    return ", ".join(f"{t} {'yes' if t in instruction.allowed else 'no'}" for t in found) or "none"


def marking(instruction: Instruction, text: str, marks: Marks) -> str:
    """A judge's completion: reasons first, the five marks, the total in the last line."""
    said = ", ".join(
        f"{name} {'yes' if held else 'no'}"
        for name, held in zip(CRITERIA, marks.as_tuple(), strict=True)
    )
    return f"Check: {_check(instruction, text)}.\nMarks: {said}.\nScore: {marks.total}"


def noisy_marks(instruction: Instruction, text: str, rng: random.Random, flip: float) -> Marks:
    """The oracle's marks, each turned round with probability ``flip`` (an annotator's slips)."""
    return Marks(*(held != (rng.random() < flip) for held in mark(instruction, text).as_tuple()))


def fact(rng: random.Random) -> str:
    """A plain sentence about the world, for pre-training."""
    thing = rng.choice(THINGS)
    number = rng.randint(0, 30)
    facts = [
        f"The word {thing} in capital letters is {thing.upper()}.",
        f"After {number} comes {number + 1}.",
        f"Before {number + 1} comes {number}.",
        f"{number} is less than {number + rng.randint(1, 6)}.",
    ]
    subject = a(thing).capitalize()
    sub = {"land": "on land", "air": "in the air", "water": "on water"}.get(SUB[thing])
    facts.append(
        f"{subject} is a vehicle {sub}." if sub else f"{subject} is {a(SUB[thing])} {KIND[thing]}."
    )
    facts.append(f"{thing} is one of the {SUB[thing]} {KIND[thing]}s.")
    if thing in FOOD:
        facts.append(f"{subject} eats {FOOD[thing]} and lives {PLACE[SUB[thing]]}.")
    return rng.choice(facts)
