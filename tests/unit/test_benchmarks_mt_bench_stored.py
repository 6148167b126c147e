"""MT-Bench from stored judgments: upstream's figures, and every bad line told."""

from __future__ import annotations

import argparse
import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.mt_bench import stored, stored_pairs
from benchmarks.mt_bench.protocol import CATEGORIES, CATEGORY_OF
from benchmarks.mt_bench.stored_lines import is_pairwise
from results.errors import SrlmError, UsageError
from results.leaderboard import to_json, to_markdown
from results.records import Metric
from results.tables import group_rows
from tests.mt_bench_files import lines
from tests.real_data import real_data

PUBLISHED = {
    "mamba_0_5_dpo_ep1": 7.12,
    "mamba_0_5_dpo_ep3": 7.31,
    "mamba_0_75_dpo_ep1": 7.03,
    "mamba_0_75_dpo_ep3": 6.58,
    "mamba_0_875_dpo_ep1": 6.39,
    "mamba_0_875_dpo_ep3": 6.37,
}


def line(question: Any = 81, turn: Any = 1, score: Any = 7, model: Any = "m",
         judge: Any = ("gpt-4", "single-v1"), **more: Any) -> dict[str, Any]:  # fmt: skip
    return {"question_id": question, "model": model, "judge": list(judge), "turn": turn,
            "score": score, "judgment": f"Rating: [[{score}]]", **more}  # fmt: skip


def pair(question: Any = 81, turn: Any = 1, g1: str = "model_1", g2: str = "model_1",
         models: tuple[str, str] = ("a", "b"), **more: Any) -> dict[str, Any]:  # fmt: skip
    name = "pair-v2" if turn == 1 else "pair-v2-multi-turn"
    return {"question_id": question, "model_1": models[0], "model_2": models[1], "g1_winner": g1,
            "g2_winner": g2, "judge": ["gpt-4", name], "turn": turn, **more}  # fmt: skip


def refused(path: Path, read: Any = stored.rows) -> str:
    with pytest.raises(SrlmError) as error:
        read(path)
    text = str(error.value)
    assert "\n" not in text and text.startswith(str(path))
    return text.removeprefix(str(path))


def test_the_categories_are_ten_ids_each() -> None:
    assert [CATEGORY_OF[str(i)] for i in range(81, 161, 10)] == list(CATEGORIES)
    assert len(CATEGORY_OF) == 80
    assert CATEGORY_OF["90"] == "writing" and CATEGORY_OF["160"] == "humanities"


def test_published_figures() -> None:
    found = stored.rows(
        real_data("mt_bench", "judgments", "jxiw_mambainllama_gpt-4_single.jsonl.gz")
    )
    averages = [row["metrics"]["average"].value for row in found]
    assert averages == sorted(averages, reverse=True)
    assert {row["model"]: round(row["metrics"]["average"].value, 2) for row in found} == PUBLISHED
    for row in found:
        metrics = row["metrics"]
        average = metrics["average"]
        assert (row["judge"], row["n"], average.n, average.of) == ("gpt-4", 80, 160, 160)
        assert average.low < average.value < average.high
        turns = [metrics["first_turn"], metrics["second_turn"]]
        assert math.isclose(sum(turn.value for turn in turns) / 2, average.value)
        assert [(turn.n, turn.of) for turn in turns] == [(80, 80)] * 2
        categories = metrics["categories"]
        assert list(categories) == list(CATEGORIES)
        assert all((c.n, c.of) == (20, 20) for c in categories.values())
        assert math.isclose(sum(c.value for c in categories.values()) / 8, average.value)
        assert row["unscored"] == {"n": 0, "of": 160, "reasons": {}}
    assert len(group_rows(found)) == 1


