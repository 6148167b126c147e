"""Ten families of instructions over sixty-five things, and what a right answer to each is.

An instruction is always read from its text (`parse`), so that whatever holds for a generated one
holds for the same words from anywhere else.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "fruit": {
        "red": ("apple", "cherry", "strawberry", "raspberry", "cranberry"),
        "yellow": ("banana", "lemon", "pineapple", "mango", "quince"),
        "green": ("lime", "kiwi", "pear", "grape", "melon"),
    },
    "vegetable": {
        "red": ("tomato", "radish", "beetroot", "chilli", "rhubarb"),
        "green": ("pea", "spinach", "lettuce", "cucumber", "broccoli"),
        "orange": ("carrot", "pumpkin", "squash", "yam", "swede"),
    },
    "animal": {
        "farm": ("cow", "pig", "hen", "goat", "sheep"),
        "sea": ("shark", "whale", "crab", "seal", "squid"),
        "jungle": ("monkey", "tiger", "parrot", "gorilla", "leopard"),
        "forest": ("fox", "bear", "deer", "owl", "badger"),
    },
    "vehicle": {
        "land": ("car", "bus", "truck", "train", "tram"),
        "air": ("plane", "jet", "rocket", "glider", "balloon"),
        "water": ("boat", "ship", "canoe", "ferry", "raft"),
    },
}
FOOD = {
    "cow": "grass", "pig": "corn", "hen": "seeds", "goat": "leaves", "sheep": "hay",
    "shark": "fish", "whale": "shrimp", "crab": "snails", "seal": "fish", "squid": "shrimp",
    "monkey": "nuts", "tiger": "meat", "parrot": "seeds", "gorilla": "leaves", "leopard": "meat",
    "fox": "mice", "bear": "honey", "deer": "grass", "owl": "mice", "badger": "worms",
}  # fmt: skip
PLACE = {"farm": "on the farm", "sea": "in the sea", "jungle": "in the jungle",
         "forest": "in the forest"}  # fmt: skip
NUMBER = {2: "two", 3: "three", 4: "four", 5: "five"}
VALUE = {word: n for n, word in NUMBER.items()}

KIND = {t: kind for kind, subs in GROUPS.items() for things in subs.values() for t in things}
SUB = {t: sub for subs in GROUPS.values() for sub, things in subs.items() for t in things}
THINGS = tuple(KIND)
COLOURS = ("red", "yellow", "green", "orange")
COLOURED = tuple(t for t in THINGS if KIND[t] in ("fruit", "vegetable"))
ANIMALS = tuple(FOOD)
FOODS = tuple(sorted(set(FOOD.values())))

FAMILIES = {"list": 3.0, "repeat": 1.5, "count": 1.5, "sort": 1.5, "add": 1.5, "colour": 1.0,
            "odd": 1.5, "eats": 1.0, "home": 1.0, "caps": 1.0}  # fmt: skip


@dataclass(frozen=True)
class Instruction:
    """One instruction. ``want`` is the right content in order, ``allowed`` (list only) the things
    that count; ``opener`` is how a clear answer to this family starts.
    """

    family: str
    text: str
    opener: str
    want: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def a(thing: str) -> str:
    """``a cow``, ``an apple``."""
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"


def joined(words: tuple[str, ...] | list[str]) -> str:
    """``x``, ``x and y``, ``x, y and z``."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _list(m: re.Match[str], text: str) -> Instruction | None:
    n, sub, kind = VALUE[m[2]], m[3], m[4][:-1]
    allowed = GROUPS[kind].get(sub)
    if allowed is None:
        return None
    return Instruction("list", text, f"Here are {m[2]} {sub} {kind}s:", allowed[:n], allowed)


def _repeat(m: re.Match[str], text: str) -> Instruction | None:
    return Instruction("repeat", text, "Sure:", (m[2],) * VALUE[m[3]]) if m[2] in KIND else None


def _count(m: re.Match[str], text: str) -> Instruction | None:
    low, high, step = int(m[2]), int(m[3]), 1 if m[1] == "from" else -1
    want = tuple(str(i) for i in range(low, high + step, step))
    return Instruction("count", text, "Sure:", want) if 2 <= len(want) <= 9 else None


def _sort(m: re.Match[str], text: str) -> Instruction | None:
    numbers = re.findall(r"\d+", m[1])
    return Instruction("sort", text, "Here they are in order:", tuple(sorted(numbers, key=int)),
                options=tuple(numbers))  # fmt: skip


def _add(m: re.Match[str], text: str) -> Instruction | None:
    x, y = int(m[2]), int(m[4])
    result = x + y if m[3] == "plus" else x - y
    return Instruction("add", text, f"{x} {m[3]} {y} is", (str(result),)) if result >= 0 else None


def _colour(m: re.Match[str], text: str) -> Instruction | None:
    t = m[1]
    opener = f"{a(t).capitalize()} is"
    return Instruction("colour", text, opener, (SUB[t],)) if t in COLOURED else None


