"""A gate on a live evaluation: decided as from the stored one, and the other calls are not made."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from harness.cli import main
from tests.alpaca_files import baseline_row, write
from tests.fake_server import FakeServer, last_text

PROMPTS = [f"question {i}" for i in range(150)]
SURE = {
    "m": {"m": math.log(0.9), "M": math.log(0.1)},
    "M": {"m": math.log(0.1), "M": math.log(0.9)},
}


def says(body: dict[str, Any]) -> str:
    """The model answers in capitals; the judge says by chance which one is better."""
    text = last_text(body)
    if body["model"] == "writer":
        return text.upper()
    return "m" if crc32(text.encode()) % 2 else "M"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(
        models=("writer", "judge"), reply=says, logprobs=lambda word: SURE.get(word, {"x": -1.0})
    ) as up:
        yield up


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRLM_DATA", str(tmp_path / "data"))


def command(server: FakeServer, tmp_path: Path, *more: str) -> list[str]:
    base = write(tmp_path / "base.json", [baseline_row(prompt) for prompt in PROMPTS])
    return [
        "eval", "openai:writer", "--benchmark", "alpaca_eval2", "--judge", "openai:judge",
        f"engine.base_url={server.url}", f"judge.options.base_url={server.url}", "--json",
        f"options.baseline_outputs={base}", "--out", "out", *more,
    ]  # fmt: skip


def rules(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n" + "".join(f"  - {{{line}}}\n" for line in lines), encoding="utf-8")
    return str(path)


def asked(server: FakeServer, model: str) -> int:
    return sum(body["model"] == model for body in server.bodies)


@pytest.mark.parametrize(("threshold", "code"), [(0.25, 0), (0.75, 3)], ids=["passes", "fails"])
def test_a_live_gate_decides_as_the_stored_one_and_asks_no_more(
    threshold: float, code: int, server: FakeServer, tmp_path: Path, capsys
) -> None:
    file = rules(tmp_path, f"metric: win_rate, rule: min, threshold: {threshold}")
    drawn = command(server, tmp_path, "--rules", file, "--step", "5", "--seed", "3")
    assert main(drawn) == code
    live = json.loads(capsys.readouterr().out)
    (rule,) = live["rules"]
    assert rule["sequential"] and rule["outcome"] == ("failed" if code else "passed")
    steps = 5 * math.ceil(rule["n_used"] / 5)
    assert rule["of"] == 150 and steps < 75
    assert asked(server, "writer") == asked(server, "judge") == steps
    # Again: nothing is asked. Completed: the rest alone. Read from there: the same decision.
    assert main(drawn) == code
    assert json.loads(capsys.readouterr().out) == live
    assert asked(server, "judge") == steps
    assert main(command(server, tmp_path, "--seed", "3")) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["n"] == 150 and asked(server, "judge") == asked(server, "writer") == 150
    stored = [
        "gate",
        "--rules",
        file,
        "--candidate",
        "out",
        "--sequential",
        "--seed",
        "3",
        "--json",
    ]
    assert main(stored) == code
    assert json.loads(capsys.readouterr().out) == live


def test_the_champion_is_compared_with_prompt_by_prompt(
    server: FakeServer, tmp_path: Path, capsys
) -> None:
    assert main(command(server, tmp_path)) == 0
    capsys.readouterr()
    champion = tmp_path / "champion"
    (tmp_path / "out").rename(champion)
    before = asked(server, "judge")
    file = rules(tmp_path, "metric: win_rate, rule: no_regression, threshold: 0.2",
                 "metric: win_rate, rule: improves, threshold: 0.3")  # fmt: skip
    gate = command(server, tmp_path, "--rules", file, "--incumbent", str(champion))
    assert main(gate) == 3
    kept, better = json.loads(capsys.readouterr().out)["rules"]
    # The same model judged alike: every difference is 0, and the champion foretells all.
    assert (kept["outcome"], better["outcome"]) == ("passed", "failed")
    assert asked(server, "judge") - before < 75


def test_unscored_prompts_count_at_their_worst_and_at_their_best(tmp_path: Path, capsys) -> None:
    def silent(body: dict[str, Any]) -> str:
        text = last_text(body)
        if body["model"] == "writer":
            return text.upper()
        return "m" if crc32(text.encode()) % 3 else "x"

    with FakeServer(("writer", "judge"), silent,
                    logprobs=lambda word: SURE.get(word, {"x": -1.0})) as server:  # fmt: skip
        file = rules(tmp_path, "metric: win_rate, rule: min, threshold: 0.5")
        assert main(command(server, tmp_path, "--rules", file)) == 3
        (rule,) = json.loads(capsys.readouterr().out)["rules"]
        # Decided both ways, and not alike: more prompts would not help.
        assert rule["outcome"] == "inconclusive" and rule["n_used"] < 150
        assert "unscored, counted as 0 here and as 1: they do not say the same" in rule["reason"]
        assert asked(server, "judge") < 150
        file = rules(tmp_path, "metric: win_rate, rule: min, threshold: 0.95")
        assert main(command(server, tmp_path, "--rules", file)) == 3
        (rule,) = json.loads(capsys.readouterr().out)["rules"]
        assert rule["outcome"] == "failed"


@pytest.mark.parametrize(
    ("line", "more", "said"),
    [
        ("metric: lc_win_rate, rule: min, threshold: 0.5", [], "is not decided prompt by prompt"),
        ("metric: win_rate, rule: improves", [], "give --incumbent FILE"),
        ("metric: win_rate, rule: min, threshold: 0.5", ["--step", "0"], "expected 1 or more"),
        ("metric: win_rate, rule: min, threshold: 0.5", ["--plan"], "leave out --rules"),
        ("metric: win_rate, rule: min, threshold: 0.5", ["--predictor", "none.json"], "none.json"),
    ],
)
def test_what_cannot_be_decided_is_refused_before_a_call(
    line: str, more: list[str], said: str, server: FakeServer, tmp_path: Path, capsys
) -> None:
    assert main(command(server, tmp_path, "--rules", rules(tmp_path, line), *more)) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not server.bodies and not (tmp_path / "out").exists()


def test_a_benchmark_that_is_asked_whole_says_so(
    server: FakeServer, tmp_path: Path, capsys
) -> None:
    file = rules(tmp_path, "metric: win_rate, rule: min, threshold: 0.5")
    words = ["eval", "openai:writer", "--benchmark", "micro_world", f"engine.base_url={server.url}",
             "--rules", file]  # fmt: skip
    assert main(words) == 2
    assert "cannot be asked a few prompts at a time" in capsys.readouterr().err
    words[-2:] = ["--incumbent", "x"]
    assert main(words) == 2
    assert "--incumbent: is for --rules FILE" in capsys.readouterr().err
