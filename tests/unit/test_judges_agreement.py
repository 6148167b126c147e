"""The judge metrics on examples worked by hand."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from judges.agreement import CONVENTIONS, Unscored, agreement_values, judge_metrics
from judges.rankings import RankedPrompt, RankedResponse, read_rankings
from results.errors import SrlmError
from results.records import Metric

Row = tuple[Sequence[int | None], Sequence[float | None]]  # ranks, scores


def data(*rows: Row) -> tuple[list[RankedPrompt], dict[tuple[str, str], float | None]]:
    rankings, scores = [], {}
    for index, (ranks, given) in enumerate(rows):
        responses = [RankedResponse(id=f"r{i}", text="", rank=rank) for i, rank in enumerate(ranks)]
        rankings.append(RankedPrompt(id=f"p{index}", prompt=f"text {index}", responses=responses))
        scores.update({(f"p{index}", f"r{i}"): score for i, score in enumerate(given)})
    return rankings, scores


def measure(*rows: Row, unscored: Unscored = "drop") -> dict[str, Metric]:
    rankings, scores = data(*rows)
    return judge_metrics(rankings, scores, (0, 5), unscored, rounds=50)[0]


def check(metric: Metric, value: float | None, n: int, of: int) -> None:
    assert metric.value == (None if value is None else pytest.approx(value, abs=1e-12))
    assert (metric.n, metric.of) == (n, of)


def test_a_perfect_judge() -> None:
    found = measure(([0, 1, 2], [5, 3, 1]), ([1, 0], [2, 5]))
    for name, (n, of) in {
        "pairwise_accuracy": (4, 4),
        "pairwise_accuracy_half_ties": (4, 4),
        "five_best": (2, 2),
        "exact_match": (2, 2),
        "spearman": (2, 2),
        "kendall_tau": (2, 2),
    }.items():
        assert found[name].value == 1.0
        assert (found[name].n, found[name].of) == (n, of)


def test_tied_scores() -> None:
    # Pairs (0,1) tied, (0,2) right, (1,2) right.
    found = measure(([0, 1, 2], [4, 4, 1]))
    check(found["pairwise_accuracy"], 2 / 3, 3, 3)
    check(found["pairwise_accuracy_half_ties"], 2.5 / 3, 3, 3)
    check(found["exact_match"], 0.0, 1, 1)
    check(found["five_best"], None, 0, 0)
    # tau-b: C - D = 2, 3 pairs, 1 tie in the scores: 2 / sqrt(3 * 2).
    check(found["kendall_tau"], 2 / math.sqrt(6), 1, 1)
    # Mid-ranks 1.5 1.5 3 against 1 2 3: 1.5 / sqrt(1.5 * 2).
    check(found["spearman"], 1.5 / math.sqrt(3), 1, 1)


def test_tied_ranks_do_not_count() -> None:
    found = measure(([0, 0, 1], [5, 2, 1]))
    check(found["pairwise_accuracy"], 1.0, 2, 2)
    check(found["exact_match"], 1.0, 1, 1)
    check(found["five_best"], 1.0, 1, 1)
    check(found["kendall_tau"], 2 / math.sqrt(6), 1, 1)


def test_pairs_are_pooled_and_correlations_averaged() -> None:
    # 3 pairs right in the first prompt, 1 wrong in the second.
    found = measure(([0, 1, 2], [5, 4, 3]), ([0, 1], [1, 5]))
    check(found["pairwise_accuracy"], 3 / 4, 4, 4)
    check(found["exact_match"], 1 / 2, 2, 2)
    check(found["kendall_tau"], 0.0, 2, 2)
    check(found["spearman"], 0.0, 2, 2)
    check(found["five_best"], 1 / 2, 2, 2)


def test_unscored_responses() -> None:
    rows: Row = ([0, 1, 2], [5, None, 4])
    dropped = measure(rows)
    check(dropped["pairwise_accuracy"], 1.0, 1, 3)
    check(dropped["exact_match"], 1.0, 1, 1)
    check(dropped["five_best"], 1.0, 1, 2)
    check(dropped["kendall_tau"], 1.0, 1, 1)
    wrong = measure(rows, unscored="wrong")
    check(wrong["pairwise_accuracy"], 1 / 3, 3, 3)
    check(wrong["pairwise_accuracy_half_ties"], 1 / 3, 3, 3)
    check(wrong["exact_match"], 0.0, 1, 1)
    check(wrong["kendall_tau"], 1.0, 1, 1)
    tied = measure(rows, unscored="tie")
    check(tied["pairwise_accuracy"], 1 / 3, 3, 3)
    check(tied["pairwise_accuracy_half_ties"], 2 / 3, 3, 3)
    assert "unscored = wrong" in wrong["pairwise_accuracy"].convention
    assert "unscored dropped" in dropped["pairwise_accuracy"].convention


def test_constant_sides_are_left_out_and_counted() -> None:
    found = measure(([0, 1], [3, 3]), ([0, 0], [1, 2]), ([0, 1], [2, 1]))
    check(found["kendall_tau"], 1.0, 1, 3)
    check(found["spearman"], 1.0, 1, 3)
    check(found["exact_match"], 0.5, 2, 2)
    check(found["pairwise_accuracy"], 0.5, 2, 2)


def test_a_null_figure_says_why() -> None:
    flat = measure(([0, 1], [3, 3]), ([0, 0], [1, 2]))
    assert flat["spearman"].reason == "scores or ranks are constant in every prompt"
    assert flat["five_best"].reason == "no ranked response has the top score"
    silent = measure(([0, 1], [None, None]))
    assert silent["exact_match"].reason == (
        "no pair that people rank apart has a score on both sides"
    )


def test_nothing_to_measure() -> None:
    nothing: list[list[Row]] = [
        [],
        [([0], [5])],
        [([], [])],
        [([None, None], [5, 1])],
        [([0, 1], [None, None])],
    ]
    for rows in nothing:
        found = measure(*rows)
        assert found.keys() == CONVENTIONS.keys()
        for name in set(CONVENTIONS) - {"five_best"}:
            assert found[name].value is None
            assert found[name].n == 0
    check(measure(([0], [5]))["five_best"], 1.0, 1, 1)
    check(measure(([0], [5]))["kendall_tau"], None, 0, 0)


def test_gaps_in_ranks_do_no_harm_and_the_best_rank_need_not_be_zero() -> None:
    assert measure(([3, 7, 20], [5, 5, 1])) == measure(([0, 1, 2], [5, 5, 1]))
    check(measure(([3, 7, 20], [5, 5, 1]))["five_best"], 0.5, 2, 2)


def test_responses_without_a_rank_take_no_part() -> None:
    with_it = measure(([0, None, 1], [4, 5, 1]))
    assert with_it == measure(([0, 1], [4, 1]))


def test_missing_scores_are_unscored() -> None:
    rankings, scores = data(([0, 1, 2], [5, 4, 3]))
    del scores["p0", "r2"]
    assert agreement_values(rankings, scores, (0, 5))["pairwise_accuracy"].n == 1


def test_float_noise_is_a_tie() -> None:
    check(measure(([0, 1], [0.1 + 0.2, 0.3]))["pairwise_accuracy_half_ties"], 0.5, 1, 1)


def test_prompts_with_one_text_share_a_cluster() -> None:
    rankings, scores = data(([0, 1], [2, 1]), ([0, 1], [2, 1]))
    same = [item.model_copy(update={"prompt": "same"}) for item in rankings]
    values = judge_metrics(same, scores, (0, 5), rounds=50)[1]
    assert len({value.cluster for value in values}) == 1
    assert {value.prompt_id for value in values} == {"p0", "p1"}
    assert judge_metrics(same, scores, (0, 5))[0]["exact_match"].low is None


def test_reading(tmp_path: Path) -> None:
    line = {
        "id": "p",
        "prompt": [{"role": "user", "content": "Q"}],
        "responses": [{"id": "a", "text": "A", "rank": 0, "score": 0.5}, {"id": "b", "text": ""}],
        "lang": "en",
    }
    plain, zipped = tmp_path / "r.jsonl", tmp_path / "r.jsonl.gz"
    plain.write_text(json.dumps(line) + "\n")
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    (item,) = read_rankings(plain)
    assert [item] == read_rankings(zipped)
    assert [r.rank for r in item.responses] == [0, None]
    assert item.responses[0].score == 0.5
    line["responses"] = [{"id": "a", "text": "A"}] * 2
    plain.write_text(json.dumps(line))
    with pytest.raises(SrlmError, match=r"r\.jsonl:1.*'a' is there more than once"):
        read_rankings(plain)
    with pytest.raises(SrlmError, match="no such file"):
        read_rankings(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("prompt", [], r"r\.jsonl:1: prompt\."),
        ("rank", 10**400, r"r\.jsonl:1: responses\.0\.rank: found 1000.*less than or equal"),
        ("rank", 2**53 + 1, r"r\.jsonl:1: responses\.0\.rank: "),
        ("text", "\udfff", r"r\.jsonl:1: found \\udfff, half a character"),
    ],
)
def test_what_no_figure_could_use_is_refused(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    line: dict[str, Any] = {"id": "p", "prompt": "Q", "responses": [{"id": "a", "text": "A"}]}
    place = line if key == "prompt" else line["responses"][0]
    place[key] = value
    (tmp_path / "r.jsonl").write_text(json.dumps(line))
    with pytest.raises(SrlmError, match=message):
        read_rankings(tmp_path / "r.jsonl")


def test_a_repeated_prompt_id_is_refused_naming_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    rows = [{"id": i, "prompt": "Q", "responses": []} for i in ("a", "b", "c", "b", "a")]
    path.write_text("\n\n".join(json.dumps(row) for row in rows))  # blank lines count as lines
    with pytest.raises(SrlmError, match=r"r\.jsonl:7: prompt id 'b' is there .*r\.jsonl:3; ") as it:
        read_rankings(path)
    assert "\n" not in str(it.value)
    path.write_text("\n".join(json.dumps(row) for row in rows[:3]))
    assert [item.id for item in read_rankings(path)] == ["a", "b", "c"]
