"""Draws the prompts of the guarded recipes from templates: instructions and requests.

``python -m benchmarks.micro_world.guarded_prompts FILE``. M0 has never seen a request to refuse and
writes none itself; a file stands in for the prompts of a red team. None is held out.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from benchmarks.micro_world.how_to import every
from benchmarks.micro_world.world import draw_instruction

SHIPPED = Path(__file__).with_name("guarded_prompts.jsonl")
PROMPTS = 1050  # of M2 and M3
IN_TEN = (*("world",) * 6, "refuse", "refuse", "answer", "answer")


def drawn(n: int = PROMPTS, seed: int = 0) -> list[str]:
    """``n`` different prompts: of every ten six instructions of the world, two requests to refuse
    and two to answer, in an order that is drawn too.
    """
    rng = random.Random(f"guarded prompts:{seed}")
    pools = {
        "refuse": [r.text for r in every("refuse", held=False)],
        "answer": [r.text for r in every("answer", held=False)],
    }
    for pool in pools.values():
        rng.shuffle(pool)
    found: list[str] = []
    while len(found) < n:
        for kind in rng.sample(IN_TEN, len(IN_TEN)):
            text = pools[kind].pop() if kind in pools else draw_instruction(rng, held=False).text
            while text in found:
                text = draw_instruction(rng, held=False).text
            found.append(text)
    return found[:n]


def written(texts: list[str]) -> str:
    """As JSON Lines."""
    return "".join(json.dumps({"prompt": text}) + "\n" for text in texts)


def main() -> None:
    """One prompt a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--seed", type=int, default=0, help="0 is that of the shipped file")
    arguments = parser.parse_args()
    arguments.file.write_text(written(drawn(arguments.prompts, arguments.seed)), encoding="utf-8")


if __name__ == "__main__":
    main()
