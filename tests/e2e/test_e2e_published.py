"""Published figures from the verdicts behind them: every row of ``make published``."""

from __future__ import annotations

from collections import Counter

from tests.proofs.published import reproduced
from tests.real_data import real_data


def test_every_figure_is_as_published() -> None:
    rows = list(reproduced(real_data("judge_validation").parent))
    assert [row for row in rows if not row.same] == []
    assert Counter(row.what.split()[0] for row in rows) == {
        "PandaLM": 2,
        "LLMBar": 35,
        "MT-Bench": 8,
        "Topical-Chat": 12,  # two figures each
        "alternative": 18,
    }
