"""Writes the held-out rankings as human-ranked data: the annotators are the oracle, with noise.

``python -m benchmarks.micro_world.held_out FILE``
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.micro_world.benchmark import MicroWorld
from judges.rankings import RankedPrompt
from results.store import RecordFile


def main() -> None:
    """One prompt with four ranked answers a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--prompts", type=int, default=80)
    parser.add_argument("--item-seed", type=int, default=3, help="3 is the quick start's")
    arguments = parser.parse_args()
    world = MicroWorld(rankings=arguments.prompts, item_seed=arguments.item_seed)
    RecordFile(arguments.file, RankedPrompt).replace(world.rankings)


if __name__ == "__main__":
    main()
