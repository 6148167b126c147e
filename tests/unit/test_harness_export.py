"""srlm export: the upstream tools read what it writes, and find the same figures."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from tests import mt_bench_files
from tests.alpaca_files import baseline_row, write
from tests.fake_server import FakeServer, last_text

LOWER = {"m": math.log(0.75), "M": math.log(0.25)}


def says(body: dict[str, Any]) -> str:
    if body["model"] == "writer":
        return last_text(body).upper()
    if body.get("logprobs"):
        return "m"
    rates = "[[rating]]" in last_text(body)
    return f"[[{3 + len(last_text(body)) % 5}]]" if rates else "[[A]] [[9]]"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(models=("writer", "judge"), reply=says, logprobs=lambda word: LOWER) as up:
        yield up


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRLM_DATA", str(tmp_path / "data"))


def evaluated(server: FakeServer, benchmark: str, *more: str) -> dict[str, Any]:
    said = ["eval", "openai:writer", "--benchmark", benchmark, "--judge", "openai:judge", "--json",
            f"engine.base_url={server.url}", f"judge.options.base_url={server.url}",
            *more]  # fmt: skip
    assert main(said) == 0
    return dict(json.loads(Path(more[1], "metrics.json").read_text())["metrics"])


def alpaca(server: FakeServer) -> dict[str, Any]:
    rows = [baseline_row(f"question {i}") for i in range(6)]
    base = f"options.baseline_outputs={write(Path('base.json'), rows)}"
    return evaluated(server, "alpaca_eval2", "--out", "e", "--name", "My model", base)


def test_alpaca_eval_reads_it(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("alpaca_eval", reason="alpaca-eval is not installed")
    figures = alpaca(server)
    capsys.readouterr()
    assert main(["export", "e", "--to", "alpaca_eval", "--out", "results"]) == 0
    assert capsys.readouterr().out.count(": 6 rows\n") == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = importlib.import_module("alpaca_eval.metrics")
        utils = importlib.import_module("alpaca_eval.utils")
    outputs = utils.load_or_convert_to_dataframe(Path("results/My-model/model_outputs.json"))
    assert set(outputs["generator"]) == {"My model"} and len(outputs) == 6
    (path,) = Path("results/My-model").glob("*/annotations.json")
    annotations = utils.load_or_convert_to_dataframe(path)
    assert set(annotations["generator_2"]) == {"My model"}
    theirs = metrics.get_winrate(annotations)
    for name in ("win_rate", "standard_error", "discrete_win_rate"):
        assert theirs[name] / 100 == pytest.approx(figures[name]["value"])


def test_fastchat_reads_it(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    show = pytest.importorskip("fastchat.llm_judge.show_result", reason="fschat is not installed")
    files = mt_bench_files.write_files(Path("f"))
    options = [f"options.{key}={value}" for key, value in files.items()]
    ours = evaluated(server, "mt_bench", "--out", "a", "--name", "A", *options)
    capsys.readouterr()
    assert main(["export", "a", "--to", "fastchat", "--out", "data/mt_bench"]) == 0
    capsys.readouterr()
    asked = argparse.Namespace(
        input_file=None, bench_name="mt_bench", judge_model="openai-judge", model_list=None
    )
    show.display_result_single(asked)
    average = capsys.readouterr().out.split("Average")[1]
    found = re.search(r"^A +([\d.]+)$", average, re.M)
    assert found is not None
    assert float(found[1]) == pytest.approx(ours["average"]["value"], abs=1e-4)
    answers = [
        json.loads(x) for x in Path("data/mt_bench/model_answer/A.jsonl").read_text().splitlines()
    ]
    assert {line["model_id"] for line in answers} == {"A"}
    assert len(answers) == len(mt_bench_files.QUESTIONS)


def test_pairs_name_both_models(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    show = pytest.importorskip("fastchat.llm_judge.show_result", reason="fschat is not installed")
    files = mt_bench_files.write_files(Path("f"))
    options = [f"options.{key}={value}" for key, value in files.items()]
    options.append("options.pairwise=true")
    evaluated(server, "mt_bench", "--out", "a", "--name", "A", *options)
    ours = evaluated(server, "mt_bench", "--out", "b", "--name", "B", "--baseline", "a", *options)
    capsys.readouterr()
    assert main(["export", "b", "--to", "fastchat", "--out", "x"]) == 0
    capsys.readouterr()
    show.display_result_pairwise(
        argparse.Namespace(
            input_file="x/model_judgment/openai-judge_pair.jsonl", bench_name="mt_bench",
            judge_model="", model_list=None, baseline_model=None,
        )
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert re.search(r"^A +\d+", shown, re.M)  # the opponent as its own files call it
    line = re.search(r"^B +(\d+) +(\d+) +(\d+)", shown, re.M)
    assert line is not None
    won, lost, tied = map(int, line.groups())
    assert won / (won + lost + tied) == pytest.approx(ours["win_rate"]["value"])


def test_what_is_refused(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    alpaca(server)
    capsys.readouterr()
    for said, wrong in (
        (["nowhere", "--to", "fastchat"], "nowhere: neither an evaluation nor a run"),
        (["e", "--to", "fastchat"], "its benchmark is alpaca_eval2, expected mt_bench"),
    ):
        assert main(["export", *said]) == 2
        printed = capsys.readouterr()
        assert wrong in printed.err and printed.err.count("\n") == 1
    assert not Path("e/export").exists()


def test_models_of_several_exports_stand_in_one_file(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    files = mt_bench_files.write_files(Path("f"))
    options = [f"options.{key}={value}" for key, value in files.items()]
    for name in "ab":
        evaluated(server, "mt_bench", "--out", name, "--name", name.upper(), *options)
    target = Path("x/model_judgment/openai-judge_single.jsonl")

    def models() -> list[str]:
        rows = [json.loads(line) for line in target.read_text().splitlines()]
        assert len(rows) == 10 * len({row["model"] for row in rows})
        return sorted({row["model"] for row in rows})

    assert main(["export", "a", "--to", "fastchat", "--out", "x"]) == 0
    assert main(["export", "b", "--to", "fastchat", "--out", "x"]) == 0
    assert models() == ["A", "B"]
    assert main(["export", "a", "--to", "fastchat", "--out", "x"]) == 0
    assert models() == ["A", "B"]
    target.unlink()
    assert main(["export", "a", "b", "--to", "fastchat", "--out", "x"]) == 0
    assert models() == ["A", "B"]
    capsys.readouterr()
    evaluated(server, "mt_bench", "--out", "c", "--name", "A", *options)
    assert main(["export", "a", "c", "--to", "fastchat", "--out", "y"]) == 2
    assert "both would be 'A'" in capsys.readouterr().err
    assert main(["export", "c", "--to", "fastchat", "--out", "x"]) == 0
    rows = [baseline_row(f"question {i}") for i in range(6)]
    base = f"options.baseline_outputs={write(Path('base.json'), rows)}"
    for name in ("A", "A/"):
        evaluated(server, "alpaca_eval2", "--out", f"al{len(name)}", "--name", name, base)
    assert main(["export", "al1", "--to", "alpaca_eval", "--out", "z"]) == 0
    assert main(["export", "al2", "--to", "alpaca_eval", "--out", "z"]) == 2
    assert "holds A, expected 'A/' or no file" in capsys.readouterr().err
