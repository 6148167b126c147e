"""Verdicts as a comparison keeps them, for a later one of the same answers to be set beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.head_to_head.disagreement import Disagreement
from benchmarks.head_to_head.verdicts import Verdicts
from judges.pairwise import Verdict
from results.errors import UsageError
from results.files import read_model
from results.leaderboard import plain_json
from results.records import Unscored

REPORT = "head_to_head.json"


@dataclass(frozen=True)
class Said:
    """One judge's verdicts on the matches, and how many of its calls are unscored."""

    judge: str
    is_judged: bool
    verdicts: Verdicts
    unscored: Unscored = field(default_factory=Unscored)


class Kept(BaseModel):
    """Verdicts of one judge by item id."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    judge: str
    is_judged: bool
    verdicts: dict[str, Verdict | None]


class Report(BaseModel):
    """A comparison: leaderboard rows, how far each two judges agree, and all verdicts; ``data`` is
    the hash of what they are about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    data: str
    rows: list[dict[str, Any]]
    disagreements: list[dict[str, Any]]
    said: list[Kept]

    @classmethod
    def of(
        cls,
        data: str,
        said: Sequence[Said],
        rows: Sequence[dict[str, Any]],
        disagreements: Sequence[Disagreement],
    ) -> Report:
        """With metrics as JSON data."""
        kept = [Kept(judge=s.judge, is_judged=s.is_judged, verdicts=s.verdicts) for s in said]
        return cls(
            data=data,
            rows=plain_json(list(rows)),
            disagreements=plain_json([asdict(found) for found in disagreements]),
            said=kept,
        )

    def verdicts(self) -> list[Said]:
        """One for each judge."""
        return [Said(one.judge, one.is_judged, dict(one.verdicts)) for one in self.said]


def read_report(folder: Path) -> Report:
    """The verdicts of an earlier comparison; UsageError where there is none."""
    path = folder / REPORT
    if not path.is_file():
        raise UsageError(f"--with {folder}: no comparison (no {REPORT}); make it with head-to-head")
    return read_model(path, Report)


def refuse_other(folder: Path, report: Report, data: str) -> None:
    """Raises UsageError where the report is about other answers."""
    if report.data != data:
        raise UsageError(
            f"--with {folder}: is not about the same prompts and answers on the same sides; "
            "compare the same two"
        )
