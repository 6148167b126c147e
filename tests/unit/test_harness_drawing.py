"""A gate on a live evaluation: decided as from the stored one, and the other calls are not made."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from benchmarks.alpaca_eval2.outputs import Item, read_items
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
    assert live["inputs"]["seed"] == 3 and len(live["inputs"]["sha256"]) == math.ceil(
        live["rules"][0]["n_used"] / 5
    )
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
    again = json.loads(capsys.readouterr().out)
    assert (again["decision"], again["rules"]) == (live["decision"], live["rules"])


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
        assert "counted as 0 here, as 1, and left out: not decided alike" in rule["reason"]
        assert asked(server, "judge") < 150
        file = rules(tmp_path, "metric: win_rate, rule: min, threshold: 0.5")
        few = ["--rules", file, "judge.max_unscored=0.1"]
        assert main(command(server, tmp_path, *few)) == 4
        assert "are unscored, at most 10% may be" in capsys.readouterr().err
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


def test_no_regression_is_not_passed_where_leaving_out_would_fail(tmp_path: Path, capsys) -> None:
    """Unscored where the champion lost: counted as anything from 0 to 1 they look like no loss."""
    lost = {PROMPTS[i].upper() for i in range(0, 150, 5)}

    def judge(body: dict[str, Any]) -> str:
        text = last_text(body)
        if body["model"] == "writer":
            return text.upper()
        return "x" if any(f"{name}\n" in text or f'{name}"' in text for name in lost) else "m"

    def half(word: str) -> dict[str, float]:
        return {"m": math.log(0.5), "M": math.log(0.5)} if word == "m" else {"x": -1.0}

    champion = tmp_path / "champion.jsonl"
    with FakeServer(("writer", "judge"), judge, logprobs=half) as server:
        ids = {item.id: item.instruction for item in items(tmp_path)}
        rows = [{"prompt_id": i, "value": 0.0 if text.upper() in lost else 0.74}
                for i, text in ids.items()]  # fmt: skip
        champion.write_text("".join(json.dumps(row) + "\n" for row in rows))
        file = rules(tmp_path, "metric: win_rate, rule: no_regression, threshold: 0.22")
        gate = command(server, tmp_path, "--rules", file, "--incumbent", str(champion))
        assert main(gate) == 3
        (rule,) = json.loads(capsys.readouterr().out)["rules"]
        assert rule["outcome"] == "inconclusive" and "evaluate it whole" in rule["reason"]


def test_a_judge_without_log_probabilities_is_told_what_it_can_decide(
    tmp_path: Path, capsys
) -> None:
    with FakeServer(("writer", "judge"), says) as server:
        file = rules(tmp_path, "metric: win_rate, rule: min, threshold: 0.5")
        assert main(command(server, tmp_path, "--rules", file)) == 1
        assert "gives no win_rate, only discrete_win_rate" in capsys.readouterr().err
        assert asked(server, "writer") == 8


def test_prompts_that_no_rule_needs_are_not_asked(
    server: FakeServer, tmp_path: Path, capsys
) -> None:
    few = [item.id for item in items(tmp_path)][:6]
    champion = tmp_path / "champion.jsonl"
    champion.write_text("".join(json.dumps({"prompt_id": i, "value": 0.5}) + "\n" for i in few))
    file = rules(tmp_path, "metric: win_rate, rule: improves, threshold: 0.1")
    words = ["--rules", file, "--incumbent", str(champion), "--step", "1"]
    assert main(command(server, tmp_path, *words)) in (0, 3)
    assert asked(server, "judge") <= 6


def items(tmp_path: Path) -> list[Item]:
    base = Path(write(tmp_path / "base.json", [baseline_row(prompt) for prompt in PROMPTS]))
    return read_items(None, base)[0]


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
