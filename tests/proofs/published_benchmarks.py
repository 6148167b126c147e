"""AlpacaEval 2.0 and MT-Bench: published figures from the stored judgments behind them.

``make published`` prints reproduced against published, one row each. Only files are read, through
the functions behind ``srlm eval``.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alpaca_eval2.length_control import GRID
from benchmarks.alpaca_eval2.stored import LengthControl, rows
from benchmarks.mt_bench import stored
from tests.alpaca_files import MODELS, annotations_name
from tests.proofs.published import Row, show
from tests.real_data import real_data_path

ROUNDS = 20  # of intervals, which are not published
# alpaca-eval's column -> ours, and its unit in ours
COLUMNS = {
    "win_rate": ("win_rate", 100),
    "standard_error": ("standard_error", 100),
    "discrete_win_rate": ("discrete_win_rate", 100),
    "n_wins": ("n_wins", 1),
    "n_wins_base": ("n_wins_base", 1),
    "n_draws": ("n_draws", 1),
    "n_total": ("n_total", 1),
    "avg_length": ("avg_length", 1),
    "length_controlled_winrate": ("lc_win_rate", 100),
}
REFITTED = {"C as published": 0.02, "C by cross-validation": 0.16}  # points that it may differ by


def alpaca_eval(data: Path) -> Iterator[Row]:
    """Five models of the leaderboard of weighted_alpaca_eval_gpt4_turbo; LC from the published
    coefficients, then fitted anew. Difficulty by row number, as upstream: one set is incomplete.
    """
    folder = data / "alpaca_eval"
    tables = folder / "leaderboards"
    with (tables / "weighted_alpaca_eval_gpt4_turbo_leaderboard.csv").open() as file:
        published = {line[""]: line for line in csv.DictReader(file)}
    ways: dict[str, Any] = {
        "coefficients": tables / "glm_weights_length_controlled_v1_baseline_gpt4_1106_preview.csv",
        "difficulty": folder / "derived" / "instruction_difficulty_recovered.csv",
    }
    gamed = folder / "derived" / "df_gamed_surrogate.csv"
    for model, c in MODELS.items():
        path = folder / "annotations" / annotations_name(model)
        by_table = LengthControl(join="position", **ways)
        metrics = rows(path, control=by_table)[0]["metrics"]
        for theirs, (ours, unit) in COLUMNS.items():
            stated = float(published[model][theirs])
            yield Row(
                f"AlpacaEval 2.0 {model}: {theirs}",
                f"{stated:.6f}",
                f"{unit * metrics[ours].value:.6f}",
            )
        near = float(GRID[np.abs(GRID - c).argmin()])
        stated = float(published[model]["length_controlled_winrate"])
        for (what, within), given in zip(REFITTED.items(), (near, None), strict=True):
            fit = LengthControl(gamed=gamed, c=given, join="position", rounds=ROUNDS)
            found = 100 * rows(path, control=fit)[0]["metrics"]["lc_win_rate"].value
            reached = f"{stated:.4f}" if abs(found - stated) <= within else f"{found:.4f}"
            yield Row(
                f"AlpacaEval 2.0 {model}: LC fitted, {what}: {found:.4f}, within {within}",
                f"{stated:.4f}",
                reached,
            )


# jxiw/MambaInLlama: averages of GPT-4's ratings.
MT_BENCH = {
    "mamba_0_5_dpo_ep1": "7.12",
    "mamba_0_5_dpo_ep3": "7.31",
    "mamba_0_75_dpo_ep1": "7.03",
    "mamba_0_75_dpo_ep3": "6.58",
    "mamba_0_875_dpo_ep1": "6.39",
    "mamba_0_875_dpo_ep3": "6.37",
}


def mt_bench(data: Path) -> Iterator[Row]:
    """Six models' averages, and the failures of a file that has some."""
    folder = data / "mt_bench" / "judgments"
    for found in stored.rows(folder / "jxiw_mambainllama_gpt-4_single.jsonl.gz"):
        average = found["metrics"]["average"].value
        yield Row(f"MT-Bench {found['model']}: average", MT_BENCH[found["model"]], f"{average:.2f}")
    failed = stored.rows(folder / "wgm20_gpt-4_single_with_failures.jsonl.gz")
    n = sum(found["unscored"]["n"] for found in failed)
    of = sum(found["unscored"]["of"] for found in failed)
    yield Row("MT-Bench wgm20: unscored", "15 of 800", f"{n} of {of}")


def reproduced(data: Path) -> Iterator[Row]:
    """Every row of the table."""
    yield from alpaca_eval(data)
    yield from mt_bench(data)


def main() -> int:
    """Prints the table; 1 where a figure differs or the data are not here."""
    return show(real_data_path(), reproduced)


if __name__ == "__main__":
    sys.exit(main())
