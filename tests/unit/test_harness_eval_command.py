"""srlm eval from stored files: what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from tests.alpaca_files import row, write


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SRLM_DATA", str(tmp_path / "data"))
    return write(tmp_path / "a.json", [row("a", 2.0), row("b", 1.5), row("c", None)])


def test_alpaca_eval_as_json(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["eval", "--benchmark", "alpaca_eval2", "--annotations", str(stored), "--json"])
    printed = capsys.readouterr()
    (found,) = json.loads(printed.out)["rows"]
    assert (code, printed.err) == (0, "")
    assert {key: found[key] for key in ("model", "benchmark", "judge", "n", "baseline")} == {
        "model": "tested",
        "benchmark": "alpaca_eval2",
        "judge": "judge",
        "n": 2,
        "baseline": "base",
    }
    assert found["metrics"]["win_rate"]["value"] == 0.75
    assert found["metrics"]["lc_win_rate"]["value"] is None
    assert found["metrics"]["lc_win_rate"]["reason"]
    assert found["unscored"] == {"n": 1, "of": 3, "reasons": {"no_preference": 1}}


@pytest.mark.parametrize("form", ["table", "md", "csv", "latex", "json"])
def test_every_format(stored: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "--benchmark", "alpaca_eval2", "--annotations", str(stored)]
    assert main([*words, "--format", form]) == 0
    assert "tested" in capsys.readouterr().out


def test_bridge(stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write(
        tmp_path / "o.json", [row("a", 1.0, annotator="other"), row("b", 1.5, annotator="other")]
    )
    words = ["eval", "--benchmark", "alpaca_eval2", "--annotations", str(stored)]
    assert main([*words, "--bridge", str(other), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["judge"], found["bridge"], found["n"]) == ("judge", "other", 2)
    assert found["metrics"]["agreement"]["value"] == 0.5
    assert found["metrics"]["offset"]["value"] == -0.5
    assert main([*words, "--bridge", str(other)]) == 0
    assert "agreement %" in capsys.readouterr().out


def test_mt_bench_single_and_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    single = tmp_path / "single.jsonl"
    single.write_text(
        "".join(
            json.dumps(
                {
                    "question_id": q,
                    "model": "m",
                    "judge": ["gpt-4", "single-v1"],
                    "turn": 1,
                    "user_prompt": "x",
                    "judgment": "[[7]]",
                    "score": 7 + q - 81,
                }
            )
            + "\n"
            for q in (81, 82)
        )
    )
    assert main(["eval", "--benchmark", "mt_bench", "--judgments", str(single), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["rows"]
    assert found["metrics"]["average"]["value"] == 7.5
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        json.dumps(
            {
                "question_id": 81,
                "model_1": "m",
                "model_2": "b",
                "g1_winner": "model_1",
                "g2_winner": "model_1",
                "judge": ["gpt-4", "pair-v2"],
                "turn": 1,
            }
        )
        + "\n"
    )
    words = ["eval", "--benchmark", "mt_bench", "--judgments", str(pairs), "--baseline", "b"]
    assert main([*words, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["rows"]
    assert (found["model"], found["metrics"]["win_rate"]["value"]) == ("m", 1.0)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--benchmark", "alpaca_eval"], 2, "did you mean 'alpaca_eval2'?"),
        (["--benchmark", "alpaca_eval2"], 2, "needs --annotations FILE"),
        (["--benchmark", "mt_bench"], 2, "needs --judgments FILE"),
        (["--benchmark", "mt_bench", "--annotations", "x"], 2, "--annotations: not for"),
        (["--benchmark", "mt_bench", "control.c=1"], 2, "control.c=1: not for --benchmark"),
        (["--benchmark", "alpaca_eval2", "--judgments", "x"], 2, "--judgments: not for"),
        (["--benchmark", "alpaca_eval2", "--bridge", "x"], 2, "needs --benchmark alpaca_eval2 and"),
        (
            ["--benchmark", "alpaca_eval2", "--annotations", "x", "--bridge", "y", "control.c=1"],
            2,
            "eval --bridge takes no control.c=1 where --bridge is a file",
        ),
        (["--benchmark", "alpaca_eval2", "--annotations", "x\x1b[31m\ny"], 1, "x y: no such file"),
        (["--benchmark", "alpaca_eval2", "--annotations", "x", "control.gamd=y"], 2, "'gamed'"),
        (["--benchmark", "alpaca_eval2", "--annotations", "x", "control.c=0"], 2, "control.c"),
        (["--benchmark", "alpaca_eval2", "--annotations", "x", "--seed", "-1"], 2, "--seed"),
        (["--benchmark", "alpaca_eval2", "--annotations", "missing.json"], 1, "no such file"),
    ],
)
def test_what_is_refused(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", *words, "--json"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


def test_a_bridge_asks_a_judge(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("alpaca_eval", reason="alpaca-eval is not installed")
    from tests.fake_server import FakeServer

    # It takes whatever is shown first, surely.
    with FakeServer(models=("new",), reply=lambda body: "m",
                    logprobs=lambda word: {"m": -0.001, "M": -9.0}) as server:  # fmt: skip
        words = ["eval", "--benchmark", "alpaca_eval2", "--annotations", str(stored),
                 "--bridge", "openai:new", f"judge.options.base_url={server.url}", "--json",
                 "--out", str(tmp_path / "b")]  # fmt: skip
        assert main([*words, "--plan"]) == 0
        assert json.loads(capsys.readouterr().out)["total"]["calls"] == 2
        assert server.bodies == [] and not (tmp_path / "b").exists()
        assert main(words) == 0
        found = json.loads(capsys.readouterr().out)
        assert len(server.bodies) == 2  # c has no stored preference: nothing to compare it with
        assert found["bridge"] == "weighted_alpaca_eval_gpt4_turbo by openai:new"
        assert found["judge"] == "judge"
        assert (found["n"], found["unscored"]["of"]) == (2, 2)
        shares = [row["preference"] - 1 for row in json.loads((tmp_path / "b" / "annotations.json")
                  .read_text())]  # fmt: skip
        expected = sum(shares) / 2 - (1.0 + 0.5) / 2
        assert found["metrics"]["offset"]["value"] == pytest.approx(expected)
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out) == found and len(server.bodies) == 2
        assert main([*words[:-1], str(tmp_path / "one"), "judge.sample=1"]) == 0
        assert json.loads(capsys.readouterr().out)["n"] == 1
        assert len(server.bodies) == 3
        assert main([*words[:-2], "judge.sample=0"]) == 2
        assert main([*words[:-2], "--judge", "openai:new"]) == 2
    assert "takes no judge" in capsys.readouterr().err


def test_a_bridge_of_several_models_takes_the_same_prompts(tmp_path: Path) -> None:
    from benchmarks.alpaca_eval2.annotations import read_annotations
    from benchmarks.alpaca_eval2.rejudged import sampled

    first = [row(f"p{i}", 1.0 + (i % 2), generator_2="a") for i in range(20)]
    second = [row(f"p{i}", None if i == 3 else 1.0, generator_2="b") for i in range(1, 20)]
    found = read_annotations(write(tmp_path / "two.json", first + second))
    few = sampled(found, 5)
    assert [[r.instruction for r in model.rows] for model in few] == [
        [r.instruction for r in few[0].rows]
    ] * 2
    assert len(few[0].rows) == 5
    assert [len(model.rows) for model in sampled(found, None)] == [20, 18]


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([row("a", 1.0), row("b", 1.0, annotator="other", generator_2="m")], "annotators"),
        ([row("a", 1.0, annotator="weighted_alpaca_eval_gpt4_turbo by openai:new")], "in both"),
        ([row("a", None)], "found no prompt with a preference"),
    ],
)
def test_a_bridge_is_refused_before_a_call(
    rows: list[dict[str, Any]], wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("alpaca_eval", reason="alpaca-eval is not installed")
    path = write(tmp_path / "x.json", rows)
    words = ["eval", "--benchmark", "alpaca_eval2", "--annotations", str(path), "--bridge",
             "openai:new", "--out", str(tmp_path / "b")]  # fmt: skip
    assert main(words) in (1, 2)
    assert wrong in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_judge_without_probabilities_is_named_so_for_all_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("alpaca_eval", reason="alpaca-eval is not installed")
    from tests.fake_server import FakeServer

    same = "the baseline's answer"  # of model b: it is never judged, so nobody can tell there
    rows = [row("p", 1.2, generator_2="a"), row("p", 1.5, generator_2="b", output_2=same)]
    path = write(tmp_path / "x.json", rows)
    with FakeServer(models=("new",), reply=lambda body: "m") as server:
        words = ["eval", "--benchmark", "alpaca_eval2", "--annotations", str(path), "--bridge",
                 "openai:new", f"judge.options.base_url={server.url}", "--json", "--out",
                 str(tmp_path / "b")]  # fmt: skip
        assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bridge"] == "weighted_alpaca_eval_gpt4_turbo by openai:new (discrete)"
    assert found["n"] == 2


def test_a_judge_that_loses_its_probabilities_between_models_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("alpaca_eval", reason="alpaca-eval is not installed")
    from tests.fake_server import FakeServer

    rows = [row(p, 1.2, generator_2=m, output_2=f"{m} on {p}") for m in "ab" for p in ("p", "q")]
    path = write(tmp_path / "x.json", rows)
    words = ["eval", "--benchmark", "alpaca_eval2", "--annotations", str(path), "--bridge",
             "openai:new", "--json", "--out", str(tmp_path / "b")]  # fmt: skip
    with FakeServer(models=("new",), reply=lambda body: "m",
                    logprobs=lambda word: {"m": -0.001, "M": -9.0}) as server:  # fmt: skip
        words.append(f"judge.options.base_url={server.url}")
        assert main([*words, "budget.max_calls=2"]) == 3
        server.logprobs = None
        capsys.readouterr()
        assert main(words) == 1
    assert "the judge gives no log-probabilities here" in capsys.readouterr().err


def test_a_judge_that_says_nothing_ends_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("alpaca_eval", reason="alpaca-eval is not installed")
    from tests.fake_server import FakeServer

    path = write(tmp_path / "x.json", [row("p", 1.2), row("q", 1.2)])
    with FakeServer(models=("new",), reply=lambda body: "hm") as server:
        words = ["eval", "--benchmark", "alpaca_eval2", "--annotations", str(path), "--bridge",
                 "openai:new", f"judge.options.base_url={server.url}", "--out",
                 str(tmp_path / "b")]  # fmt: skip
        assert main(words) == 4
    assert "all 2 judgments of openai:new are unscored" in capsys.readouterr().err