def test_failures_are_unscored_and_drop_out_of_the_means() -> None:
    path = real_data("mt_bench", "judgments", "wgm20_gpt-4_single_with_failures.jsonl.gz")
    found = stored.rows(path)
    assert sum(row["unscored"]["n"] for row in found) == 15
    assert sum(row["metrics"]["unscored"].value for row in found) == 15
    by_model = {row["model"]: row for row in found}
    failed = by_model["mistral-7b_dolphin_orca_labonne_dpo"]
    assert failed["unscored"] == {"n": 14, "of": 160, "reasons": {"error": 14}}
    assert (failed["metrics"]["average"].n, failed["metrics"]["average"].of) == (146, 160)
    endless = by_model["mistral-7b_dolphin_orca_wgm_dpo_bf16"]
    assert endless["unscored"]["reasons"] == {"no_score": 1}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        scores = [json.loads(text) for text in file]
    for model, row in by_model.items():
        kept = [s["score"] for s in scores if s["model"] == model and s["score"] != -1]
        assert math.isclose(row["metrics"]["average"].value, sum(kept) / len(kept))


def upstream(shown: str) -> dict[str, dict[str, float]]:
    """What ``show_result`` printed: for each of its tables the figure of each model."""
    found: dict[str, dict[str, float]] = {}
    for text in shown.splitlines():
        if title := re.match(r"#+ (.+) #+", text):
            table = found.setdefault(title[1], {})
        elif row := re.match(r"(\S+)\s+(?:[12]\s+)?(\d+\.\d+)$", text):
            table[row[1]] = float(row[2])
    return found


@pytest.mark.parametrize(
    "name", ["jxiw_mambainllama_gpt-4_single", "wgm20_gpt-4_single_with_failures"]
)
def test_single_figures_are_those_of_upstream(name: str, tmp_path: Path, capsys) -> None:
    show_result = pytest.importorskip("fastchat.llm_judge.show_result")
    path = tmp_path / "judgments.jsonl"
    path.write_bytes(
        gzip.decompress(real_data("mt_bench", "judgments", f"{name}.jsonl.gz").read_bytes())
    )
    with pd.option_context("display.max_colwidth", None, "display.precision", 9):
        show_result.display_result_single(
            argparse.Namespace(input_file=str(path), model_list=None, bench_name="mt_bench")
        )
    theirs = upstream(capsys.readouterr().out)
    titles = {"average": "Average", "first_turn": "First turn", "second_turn": "Second turn"}
    ours = stored.rows(path)
    assert list(theirs["Average"]) == [row["model"] for row in ours]
    for metric, title in titles.items():
        assert theirs[title] == pytest.approx(
            {row["model"]: row["metrics"][metric].value for row in ours}, abs=1e-6
        )


def test_coverage_and_tables(tmp_path: Path) -> None:
    """A model with fewer questions says so, and stands in a table of its own."""
    path = lines(
        tmp_path / "j.jsonl",
        line(81, 1, 4, "few"),
        line(81, 1, 8, "more"),
        line(111, 2, 6, "more", ("gpt-4", "single-math-v1-multi-turn")),
        line(112, 1, -1, "more", ("gpt-4", "single-math-v1"), judgment="$ERROR$"),
        line(113, 1, None, "more", ("gpt-4", "single-math-v1"), judgment="no rating"),
        line(114, 1, -1, "more", ("gpt-4", "single-math-v1"), judgment=None),
        line(115, 1, -1, "more", ("gpt-4", "single-math-v1"), judgment="[[3]]"),
    )
    more, few = stored.rows(path)
    assert [row["model"] for row in (more, few)] == ["more", "few"]
    assert (more["n"], few["n"]) == (6, 1)
    average = few["metrics"]["average"]
    assert (average.value, average.low, average.n, average.of) == (4, None, 1, 160)
    assert average.reason == "fewer than two different prompts have a usable value"
    metrics = more["metrics"]
    assert (metrics["average"].value, metrics["average"].n) == (7, 2)
    assert (metrics["second_turn"].value, metrics["second_turn"].of) == (6, 80)
    assert (metrics["categories"]["math"].value, metrics["categories"]["math"].n) == (6, 1)
    assert metrics["categories"]["stem"].value is None
    reasons = {"error": 1, "no_score": 1, "not_said": 2}
    assert more["unscored"] == {"n": 4, "of": 6, "reasons": reasons}
    assert metrics["unscored"].value == 4 and isinstance(metrics["unscored"], Metric)
    assert len(group_rows([more, few])) == 2
    assert "7.00" in to_markdown([more]) and "2/160" in to_markdown([more])
    assert json.loads(to_json([more]))["rows"][0]["metrics"]["average"]["value"] == 7


