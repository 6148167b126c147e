"""The files that the length-controlled win rate needs beside a model's annotations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.alpaca_eval2.length_control import Array, Gamed
from benchmarks.alpaca_eval2.official import places
from results.errors import SrlmError
from results.files import unreadable
from results.text import excerpt

GAMED = 2  # answers of the baseline to each prompt
COLUMNS = ("preference", "index", "std_delta_len", "instruction_difficulty")
WEIGHTS = ("instruction_difficulty", "not_gamed_baseline.astype(float)")


def read_gamed(path: Path) -> Gamed:
    """Upstream's ``df_gamed.csv``: two rows for each of the 805 prompts.

    Raises SrlmError where a column or a prompt is missing, where the rows of one prompt differ in
    difficulty, and where a number is none.
    """
    table = _table(path, COLUMNS)
    n = len(places())
    place = _places(path, table["index"], n)
    counts = np.bincount(place, minlength=n)
    for at in np.flatnonzero(counts != GAMED):
        raise SrlmError(
            f"{path}: found {counts[at]} rows of prompt {at}, expected {GAMED}, of the verbose and "
            "of the concise answer; get the file again"
        )
    columns = {key: _numbers(path, table, key) for key in COLUMNS if key != "index"}
    preference = columns["preference"]
    for wrong in np.flatnonzero((preference < 0) | (preference > 1)):
        raise SrlmError(
            f"{path}:{wrong + 2}: preference: found {preference[wrong]:g}, expected 0 to 1; get "
            "the file again"
        )
    difficulty = np.full(n, np.nan)
    for row, (at, value) in enumerate(
        zip(place.tolist(), columns["instruction_difficulty"], strict=True)
    ):
        if not np.isnan(difficulty[at]) and difficulty[at] != value:
            raise SrlmError(
                f"{path}:{row + 2}: instruction_difficulty: found {value} after {difficulty[at]} "
                f"for prompt {at}, expected one difficulty a prompt; get the file again"
            )
        difficulty[at] = value
    return Gamed(place, columns["std_delta_len"], columns["preference"], difficulty)


def read_difficulty(path: Path) -> Array:
    """Upstream's ``instruction_difficulty.csv``: (805,), by place. Raises SrlmError likewise."""
    table = _table(path, ("instruction_difficulty",))
    values = table["instruction_difficulty"]
    n = len(places())
    if len(values) != n:
        raise SrlmError(f"{path}: found {len(values)} rows, expected {n}; get the file again")
    first = table[table.columns[0]]
    if first.name != "instruction_difficulty":
        for row in np.flatnonzero(_places(path, first, n) != np.arange(n)):
            raise SrlmError(
                f"{path}:{row + 2}: found index {excerpt(str(first[row]))}, expected {row}: the "
                "order of the 805 prompts; get the file again"
            )
    return _numbers(path, table, "instruction_difficulty")


def read_coefficients(path: Path, model: str) -> Array:
    """The coefficients (3,) of ``model`` in a file of published ones; that of the length is 0 here,
    as it is not needed for the figure. SrlmError where there is no such model.
    """
    table = _table(path, WEIGHTS)
    names = list(map(str, table[table.columns[0]]))
    if model not in names:
        raise SrlmError(
            f"{path}: found no model {excerpt(model)!r} among {len(names)}, expected its published "
            "coefficients; leave coefficients out to fit them"
        )
    if names.count(model) > 1:
        raise SrlmError(
            f"{path}: found {names.count(model)} rows of {excerpt(model)!r}, expected one; remove "
            "the others"
        )
    row = names.index(model)
    psi, theta = (_numbers(path, table, key)[row] for key in WEIGHTS)
    return np.array([0.0, psi, theta])


def _table(path: Path, columns: Sequence[str]) -> Any:
    """The CSV; SrlmError where it has not all of ``columns``."""
    import pandas as pd

    try:
        table = pd.read_csv(path, keep_default_na=False)
    except OSError as error:
        raise unreadable(path, error, "a CSV file") from None
    except ValueError as error:
        raise SrlmError(
            f"{path}: not CSV ({excerpt(str(error))}), expected the columns {', '.join(columns)}"
        ) from None
    for column in columns:
        if column not in table.columns:
            raise SrlmError(
                f"{path}:1: found the columns {excerpt(', '.join(table.columns))}, expected "
                f"{column!r} among them; give upstream's file"
            )
    return table


def _places(path: Path, column: Any, n: int) -> NDArray[np.intp]:
    """A column of whole numbers from 0 to ``n`` - 1; SrlmError names the first that is none."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    for row in np.flatnonzero(~np.isin(numbers, np.arange(n))):
        found = excerpt(str(column[row]))
        raise SrlmError(
            f"{path}:{row + 2}: index: found {found!r}, expected a place from 0 to {n - 1}"
        )
    return np.asarray(numbers, dtype=np.intp)


def _numbers(path: Path, table: Any, key: str) -> Array:
    """A column as finite numbers; SrlmError names the first that is none."""
    import pandas as pd

    numbers = pd.to_numeric(table[key], errors="coerce").to_numpy(dtype=np.float64)
    for row in np.flatnonzero(~np.isfinite(numbers)):
        found = excerpt(str(table[key][row]))
        raise SrlmError(f"{path}:{row + 2}: {key}: found {found!r}, expected a finite number")
    return np.asarray(numbers)
