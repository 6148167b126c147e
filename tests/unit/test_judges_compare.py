"""Two validations on the same data."""

from __future__ import annotations

import pytest

from judges.agreement import judge_metrics
from judges.compare import Side, compare
from judges.pointwise import Key
from judges.rankings import RankedPrompt, RankedResponse
from results.errors import SrlmError
from results.stats import paired_difference

RANKINGS = [
    RankedPrompt(
        id=f"p{p}",
        prompt=f"Q {p}",
        responses=[RankedResponse(id=f"r{i}", text="", rank=i) for i in range(3)],
    )
    for p in range(4)
]


def side(rows: list[list[float | None]], scale: tuple[int, int] = (0, 5)) -> Side:
    scores: dict[Key, float | None] = {
        (f"p{p}", f"r{i}"): score for p, row in enumerate(rows) for i, score in enumerate(row)
    }
    return Side(judge_metrics(RANKINGS, scores, scale, rounds=20)[1], scores, scale)


FIRST = side([[5, 3, 1], [1, 2, 3], [4, 4, 4], [5, None, None]])
SECOND = side([[5, 4, 1], [3, 2, 1], [4, 3, 2], [1, 2, 3]])


def test_differences_by_hand() -> None:
    found = compare(FIRST, SECOND, rounds=50)
    metric = found.metrics["pairwise_accuracy"]
    # The three prompts that both have: 9 of 9 pairs right against 3 of 9.
    assert metric.value == pytest.approx(9 / 9 - 3 / 9)
    assert (metric.n, metric.of) == (3, 4)
    assert list(found.metrics) == [
        "pairwise_accuracy",
        "pairwise_accuracy_half_ties",
        "five_best",
        "exact_match",
        "spearman",
        "kendall_tau",
    ]
    ours = [v for v in SECOND.values if v.metric == "spearman"]
    theirs = [v for v in FIRST.values if v.metric == "spearman"]
    alone = paired_difference("spearman", ours, theirs, rounds=50)
    assert found.metrics["spearman"].low == alone.low
    rows = [
        (p.prompt_id, p.first, p.second, p.difference, p.score_difference) for p in found.prompts
    ]
    assert rows == [
        ("p1", 0, 1, 1, pytest.approx(4 / 15)),
        ("p2", 0, 1, 1, pytest.approx(0.2)),
        ("p3", None, 0, None, pytest.approx(0.8)),
        ("p0", 1, 1, 0, pytest.approx(1 / 15)),
    ]
    assert [p.prompt_id for p in compare(FIRST, SECOND, most=2, rounds=5).prompts] == ["p1", "p2"]


def test_equal_sides_do_not_differ_whatever_their_scales() -> None:
    rows: list[list[float | None]] = [[5, 3, 1], [1, 2, 3], [4, 0, 4], [5, None, 2]]
    doubled = [[None if s is None else 2 * s for s in row] for row in rows]
    found = compare(side(rows), side(doubled, (0, 10)), rounds=50)
    assert found.prompts == []
    for metric in found.metrics.values():
        assert (metric.value, metric.low, metric.high) == (0.0, 0.0, 0.0)


def test_other_data_is_refused() -> None:
    other = [v.model_copy(update={"cluster": "elsewhere"}) for v in SECOND.values]
    with pytest.raises(SrlmError, match="evaluate both on the same data"):
        compare(FIRST, Side(other), rounds=5)


def test_a_metric_of_one_side_alone_is_null_with_a_reason() -> None:
    only = [v for v in FIRST.values if v.metric == "spearman"]
    found = compare(FIRST, Side(only), rounds=20)
    assert found.metrics["exact_match"].value is None
    assert found.metrics["exact_match"].reason == "no prompt has a value on both sides"
    assert found.metrics["spearman"].value == 0.0
    assert found.prompts == []