def test_a_model_without_any_rating_comes_last(tmp_path: Path) -> None:
    path = lines(tmp_path / "j.jsonl", line(model="none", score=-1), line(model="low", score=1))
    low, none = stored.rows(path)
    assert [low["model"], none["model"]] == ["low", "none"]
    average = none["metrics"]["average"]
    assert (average.value, average.reason) == (None, "none of 160 has a value")


def test_another_prompt_is_another_judge(tmp_path: Path) -> None:
    """So that such rows never stand in one table with the usual ones."""
    path = lines(
        tmp_path / "j.jsonl",
        line(111, model="usual", judge=("gpt-4", "single-math-v1")),
        line(111, model="without", judge=("gpt-4", "single-v1")),
        line(111, model="own", judge=("gpt-4", "mine")),
        line(111, model="own", judge=("gpt-4o", "single-math-v1"), score=6),
        line(111, model="gpt-4", judge=("gpt-4", "single-math-v1")),
    )
    found = {(row["model"], row["judge"]): row for row in stored.rows(path)}
    assert set(found) == {
        ("usual", "gpt-4"),
        ("without", "gpt-4 (prompts: single-v1)"),
        ("own", "gpt-4 (prompts: mine)"),
        ("own", "gpt-4o"),
        ("gpt-4", "gpt-4"),
    }
    assert [key for key, row in found.items() if row["judge_is_judged"]] == [("gpt-4", "gpt-4")]


def test_other_questions_have_no_category(tmp_path: Path) -> None:
    path = lines(tmp_path / "j.jsonl", line(1, score=3), line("x9", score=5))
    (row,) = stored.rows(path)
    average = row["metrics"]["average"]
    assert (average.value, average.n, average.of) == (4, 2, 2)
    assert all(c.value is None and c.of == 0 for c in row["metrics"]["categories"].values())
    assert row["note"] == (
        "2 questions are not of MT-Bench's ids 81 to 160 and count in no category: 1, x9"
    )


def test_the_seed_decides_the_interval_alone(tmp_path: Path) -> None:
    path = lines(tmp_path / "j.jsonl", *(line(81 + i, score=1 + i % 9) for i in range(30)))
    once, again, other = (stored.rows(path, seed)[0] for seed in (0, 0, 1))
    assert once == again
    average, changed = once["metrics"]["average"], other["metrics"]["average"]
    assert average.value == changed.value and average.low != changed.low


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("not json", ":2: found 'not json', which is not JSON"),
        ("[1]", ":2: found [1], expected one JSON object"),
        (line(score=11), ":2: score: found 11, expected a SingleJudgment"),
        (line(score=0), ":2: score: found 0, expected a SingleJudgment"),
        (line(score="7"), ":2: score: found '7', expected a SingleJudgment"),
        (line(score=True), ":2: score: found True, expected a SingleJudgment"),
        ('{"score": NaN}', "NaN is not a JSON number"),
        (line(turn=3), ":2: turn: found 3, expected"),
        (line(judge=["gpt-4"]), ":2: judge: found ['gpt-4'], expected"),
        (line(model=""), ":2: model: found '', expected"),
        (line(), ":2: found another judgment of m, question 81, turn 1, expected one (the first is "
                 "in line 1); remove one of the two"),
        (line("81"), ":2: found another judgment of m, question 81, turn 1"),
        (pair(), ":2: model: found no such key, expected"),
        *(({k: v for k, v in line().items() if k != key}, f":2: {key}: found no such key")
          for key in ("question_id", "model", "judge", "turn", "score")),
    ],
)  # fmt: skip
def test_a_bad_line_is_told(bad: Any, told: str, tmp_path: Path) -> None:
    assert told in refused(lines(tmp_path / "j.jsonl", line(), bad))


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    empty, pairs = tmp_path / "empty.jsonl", lines(tmp_path / "p.jsonl", pair())
    empty.write_text("")
    votes = lines(tmp_path / "v.jsonl", {"question_id": 81, "model_a": "x", "winner": "model_a"})
    single = lines(tmp_path / "s.jsonl", line())
    for read in (stored.rows, stored_pairs.rows):
        assert "the file is empty" in refused(empty, read)
        assert ":1: found the keys question_id, model_a, winner, expected" in refused(votes, read)
        assert "no such file" in refused(tmp_path / "gone.jsonl", read)
    assert "found judgments of pairs (model_1, g1_winner), expected single" in refused(pairs)
    assert "found single-answer judgments" in refused(single, stored_pairs.rows)
    assert is_pairwise(pairs) and not is_pairwise(single)


