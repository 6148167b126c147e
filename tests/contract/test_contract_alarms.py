"""The table of alarms: every entry has a run in which it fires and one in which it is silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.alarms.config import AlarmSettings
from harness.alarms.table import ALARMS, Watch
from tests.alarm_cases import CASES

DOCS = Path(__file__).parents[2] / "docs" / "alarms.md"


@pytest.mark.parametrize("watch", ALARMS, ids=lambda watch: f"{watch.name}-{watch.when.split()[0]}")
def test_every_alarm_is_provoked_and_left_alone(watch: Watch) -> None:
    fires, silent = CASES.get((watch.name, watch.when), ({}, {}))
    assert fires, f"tests/alarm_cases.py has no run in which {watch.name} ({watch.when}) fires"
    assert silent, f"tests/alarm_cases.py has no run in which {watch.name} ({watch.when}) is silent"
    assert (watch.look.__doc__ or "").strip(), "says what it sees"


def test_no_case_is_of_an_alarm_that_is_gone() -> None:
    assert set(CASES) == {(watch.name, watch.when) for watch in ALARMS}


def test_the_docs_name_every_alarm_with_its_default() -> None:
    rows = [
        line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    assert len(rows) == len(ALARMS)
    for watch, row in zip(ALARMS, rows, strict=True):
        default = getattr(AlarmSettings(), watch.name)
        assert row.startswith(f"| `{watch.name}` | {watch.when.split()[0]} |"), watch.name
        assert f"| {default:g} |" in row, f"{watch.name}: the default is {default:g}"
