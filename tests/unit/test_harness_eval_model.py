"""srlm eval MODEL: what is asked and kept, how it goes on, and what is refused before a call."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from tests import mt_bench_files
from tests.alpaca_files import baseline_row, write
from tests.fake_server import FakeServer, last_text

PROMPTS = [f"question {i}" for i in range(4)]
LOWER = {"m": math.log(0.75), "M": math.log(0.25)}


def says(body: dict[str, Any]) -> str:
    """The model answers in capitals; the judge rates or says which one."""
    if body["model"] == "writer":
        return last_text(body).upper()
    return "m" if body.get("logprobs") else "It is good. [[7]]\nScore: 4"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(models=("writer", "judge"), reply=says, logprobs=lambda word: LOWER) as up:
        yield up


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRLM_DATA", str(tmp_path / "data"))


def words(server: FakeServer, benchmark: str, *more: str, judge: str = "openai:judge") -> list[str]:
    """``srlm eval`` of the writer on the server, as JSON."""
    return [
        "eval", "openai:writer", "--benchmark", benchmark, "--json", "--judge", judge,
        f"engine.base_url={server.url}", *more,
        *([f"judge.options.base_url={server.url}"] if judge != "self" else []),
    ]  # fmt: skip


def alpaca(tmp_path: Path) -> str:
    rows = [baseline_row(prompt) for prompt in PROMPTS]
    return f"options.baseline_outputs={write(tmp_path / 'base.json', rows)}"


def micro(*more: str) -> list[str]:
    return ["options.items=6", "options.rankings=2", *more]


def test_alpaca_eval(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = words(server, "alpaca_eval2", alpaca(tmp_path), "--out", "e", "--name", "Mine")
    assert main(said) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["model"], row["run"], row["n"], row["baseline"]) == ("Mine", "e", 4, "base")
    assert row["judge"] == "weighted_alpaca_eval_gpt4_turbo by openai:judge"
    assert row["metrics"]["datasets"]["koala"]["n"] == 4
    assert row["metrics"]["discrete_win_rate"]["value"] is not None
    assert row["spent"]["calls"] == 8
    assert {p.name for p in Path("e").iterdir()} >= {
        "config.yaml", "manifest.json", "metrics.json", "values.jsonl", "model_outputs.json",
        "annotations.json",
    }  # fmt: skip
    # The same from the stored file, and in a leaderboard.
    stored = ["eval", "--benchmark", "alpaca_eval2", "--annotations", "e/annotations.json"]
    assert main([*stored, "--json"]) == 0
    (again,) = json.loads(capsys.readouterr().out)["rows"]
    for name in ("win_rate", "discrete_win_rate"):
        assert again["metrics"][name] == row["metrics"][name]
    parts = [found["metrics"]["datasets"]["koala"] for found in (row, again)]
    assert [part["name"] for part in parts] == ["datasets.koala", "koala"]
    for key in ("value", "low", "high", "n", "of"):
        assert parts[0][key] == parts[1][key]
    assert (row["judge_spec"], row["judge_model"]) == (None, "openai:judge")  # its own prompts
    assert main(["leaderboard", "e", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [row]


def test_the_same_command_calls_nothing_and_another_name_shows(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = words(server, "alpaca_eval2", alpaca(tmp_path), "--out", "e")
    assert main(said) == 0
    asked, first = len(server.bodies), json.loads(capsys.readouterr().out)
    assert main(said) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert main([*said, "--name", "Mine"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row == {**first["rows"][0], "model": "Mine"}
    assert len(server.bodies) == asked


def test_failed_calls_are_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"is": True}

    def fault(body: dict[str, Any], attempt: int) -> str | None:
        bad = broken["is"] and body["model"] == "writer" and PROMPTS[1] in last_text(body)
        return "400" if bad else None

    with FakeServer(models=("writer", "judge"), reply=says, logprobs=lambda word: LOWER,
                    fault=fault) as server:  # fmt: skip
        said = words(server, "alpaca_eval2", alpaca(tmp_path), "--out", "e")
        assert main(said) == 0
        (row,) = json.loads(capsys.readouterr().out)["rows"]
        assert row["unscored"] == {"n": 1, "of": 4, "reasons": {"no_answer": 1}}
        broken["is"], before = False, len(server.bodies)
        assert main(said) == 0
        printed = capsys.readouterr()
        (row,) = json.loads(printed.out)["rows"]
        assert row["unscored"]["n"] == 0 and row["metrics"]["win_rate"]["n"] == 4
        assert "2 calls that failed are made again" in printed.err
        assert len(server.bodies) == before + 2  # the answer, and its judgment


def test_mt_bench_by_category(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = mt_bench_files.write_files(tmp_path)
    options = [f"options.{key}={value}" for key, value in files.items()]
    assert main(words(server, "mt_bench", *options, "--out", "m")) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["metrics"]["average"]["value"] == 7
    assert set(row["metrics"]["categories"]) == set(mt_bench_files.CATEGORIES.values())
    assert row["metrics"]["categories"]["math"]["n"] == 2
    stored = ["eval", "--benchmark", "mt_bench", "--judgments", "m/fastchat/single.jsonl", "--json"]
    assert main(stored) == 0
    (again,) = json.loads(capsys.readouterr().out)["rows"]
    for name, metric in row["metrics"]["categories"].items():
        assert again["metrics"]["categories"][name]["value"] == metric["value"]


def test_self_is_marked_also_under_its_own_name(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    # The writer's capitals are no score, and no rating below.
    assert main(words(server, "micro_world", *micro(), "--out", "s", judge="self")) == 4
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["judge"], row["judge_model"]) == ("oracle", "self")
    assert row["unscored"]["n"] == row["unscored"]["of"] > 0
    said = words(server, "mt_bench", "--out", "t", judge="openai:writer")
    files = mt_bench_files.write_files(Path("f"))
    said += [f"options.{key}={value}" for key, value in files.items()]
    assert main(said) == 4
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["judge_is_judged"] is True


def test_a_baseline_gives_a_win_rate_that_names_it(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(server, "micro_world", *micro(), "--out", "a")) == 0
    (theirs,) = json.loads(capsys.readouterr().out)["rows"]
    assert theirs["baseline"] is None and theirs["metrics"]["win_rate"]["value"] is None
    said = words(server, "micro_world", *micro(), "--out", "b", "--baseline", "a")
    assert main(said) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["baseline"].startswith("openai:writer ")
    assert row["metrics"]["win_rate"]["value"] == 0.5


def test_no_judge_where_none_is_needed(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ["eval", "openai:writer", "--benchmark", "micro_world", "--json", *micro()]
    assert main([*said, f"engine.base_url={server.url}", "--out", "n"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["judge_model"], row["judge_spec"]) == (None, None)
    assert row["metrics"]["oracle_score"]["n"] == 6
    assert "pairwise_accuracy" not in row["metrics"]


def test_plan_calls_nothing(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(server, "alpaca_eval2", alpaca(tmp_path), "--plan")) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(step["stage"], step["calls"]) for step in found["steps"]] == [
        ("evaluation", 4),
        ("judge", 4),
    ]
    assert found["prompts"]["evaluation"] == PROMPTS[0]
    assert server.bodies == [] and not Path("runs").exists()


def test_the_model_may_stand_last(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    said = ["eval", "--benchmark", "micro_world", "--json", f"engine.base_url={server.url}"]
    assert main([*said, *micro(), "--out", "l", "openai:writer"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["model"] == "openai:writer"


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (["writer"], "MODEL 'writer': expected engine:name"),
        (["openai:writer", "openai:other"], "takes one MODEL, found 2"),
        (["openai:writer", "--annotations", "a.json"], "--annotations is of stored judgments"),
        (["--judge", "openai:judge"], "--judge goes with a MODEL"),
        (["openai:writer", "option.items=3"], "did you mean 'options'?"),
        (["openai:writer", "options.item=3"], "did you mean 'items'?"),
        (["openai:writer", "options.items=0"], "option items"),
        (["openai:writer", "judge.options.base_url=x"], "give --judge ENGINE:NAME"),
        (["openai:writer", "judge.draws=2"], "judge.draws: is of a judge, and there is none"),
        (["openai:writer", "--plan", "--format", "csv"], "--plan prints a table or JSON"),
        (["openai:writer", "--baseline", "nowhere"], "nowhere: no evaluation"),
        (["openai:writer", "--judge", "judge"], "--judge 'judge': expected engine:name"),
        (["openia:writer"], "did you mean 'openai'?"),
    ],
)
def test_what_is_refused(said: list[str], wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--benchmark", "micro_world", "--json", *said]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert wrong in printed.err and printed.err.count("\n") == 1
    assert not Path("runs").exists()


def test_what_would_end_it_later_ends_it_before_the_folder_is_taken(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*said: str) -> str:
        assert main(list(said)) != 0
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        return printed

    without = ["eval", "openai:writer", "--benchmark", "alpaca_eval2", alpaca(tmp_path),
               f"engine.base_url={server.url}", "--out", "e"]  # fmt: skip
    assert "found no judge" in refused(*without)
    assert "has judge prompts of its own" in refused(*without, "--judge", "self", "judge.draws=2")
    assert "measures nothing against it" in refused(*without, "--baseline", "x")
    assert main(words(server, "micro_world", *micro(), "--out", "a")) == 0
    capsys.readouterr()
    other = words(server, "micro_world", "options.items=5", "--out", "e", "--baseline", "a")
    assert "expected item-0 to item-4" in refused(*other)
    seed = words(server, "micro_world", *micro("options.item_seed=1"), "--out", "e")
    assert "was asked other things" in refused(*seed, "--baseline", "a")
    assert server.bodies and not list(Path("e").glob("[!.]*"))
    away = words(server, "micro_world", *micro(), "--out", "a")
    assert "another configuration: options.items: 6 -> 5" in refused(*away, "options.items=5")


def test_the_judge_of_a_judge_benchmark_is_named(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rankings = tmp_path / "r.jsonl"
    lines = [
        {"id": f"p{i}", "prompt": f"Ask {i}", "responses": [
            {"id": "a", "text": "x", "rank": 0}, {"id": "b", "text": "y", "rank": 1}]}
        for i in range(4)
    ]  # fmt: skip
    rankings.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = words(server, "judge_agreement", f"options.rankings={rankings}", "--out", "j")
    code = main(said)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert json.loads(printed.out)["rows"][0]["judge"].startswith("additive5 on openai:judge")
    alone = ["eval", "openai:writer", "--benchmark", "judge_agreement", "--out", "k",
             f"options.rankings={rankings}", f"engine.base_url={server.url}"]  # fmt: skip
    assert main(alone) == 2 and not list(Path("k").glob("[!.]*"))
    assert "found no judge" in capsys.readouterr().err


def test_a_name_is_no_markup_and_no_format(
    server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    said = words(server, "micro_world", *micro(), "--out", "w", "--name", "a[/bold]{b}\x1b[31m")
    assert main(said) == 0
    printed = capsys.readouterr()
    assert "a[/bold]{b}" in printed.err


def test_two_models_that_judge_themselves_are_ranked_apart(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = mt_bench_files.write_files(tmp_path)
    options = [f"options.{key}={value}" for key, value in files.items()]
    for model in ("writer", "judge"):
        said = words(server, "mt_bench", *options, "--out", model, judge="self")
        said[1] = f"openai:{model}"
        assert main(said) in (0, 4)
    capsys.readouterr()
    assert main(["leaderboard", "writer", "judge", "--rank", "average", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len({row["judge"] for row in rows}) == 2
    assert all(row["judge"].startswith("self ") and row["judge_is_judged"] for row in rows)
    ranks = [row["metrics"]["rank"] for row in rows]
    assert [rank["of"] for rank in ranks] == [1, 1]
