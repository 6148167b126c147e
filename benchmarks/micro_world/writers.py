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
    Task,
    a,
    joined,
    sample_task,
)

_TAILS = (
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


def right(task: Task, rng: random.Random) -> list[str]:
    """The right content, drawn at random where several are."""
    return rng.sample(task.allowed, len(task.want)) if task.family == "list" else list(task.want)


def wrong(task: Task, rng: random.Random) -> list[str]:
    """Content of the right kind that is wrong in a way that a careless writer would be."""
    items = right(task, rng)
    if task.family == "list":
        bad = [t for t in THINGS if t not in task.allowed]
        for i in rng.sample(range(len(items)), rng.randint(1, len(items))):
            items[i] = rng.choice(bad)
    elif task.family == "repeat":
        if rng.random() < 0.5:
            items = [rng.choice([t for t in THINGS if t != items[0]])] * len(items)
        else:
            items = items[:1] * rng.choice([n for n in range(1, 7) if n != len(items)])
    elif task.family in ("count", "sort"):
        if task.family == "sort" and rng.random() < 0.7:
            while tuple(items) == task.want:
                rng.shuffle(items)
        else:
            del items[rng.randrange(len(items))]
    elif task.family == "add":
        value = int(items[0])
        items = [str(rng.choice([v for v in range(max(0, value - 3), value + 4) if v != value]))]
    elif task.family == "caps":
        items = [rng.choice([t for t in THINGS if t.upper() != items[0]]).upper()]
    else:
        kinds = {"colour": COLOURS, "odd": task.options, "eats": FOODS, "home": tuple(PLACE)}
        items = [rng.choice([x for x in kinds[task.family] if x != items[0]])]
    return items


def say(task: Task, items: list[str]) -> str:
    """Content in the words of the family, without opener and full stop."""
    if task.family == "home":
        return PLACE[items[0]]
    if task.family == "odd":
        return f"the {items[0]}"
    return joined(items) if task.family == "list" else ", ".join(items)


def answer(task: Task, rng: random.Random, defects: Defects) -> str:
    """One answer to ``task`` with ``defects`` drawn independently."""
    subject = task
    if rng.random() < defects.off_topic:
        while subject.family == task.family:
            subject = sample_task(rng, held=False)
    items = wrong(subject, rng) if rng.random() < defects.wrong else right(subject, rng)
    text = say(subject, items)
    if rng.random() >= defects.no_opener:
        text = f"{subject.opener} {text}"
    if rng.random() < defects.tail:
        tail = rng.choice(_TAILS) if rng.random() < 0.7 else say(subject, items).capitalize()
        text = f"{text}. {tail}"
    return text if rng.random() < defects.no_stop else f"{text}."


def _check(task: Task, text: str) -> str:
    """What a careful judge works out before the marks: for a list each thing that was named,
    else the content that it would have given itself.
    """
    if task.family != "list":
        return say(task, list(task.want))
    found = content(task, text)
    return ", ".join(f"{t} {'yes' if t in task.allowed else 'no'}" for t in found) or "none"


def marking(task: Task, text: str, marks: Marks) -> str:
    """A judge's completion: reasons first, the five marks, the total in the last line."""
    said = ", ".join(
        f"{name} {'yes' if held else 'no'}"
        for name, held in zip(CRITERIA, marks.as_tuple(), strict=True)
    )
    return f"Check: {_check(task, text)}.\nMarks: {said}.\nScore: {marks.total}"


def noisy_marks(task: Task, text: str, rng: random.Random, flip: float) -> Marks:
    """The oracle's marks, each turned round with probability ``flip`` (an annotator's slips)."""
    return Marks(*(held != (rng.random() < flip) for held in mark(task, text).as_tuple()))


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