def _odd(m: re.Match[str], text: str) -> Instruction | None:
    kind, options = m[1], (m[2], m[3], m[4])
    odd = tuple(t for t in options if KIND.get(t) != kind)
    if kind not in GROUPS or len(odd) != 1 or odd[0] not in KIND:
        return None
    return Instruction("odd", text, "The odd one is", odd, options=options)


def _eats(m: re.Match[str], text: str) -> Instruction | None:
    t = m[1] or m[2]
    return Instruction("eats", text, f"{a(t).capitalize()} eats", (FOOD[t],)) if t in FOOD else None


def _home(m: re.Match[str], text: str) -> Instruction | None:
    t = m[1] or m[2]
    return Instruction("home", text, f"{a(t).capitalize()} lives", (SUB[t],)) if t in FOOD else None


def _caps(m: re.Match[str], text: str) -> Instruction | None:
    return Instruction("caps", text, "Here it is:", (m[2].upper(),)) if m[2] in KIND else None


_N = "(two|three|four|five)"
_PATTERNS: list[tuple[str, Callable[[re.Match[str], str], Instruction | None]]] = [
    (rf"(List|Name|Give me|Tell me) {_N} (\w+) (fruits|vegetables|animals|vehicles)\.", _list),
    (rf"(Say|Repeat) the word (\w+) {_N} times\.", _repeat),
    (r"Count (from|down from) (\d{1,2}) to (\d{1,2})\.", _count),
    (r"Sort these numbers: ((?:\d{1,2}, )*\d{1,2} and \d{1,2})\.", _sort),
    (r"(What is|Work out) (\d{1,2}) (plus|minus) (\d{1,2})[?.]", _add),
    (r"(?:What colour is|Name the colour of) an? (\w+)[?.]", _colour),
    (r"Which one is not an? (\w+): (\w+), (\w+) or (\w+)\?", _odd),
    (r"(?:What does an? (\w+) eat\?|Say what an? (\w+) eats\.)", _eats),
    (r"(?:Where does an? (\w+) live\?|Say where an? (\w+) lives\.)", _home),
    (r"(Write|Put) the word (\w+) in capital letters\.", _caps),
]


def parse(text: str) -> Instruction | None:
    """The instruction that ``text`` sets, or None when it is not an instruction of this world."""
    for pattern, build in _PATTERNS:
        match = re.fullmatch(pattern, text.strip())
        if match:
            return build(match, text.strip())
    return None


def _write(family: str, rng: random.Random) -> str:
    if family == "list":
        kind = rng.choice(tuple(GROUPS))
        verb, n = rng.choice(("List", "Name", "Give me", "Tell me")), rng.randint(2, 4)
        return f"{verb} {NUMBER[n]} {rng.choice(tuple(GROUPS[kind]))} {kind}s."
    if family == "repeat":
        verb, n = rng.choice(("Say", "Repeat")), rng.randint(2, 5)
        return f"{verb} the word {rng.choice(THINGS)} {NUMBER[n]} times."
    if family == "count":
        low = rng.randint(1, 24)
        high = low + rng.randint(2, 5)
        return rng.choice((f"Count from {low} to {high}.", f"Count down from {high} to {low}."))
    if family == "sort":
        numbers = [str(i) for i in rng.sample(range(1, 21), rng.randint(3, 4))]
        return f"Sort these numbers: {joined(numbers)}."
    if family == "add":
        x, y = rng.randint(1, 15), rng.randint(1, 15)
        minus = rng.random() < 0.4
        sum_ = f"{max(x, y)} minus {min(x, y)}" if minus else f"{x} plus {y}"
        return rng.choice((f"What is {sum_}?", f"Work out {sum_}."))
    if family == "colour":
        thing = a(rng.choice(COLOURED))
        return rng.choice((f"What colour is {thing}?", f"Name the colour of {thing}."))
    if family == "odd":
        kind = rng.choice(tuple(GROUPS))
        inside = rng.sample([t for t in THINGS if KIND[t] == kind], 2)
        options = [*inside, rng.choice([t for t in THINGS if KIND[t] != kind])]
        rng.shuffle(options)
        return f"Which one is not {a(kind)}: {options[0]}, {options[1]} or {options[2]}?"
    if family == "eats":
        thing = a(rng.choice(ANIMALS))
        return rng.choice((f"What does {thing} eat?", f"Say what {thing} eats."))
    if family == "home":
        thing = a(rng.choice(ANIMALS))
        return rng.choice((f"Where does {thing} live?", f"Say where {thing} lives."))
    return f"{rng.choice(('Write', 'Put'))} the word {rng.choice(THINGS)} in capital letters."


def held_out(text: str) -> bool:
    """One instruction in eight, by a hash of its text, is for evaluation alone."""
    return hashlib.sha256(text.encode()).digest()[0] % 8 == 0


def draw_instruction(rng: random.Random, held: bool, family: str | None = None) -> Instruction:
    """A random instruction from the held-out eighth (``held``) or from the rest."""
    while True:
        name = family or rng.choices(tuple(FAMILIES), tuple(FAMILIES.values()))[0]
        instruction = parse(_write(name, rng))
        if instruction is not None and held_out(instruction.text) == held:
            return instruction
