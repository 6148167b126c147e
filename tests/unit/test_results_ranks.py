"""Published rows, and ranks with intervals."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from results.leaderboard import to_html
from results.ranks import ranked
from results.records import Evaluated, Metric, Unscored, Value
from results.reference_rows import reference_rows, references
from results.stats import ratio_metric
from results.store import RecordFile, write_json
from results.tables import build_tables
from tests.real_data import real_data


def row(model: str, value: float | None, **more: Any) -> dict[str, Any]:
    return {"model": model, "run": None, "iteration": None, "benchmark": "b", "judge": "j",
            "n": 4, "metrics": {"win_rate": value}, "gate": None, **more}  # fmt: skip


def values(*numbers: float) -> list[Value]:
    return [
        Value(prompt_id=f"p{i}", metric="win_rate", num=number, cluster=f"p{i}")
        for i, number in enumerate(numbers)
    ]


def ends(found: list[dict[str, Any]]) -> dict[str, tuple[Any, Any, Any]]:
    ranks: dict[str, Metric] = {r["model"]: r["metrics"]["rank"] for r in found}
    return {name: (m.value, m.low, m.high) for name, m in ranks.items()}


def test_paired_rows_that_always_differ_have_certain_ranks() -> None:
    rows = [row("low", 0.4), row("high", 0.5), row("none", None)]
    # "high" is better on each prompt by the same amount: so it is on all resampled prompts.
    own = [values(0.0, 0.4, 0.8), values(0.1, 0.5, 0.9), None]
    found = ranked(rows, own, "win_rate")
    assert [r["model"] for r in found] == ["high", "low", "none"]
    assert ends(found) == {"high": (1, 1, 1), "low": (2, 2, 2), "none": (None, None, None)}
    assert next(iter(found[0]["metrics"])) == "rank"
    assert found[2]["metrics"]["rank"].reason == "win_rate has no value"


def test_rows_that_cross_share_places() -> None:
    rows = [row("a", 0.5), row("b", 0.5)]
    own = [values(*[0, 1] * 20), values(*[1, 0] * 20)]
    found = ends(ranked(rows, own, "win_rate"))
    assert found == {"a": (1, 1, 2), "b": (1, 1, 2)}


def test_published_rows_move_by_their_standard_error() -> None:
    rows = [
        row("close", 0.50, metrics={"win_rate": 0.50, "standard_error": 0.02}),
        row("near", 0.51, metrics={"win_rate": 0.51, "standard_error": 0.02}),
        row("far", 0.90, metrics={"win_rate": 0.90, "standard_error": 0.02}),
        row("bare", 0.1),
    ]
    found = ends(ranked(rows, [None] * 4, "win_rate"))
    # "bare" moves nobody can say how: its place has no interval, and it is in nobody's way.
    assert found == {
        "far": (1, 1, 1), "near": (2, 2, 3), "close": (3, 2, 3), "bare": (4, None, None)
    }  # fmt: skip
    alone = ranked(rows[3:], [None], "win_rate")[0]["metrics"]["rank"]
    assert (alone.value, alone.low) == (1, None) and "standard error" in alone.reason


def test_an_error_with_the_fit_held_draws_no_rank() -> None:
    metrics = {"lc_win_rate": 0.25, "lc_standard_error": 0.008}
    (found,) = ranked([row("ours", None, metrics=metrics)], [None], "lc_win_rate")
    rank = found["metrics"]["rank"]
    assert (rank.value, rank.low, rank.high) == (1, None, None)


def test_tables_are_ranked_apart() -> None:
    rows = [row("a", 0.5), row("b", 0.6, judge="other"), row("c", 0.4)]
    found = ends(ranked(rows, [None] * 3, "win_rate"))
    assert {name: rank for name, (rank, _, _) in found.items()} == {"a": 1, "c": 2, "b": 1}


def test_published_figures_are_those_of_the_published_file() -> None:
    path = real_data(
        "alpaca_eval", "leaderboards", "weighted_alpaca_eval_gpt4_turbo_leaderboard.csv"
    )
    with path.open(encoding="utf-8") as file:
        theirs = {line[""]: line for line in csv.DictReader(file)}
    names = {"win_rate": "win_rate", "standard_error": "standard_error",
             "discrete_win_rate": "discrete_win_rate",
             "lc_win_rate": "length_controlled_winrate"}  # fmt: skip
    checked = 0
    for ours in reference_rows("alpaca_eval2"):
        line = theirs[ours["model"]]
        for key, column in names.items():
            value = ours["metrics"][key].value
            assert value == pytest.approx(float(line[column]) / 100, abs=1e-8)
            checked += 1
        for key in ("n_wins", "n_wins_base", "n_draws", "n_total", "avg_length"):
            assert ours["metrics"][key].value == int(float(line[key]))
        assert ours["n"] == ours["metrics"]["n_total"].value
    assert checked == 4 * 17


def test_head_to_head_of_the_paper_is_whole_counts() -> None:
    rows = [r for r in reference_rows("self_rewarding") if r["benchmark"] == "head_to_head"]
    assert [r["n"] for r in rows] == [256] * 6 + [50] * 3  # GPT-4, then people
    for found in rows:
        shares = [found["metrics"][f"{name}_share"] for name in ("win", "tie", "loss")]
        counts = [found["n"] * share.value for share in shares]
        assert counts == pytest.approx([round(count) for count in counts], abs=1e-3)
        assert sum(counts) == pytest.approx(found["n"], abs=1e-3)


def test_the_tables_of_the_paper_are_ranked_each_by_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = ["leaderboard", "--reference", "self_rewarding", "--rank", "datasets.arc_easy", "--json"]
    assert main(said) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    ranks = {(r["benchmark"], r["model"]): r["metrics"]["rank"]["value"] for r in rows}
    assert [name.rpartition(" ")[2] for (on, name) in ranks if on == "nlp"] == [
        "70B", "M1", "baseline", "M2", "M3",
    ]  # fmt: skip
    assert {rank for (on, _), rank in ranks.items() if on != "nlp"} == {None}
    tables = build_tables(reference_rows("self_rewarding"))
    assert [table.title for table in tables if table.title.startswith(("nlp", "judge_"))] == [
        "nlp", "judge_agreement", "judge_agreement, judge: multiple-choice prompt of Li et al.",
    ]  # fmt: skip


def test_every_source_shows_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    for name, source in references().items():
        for form in ("table", "md", "csv", "latex", "html", "json"):
            assert main(["leaderboard", "--reference", name, "--format", form]) == 0
            printed = capsys.readouterr().out.replace("\\_", "_").replace("\\", "")
            last = source.parts[0].rows[-1]
            assert last.model in printed
            figure = next(iter(last.metrics.values()))
            assert isinstance(figure, float)
            shown = f"{figure}" if form == "json" else f"{100 * figure:.1f}"
            assert (shown if figure < 1 else f"{figure:.2f}".rstrip("0")) in printed


def test_leaderboard_of_published_rows(capsys: pytest.CaptureFixture[str]) -> None:
    said = ["leaderboard", "--reference", "alpaca_eval2", "--reference", "self_rewarding"]
    assert main([*said, "--rank", "win_rate", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    board = [r for r in rows if r["benchmark"] == "alpaca_eval2" and r["n"] == 805]
    assert [r["metrics"]["rank"]["value"] for r in board] == list(range(1, len(board) + 1))
    assert board[3]["model"] == "Self-Rewarding 70B M3"  # after GPT-4 0314 and Mistral Medium
    assert board[0]["source"].startswith("tatsu-lab")


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ([], "nothing to show"),
        (["--reference", "alpaca_eval"], "did you mean 'alpaca_eval2'?"),
        (["--reference", "mt_bench", "--rank", "averag"], "did you mean 'average'?"),
        (["nowhere"], "nowhere: neither a run nor an evaluation"),
    ],
)
def test_what_is_refused(said: list[str], wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", *said]) == 2
    printed = capsys.readouterr()
    assert wrong in printed.err and printed.out == "" and printed.err.count("\n") == 1


def test_html_is_one_page_and_names_are_no_markup(tmp_path: Path) -> None:
    page = to_html([row("<script>x</script>", 0.5, note="<b>y</b>", judge="</h2><i>")])
    assert page.startswith("<!doctype html>") and page.count("<table") == 1
    assert "<script>" not in page and "<b>" not in page and "<i>" not in page
    assert "&lt;script&gt;" in page and "http" not in page


def test_ranks_of_two_evaluations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, gain in (("low", 0.0), ("high", 0.1)):
        own = [
            Value(prompt_id=f"p{i}", metric="win_rate", num=0.1 * i + gain, cluster=f"p{i}")
            for i in range(8)
        ]
        folder = tmp_path / name
        RecordFile(folder / "values.jsonl", Value).replace(own)
        found = Evaluated(
            model=name, benchmark="b", identity=name, data="d", judge="j", judge_is_judged=False,
            judge_spec=None, judge_model="j", baseline=None, n=8, unscored=Unscored(),
            metrics={
                "win_rate": ratio_metric("win_rate", own, 8, "x"),
                "f1.macro": ratio_metric("f1.macro", [], 8, "x"),
                "f1": ratio_metric("f1", [], 8, "x"),
            },
        )  # fmt: skip
        write_json(folder / "metrics.json", found.model_dump())
    paths = [str(tmp_path / name) for name in ("low", "high")]
    assert main(["leaderboard", *paths, "--rank", "win_rate", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    ranks = [(r["model"], *(r["metrics"]["rank"][k] for k in ("value", "low", "high")))
             for r in rows]  # fmt: skip
    assert ranks == [("high", 1, 1, 1), ("low", 2, 2, 2)]
    # A dot in a name makes a group of the known groups alone.
    assert {"f1", "f1.macro"} < set(rows[0]["metrics"]) and "folder" not in rows[0]


def test_rows_without_a_common_round_have_no_interval() -> None:
    rows = [row(f"m{i}", 0.1 * i) for i in range(14)]
    own = [
        [Value(prompt_id=f"p{i}", metric="win_rate", num=0.1 * i, cluster=f"p{i}")]
        for i in range(14)
    ]
    found = ends(ranked(rows, own, "win_rate"))
    assert found["m13"] == (1, None, None) and found["m0"] == (14, None, None)
