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
from results.records import Metric, Value
from results.reference_rows import reference_rows, references
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
    assert found == {"far": (1, 1, 1), "near": (2, 2, 3), "close": (3, 2, 3), "bare": (4, 4, 4)}
    alone = ranked(rows[3:], [None], "win_rate")[0]["metrics"]["rank"]
    assert (alone.value, alone.low) == (1, None) and "standard error" in alone.reason


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
            assert ours["metrics"][key] == pytest.approx(float(line[column]) / 100, abs=1e-8)
            checked += 1
        for key in ("n_wins", "n_wins_base", "n_draws", "n_total", "avg_length"):
            assert ours["metrics"][key] == int(float(line[key]))
        assert ours["n"] == ours["metrics"]["n_total"]
    assert checked == 4 * 17


def test_head_to_head_of_the_paper_is_whole_counts() -> None:
    rows = [r for r in reference_rows("self_rewarding") if r["benchmark"] == "head_to_head"]
    assert len(rows) == 6
    for found in rows:
        counts = [256 * found["metrics"][key] for key in ("win_share", "tie_share", "loss_share")]
        assert counts == pytest.approx([round(count) for count in counts], abs=1e-3)
        assert sum(counts) == pytest.approx(256, abs=1e-3)


def test_every_source_shows_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    for name, source in references().items():
        for form in ("table", "md", "csv", "latex", "html", "json"):
            assert main(["leaderboard", "--reference", name, "--format", form]) == 0
            printed = capsys.readouterr().out
            assert source.parts[0].rows[0].model.split("-")[0] in printed.replace("\\_", "_")


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
