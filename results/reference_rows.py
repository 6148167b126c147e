"""Published figures as leaderboard rows, read from ``results/reference/*.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from results.errors import UsageError, did_you_mean
from results.records import Metric
from results.tables import leaderboard_row

FOLDER = Path(__file__).with_name("reference")
CONVENTION, NO_INTERVAL = "as published", "published without an interval"
PUBLISHED = "published"  # what stands where our rows name their run
Figures = dict[str, float | dict[str, float]]


class PublishedRow(BaseModel):
    """One model; ``n`` is null where it was not said. Shares are fractions.

    ``sizes``: n of the figures that have one of their own, by the last part of their name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: Annotated[str, Field(min_length=1)]
    n: int | None
    sizes: dict[str, int] = Field(default_factory=dict)
    metrics: Figures


class Part(BaseModel):
    """Rows of one benchmark, judge and baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    benchmark: str
    judge: str | None
    baseline: str | None
    rows: list[PublishedRow]


class Reference(BaseModel):
    """What one source has published."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str
    parts: list[Part]


@cache
def references() -> dict[str, Reference]:
    """Every published source by its name."""
    return {
        path.stem: Reference.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in sorted(FOLDER.glob("*.yaml"))
    }


def reference_rows(name: str) -> list[dict[str, Any]]:
    """The rows of the source ``name``; UsageError names the nearest."""
    there = references()
    if name not in there:
        meant = did_you_mean(name, there)
        raise UsageError(
            f"--reference {name!r}: no such published figures{meant} (there are: "
            f"{', '.join(there)})"
        )
    found = there[name]
    return [
        leaderboard_row(
            row.model,
            part.benchmark,
            part.judge,
            row.n,
            _as_metrics(row.metrics, row.n or 0, row.sizes),
            run=PUBLISHED,
            baseline=part.baseline,
            source=found.source,
        )
        for part in found.parts
        for row in part.rows
    ]


def _as_metrics(figures: Figures, n: int, sizes: dict[str, int]) -> dict[str, Any]:
    """Published numbers as metrics; 0 of 0 where it is not said how many prompts there were."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found[name] = _as_metrics(dict(value), n, sizes)
            continue
        of = sizes.get(name, n)
        found[name] = Metric(
            name=name, value=value, n=of, of=of, convention=CONVENTION, reason=NO_INTERVAL
        )
    return found
