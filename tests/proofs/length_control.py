"""The length-controlled win rate beside alpaca-eval's own function: ``make bench``.

Both get the same annotations and the same file of gamed baselines, in one process, in turn; a whole
call reads that file, chooses C, fits and predicts. Then the interval, which upstream does not have.
Without the real data there is nothing to time: it says so and ends with 0.
"""

from __future__ import annotations

import gzip
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alpaca_eval2.glm_files import read_gamed
from benchmarks.alpaca_eval2.length_control import Judged, LengthControlled, bootstrap, controlled
from tests.alpaca_files import MODELS, annotations_name
from tests.real_data import real_data_path

TURNS, ROUNDS = 7, 1000


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came out."""
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def upstream(gamed: Path) -> Callable[[Any], float]:
    """alpaca-eval's function on annotations, with its download replaced by ``gamed``."""
    level = logging.getLogger().level
    from alpaca_eval.metrics import glm_winrate

    logging.getLogger().setLevel(level)  # it changes the root logger
    glm_winrate.hf_hub_download = lambda **_: str(gamed)

    def figure(table: Any) -> float:
        found: float = glm_winrate.get_length_controlled_winrate(
            table, save_weights_dir=None, is_add_glm_preference_inplace=False
        )["length_controlled_winrate"]
        return found

    return figure


def ours(rows: list[dict[str, Any]], gamed: Path) -> tuple[LengthControlled, Judged]:
    """Our figure on the same rows, in the same order."""
    judged = Judged(
        np.arange(len(rows)),
        np.array([float(len(row["output_1"]) - len(row["output_2"])) for row in rows]),
        np.array([1.5 if row["preference"] == 0 else row["preference"] for row in rows]) - 1,
    )
    return controlled(judged, read_gamed(gamed)), judged


def main() -> None:
    """Prints the table."""
    import pandas as pd

    folder = real_data_path("alpaca_eval")
    if not folder.is_dir():
        print(f"real data is not here: {folder}; the length control is not timed")
        return
    gamed = folder / "derived" / "df_gamed_surrogate.csv"
    warnings.simplefilter("ignore")
    theirs = upstream(gamed)
    print("| model | alpaca-eval, LC % | ours, LC % | alpaca-eval, ms | ours, ms | times as fast |")
    print("|-|-|-|-|-|-|")
    for model in MODELS:
        with gzip.open(folder / "annotations" / annotations_name(model)) as file:
            rows = json.load(file)
        table = pd.DataFrame(rows)[["output_1", "output_2", "preference", "generator_1",
                                    "generator_2", "annotator"]]  # fmt: skip
        took: dict[str, list[float]] = {"theirs": [], "ours": []}
        for _ in range(TURNS):
            seconds, stated = timed(lambda table=table: theirs(table.copy()))
            took["theirs"].append(seconds)
            seconds, (found, judged) = timed(lambda rows=rows: ours(rows, gamed))
            took["ours"].append(seconds)
        slow, fast = (1000 * statistics.median(took[who]) for who in ("theirs", "ours"))
        print(
            f"| {model} | {stated:.4f} | {100 * found.win_rate:.4f} | {slow:.0f} | {fast:.0f} | "
            f"{slow / fast:.1f} |"
        )
    seconds, (low, high) = timed(lambda: bootstrap(judged, read_gamed(gamed), found, 0, ROUNDS))
    print(f"interval of the last, refitted in {ROUNDS:,} rounds: [{100 * low:.2f}, "
          f"{100 * high:.2f}] in {seconds:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main()
