"""The score table against ``mean_scores`` and ``read_jsonl``, which it stands in for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges.pointwise import mean_scores
from judges.score_table import read_score_table, score_table
from judges.spec import load_spec
from results.errors import SrlmError
from results.lines import read_jsonl
from results.records import Judgment

DRAW = st.tuples(
    st.sampled_from("pq"),
    st.sampled_from("abc"),
    st.one_of(st.none(), st.integers(0, 5), st.sampled_from([0.1, 0.2, 0.3, 4.7]), st.just(1e300)),
)


def judgment(prompt_id: str, response_id: str, score: float | None, **more: Any) -> Judgment:
    return Judgment(
        prompt_id=prompt_id,
        response_id=response_id,
        draw=0,
        status="unscored" if score is None else "scored",
        score=score,
        reason="no_score" if score is None else None,
        text="",
        **more,
    )


@settings(deadline=None)
@given(st.lists(DRAW, max_size=12), st.integers(1, 3))
def test_means_are_mean_scores(draws: list[tuple[str, str, float | None]], need: int) -> None:
    judgments = [judgment(*draw) for draw in draws]
    spec = load_spec("additive5").model_copy(update={"min_scored": need})
    expected = {key: score.mean for key, score in mean_scores(judgments, spec).items()}
    found = score_table(judgments).means(need)
    assert found == expected
    assert list(found) == list(expected)


def test_equal_draws_in_another_order_tie() -> None:
    values = [0.1, 0.2, 0.3, 4.7, 3.3]
    draws = [judgment("p", "a", v) for v in values] + [judgment("p", "b", v) for v in values[::-1]]
    means = score_table(draws).means()
    assert means["p", "a"] == means["p", "b"]


def test_a_file_read_as_arrays(tmp_path: Path) -> None:
    judgments = [judgment("p", "a", 3), judgment("p", "a", None), judgment("q", "a", 0.5)]
    path = tmp_path / "j.jsonl.gz"
    lines = "\n\n".join(j.model_dump_json() for j in judgments)
    path.write_bytes(gzip.compress(lines.encode()))
    table = read_score_table(path)
    assert (table.keys, table.response.tolist()) == ([("p", "a"), ("q", "a")], [0, 0, 1])
    assert table.reasons == {"no_score": 1}
    assert table.means() == {("p", "a"): 3.0, ("q", "a"): 0.5}
    assert table.means(2) == {("p", "a"): None, ("q", "a"): None}
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode())  # a byte order mark is no fault
    assert read_score_table(path).keys == table.keys


GOOD = judgment("p", "a", 3).model_dump()


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        json.dumps(GOOD | {"score": None}),
        json.dumps(GOOD | {"score": "high"}),
        json.dumps(GOOD | {"score": float("nan")}),
        json.dumps(GOOD | {"score": float("inf")}),
        json.dumps(GOOD | {"draw": 1.5}),
        json.dumps(GOOD | {"text": "\ud800"}),
        json.dumps(GOOD | {"points": 3}),
        json.dumps({k: v for k, v in GOOD.items() if k != "text"}),
    ],
)
def test_a_bad_line_is_named_as_ever(tmp_path: Path, line: str) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n")
    with pytest.raises(SrlmError, match=r"j\.jsonl:3: .*(expected|hold).*; mend or remove") as new:
        read_score_table(path)
    with pytest.raises(SrlmError) as known:
        read_jsonl(path, Judgment)
    assert str(new.value) == str(known.value)


@pytest.mark.parametrize("score", ["3", True, [3]])
def test_what_is_no_number_is_no_score_of_ours(tmp_path: Path, score: object) -> None:
    (tmp_path / "j.jsonl").write_text(json.dumps(GOOD | {"score": score}))
    with pytest.raises(SrlmError, match=r"j\.jsonl:1: score: found"):
        read_jsonl(tmp_path / "j.jsonl", Judgment)


@pytest.mark.parametrize(
    "change",
    [
        {"draw": 2.0},
        {"score": -0.0},
        {"score": 0.1234567890123456789},
        {"text": "\u2028\U0001f600"},
        {"tokens": 10**30},
    ],
)
def test_the_quick_way_to_read_reads_the_same(tmp_path: Path, change: dict[str, object]) -> None:
    from results.lines import parse_object, to_record

    path = tmp_path / "j.jsonl"
    line = json.dumps(GOOD | change)
    path.write_text(line)
    slow = to_record(path, 1, parse_object(path, 1, line.encode()), Judgment)
    assert read_jsonl(path, Judgment) == [slow]
    twice = line.replace('"draw": ', '"draw": 9, "draw": ')  # the last of two keys counts
    path.write_text(twice)
    assert read_jsonl(path, Judgment) == [slow]