GAMES = (
    pair(81, 1),  # a wins
    pair(82, 1, "model_2", "model_2"),  # b wins
    pair(83, 1, "model_1", "model_2"),  # the orders disagree
    pair(84, 1, "tie", "tie"),
    pair(111, 1, "tie", "model_1"),
    pair(112, 1, "error", "model_1"),  # drops out
    pair(81, 2),
    pair(81, 1, models=("a", "c")),
    pair(81, 1, models=("c", "b")),
)


def test_pairs(tmp_path: Path) -> None:
    found = stored_pairs.rows(lines(tmp_path / "p.jsonl", *GAMES))
    a, c, b = found
    assert [row["model"] for row in found] == ["a", "c", "b"]
    rates = {
        row["model"]: [
            row["metrics"][key].value for key in ("win_rate", "loss_rate", "win_rate_adjusted")
        ]
        for row in found
    }
    assert rates == {"a": [3 / 7, 1 / 7, 4.5 / 7], "b": [1 / 7, 3 / 7, 2.5 / 7], "c": [0.5] * 3}
    assert (a["n"], a["metrics"]["win_rate"].n, a["metrics"]["win_rate"].of) == (6, 7, 8)
    assert a["unscored"] == {"n": 1, "of": 8, "reasons": {"error": 1}}
    assert (c["unscored"], b["baseline"]) == ({"n": 0, "of": 2, "reasons": {}}, "all 3 models")
    writing = a["metrics"]["categories"]["writing"]["win_rate_adjusted"]
    assert (writing.value, writing.n) == (4 / 6, 6)
    math_rate = a["metrics"]["categories"]["math"]["win_rate_adjusted"]
    assert (math_rate.value, math_rate.n, math_rate.of) == (0.5, 1, 2)
    assert all(row["benchmark"] == "mt_bench_pairwise" for row in found)
    assert "64.3" in to_markdown([a])


def test_pairs_against_a_baseline(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", *GAMES)
    found = {row["model"]: row for row in stored_pairs.rows(path, baseline="b")}
    assert set(found) == {"a", "c"} and {row["baseline"] for row in found.values()} == {"b"}
    assert found["a"]["metrics"]["win_rate"].value == 2 / 6
    assert found["c"]["metrics"]["win_rate_adjusted"].value == 1
    with pytest.raises(UsageError, match="found no model 'd', expected one of a, b, c;"):
        stored_pairs.rows(path, baseline="d")


@pytest.mark.parametrize("baseline", [None, "b"])
def test_pair_figures_are_those_of_upstream(baseline: str | None, tmp_path: Path, capsys) -> None:
    show_result = pytest.importorskip("fastchat.llm_judge.show_result")
    path = lines(tmp_path / "p.jsonl", *GAMES)
    show_result.display_result_pairwise(
        argparse.Namespace(input_file=str(path), model_list=None, baseline_model=baseline)
    )
    theirs = {
        row[0]: [float(number) for number in row[4:]]
        for row in map(str.split, capsys.readouterr().out.splitlines())
        if len(row) == 7 and row[0] != "win"
    }
    ours = {
        row["model"]: [
            row["metrics"][key].value for key in ("win_rate", "loss_rate", "win_rate_adjusted")
        ]
        for row in stored_pairs.rows(path, baseline=baseline)
    }
    assert set(theirs) == set(ours) and len(ours) >= 2
    for model, rates in theirs.items():
        assert rates == pytest.approx(ours[model], abs=1e-6)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (pair(g1="A"), ":2: g1_winner: found 'A', expected a PairLine"),
        (pair(models=("a", "a")), "a against itself"),
        (pair(models=("b", "a")), ":2: found another judgment of a and b, question 81, turn 1"),
        (line(), ":2: model_1: found no such key"),
    ],
)
def test_a_bad_pair_is_told(bad: Any, told: str, tmp_path: Path) -> None:
    assert told in refused(lines(tmp_path / "p.jsonl", pair(), bad), stored_pairs.rows)
