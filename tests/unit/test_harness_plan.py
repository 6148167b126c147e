"""The plan of a run: its counts are those of the run, and nothing is called for it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.cli import main
from results.text import dollars

SMALL = [
    "evaluation.options={items: 7, rankings: 2}", "prompts.count=[8,12]", "iterations=3",
    "pairs.min_pairs=1",
]  # fmt: skip


def planned(capsys, *words: str) -> dict:
    assert main(["plan", "quickstart", *SMALL, *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_calls_of_every_stage(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = planned(capsys)
    calls = {(s["model"], s["stage"]): s["calls"] for s in found["steps"]}
    for model in ("SFT baseline", "M0", "M1", "M2", "M3"):
        assert calls[model, "evaluation"] == 7
        assert calls[model, "evaluation, judge"] == 2 * 4 * 3
    assert (calls["M2", "candidates"], calls["M3", "candidates"]) == (32, 48)
    assert (calls["M2", "judgments"], calls["M3", "judgments"]) == (96, 144)
    assert calls["M3", "prompts"] == 15
    assert found["total"]["calls"] == sum(calls.values())
    assert found["total"]["cost"] == 0.0 and found["total"]["seconds"] is None
    assert list(tmp_path.iterdir()) == []  # nothing is written


def test_prompts_are_the_runs_own(capsys) -> None:
    found = planned(capsys)["prompts"]
    assert found["prompts"].startswith("1. ") and found["prompts"].endswith("\n7.")
    assert "Score: and the total" in found["judgments (of a seed answer)"]
    assert found["evaluation"] and "Answer: " in found["evaluation, judge"]


def test_cost_and_time_of_a_judge_at_a_provider(capsys) -> None:
    judge = ["judge.model=openai:gpt-4o", "judge.options.requests_per_minute=60"]
    found = planned(capsys, *judge)
    judged = [s for s in found["steps"] if "judg" in s["stage"]]
    for step in judged:
        most = (2.5 * step["prompt_tokens"] + 10 * step["completion_tokens"]) / 1e6
        assert step["cost"] == pytest.approx(most) and most > 0
        assert step["seconds"] == pytest.approx(step["calls"])
    assert found["total"]["cost"] == pytest.approx(sum(s["cost"] for s in judged))
    assert found["total"]["seconds"] == pytest.approx(sum(s["calls"] for s in judged))


def test_the_table_in_the_docs_is_what_the_command_prints(capsys) -> None:
    text = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^srlm (plan .*?)  +#", text, re.MULTILINE)
    (table,) = re.findall(r"```\n(model .*?)```", text, re.DOTALL)
    assert main(command.split()) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert set(table.splitlines()) <= set(printed)


def test_draws_that_are_asked_for_together_are_one_request(capsys) -> None:
    """Of the judge's 3 draws; the recipe's judge of the evaluation has as many."""
    judge = ["judge.model=openai:gpt-4o", "judge.options.requests_per_minute=60"]
    for size, share in ((2, 2 / 3), (3, 1 / 3), (30, 1 / 3)):
        found = planned(capsys, *judge, f"judge.options.draws_per_request={size}")
        for step in found["steps"]:
            if "judg" in step["stage"]:
                assert step["seconds"] == pytest.approx(step["calls"] * share), step["stage"]


def test_calls_and_time_are_whole_on_a_narrow_terminal(capsys, monkeypatch) -> None:
    judge = ["judge.model=openai:gpt-4o", "judge.options.requests_per_minute=200"]
    for columns in (60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert main(["plan", "quickstart", *judge]) == 0
        said = capsys.readouterr().out
        table, _, below = said.partition("no room here for: trained on")
        assert "\N{HORIZONTAL ELLIPSIS}" not in table and below
        (total,) = [line.split() for line in table.splitlines() if line.startswith("all ")]
        assert total[1] == "~24,913" and total[-2:] == ["87", "min"]
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["plan", "quickstart", *judge]) == 0
    assert "no room" not in capsys.readouterr().out


def test_what_is_small_is_not_nothing(capsys) -> None:
    judge = ["judge.model=openai:gpt-4o-mini", "judge.options.requests_per_minute=600"]
    assert main(["plan", "quickstart", *SMALL, *judge]) == 0
    said = capsys.readouterr().out.splitlines()
    lines = [line for line in said if "evaluation, judge  " in line]
    assert lines and all("<$0.01" in line and " 2.4 s" in line for line in lines)
    assert (dollars(0.0), dollars(0.009), dollars(1234.5)) == ("$0.00", "<$0.01", "$1,234.50")


def test_limits_of_single_calls_are_not_those_of_batches(capsys) -> None:
    judge = ["judge.model=openai:gpt-4o", "judge.options.requests_per_minute=60"]
    assert planned(capsys, *judge, "judge.options.batch=true")["total"]["seconds"] is None


def test_an_unknown_price_is_said(capsys) -> None:
    found = planned(capsys, "judge.model=openai:house-judge", "judge.options.base_url=http://h/v1")
    assert found["total"]["cost"] is None
    assert any("no price is known for the judge's model" in note for note in found["notes"])
    bounded = ["plan", "quickstart", "judge.model=openai:house-judge", "budget.max_cost=3"]
    assert main(bounded) == 2
    said = capsys.readouterr().err
    assert "no price is known for openai:house-judge at https://api.openai.com/v1;" in said
    assert "budget.prices" in said


def test_the_table_shows_prompts_in_full_and_inert(capsys, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"prompt": "Say \x1b[31m[bold]boo[/bold]"}) + "\n")
    own = ["prompts.source=file", f"prompts.path={path}", "iterations=2"]
    assert main(["plan", "quickstart", *SMALL, *own]) == 0
    said = capsys.readouterr().out
    assert "Say [bold]boo[/bold]" in said and "\x1b" not in said
    calls = {line.split()[1]: line.split()[2] for line in said.splitlines() if line[:2] == "M2"}
    assert calls["candidates"] == "~4"  # one prompt in the file


def test_the_prompts_of_a_file_are_counted_once(capsys, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Say {i}"}) + "\n" for i in range(11)))
    found = planned(capsys, "prompts.source=file", f"prompts.path={path}")
    calls = {(s["model"], s["stage"]): s["calls"] for s in found["steps"]}
    assert (calls["M2", "candidates"], calls["M3", "candidates"]) == (4 * 8, 4 * 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prompts.model=openai:house", "budget.max_cost=1"], "no price is known for openai:house"),
        (["pairs.min_pairs=32"], "M2 gets 8 prompts, which give 8 pairs at most"),
        (["gate={rules: [{metric: x, rule: improves}]}"], "metric 'x' is not one of benchmark"),
        (["alarms.safety_suite=[harm]"], "alarms.safety_suite: metric 'harm' is not one of"),
    ],
)
def test_what_the_run_refuses_the_plan_refuses(capsys, words: list[str], said: str) -> None:
    assert main(["plan", "quickstart", *SMALL, *words]) == 2
    assert said in capsys.readouterr().err


def test_the_pair_audits_calls_of_a_judge_and_waiting_for_people(capsys) -> None:
    house = ["audit.by=openai:gpt-4o", "audit.size=10", "audit.options.requests_per_minute=60"]
    found = planned(capsys, *house)
    calls = {s["model"]: s["calls"] for s in found["steps"] if s["stage"] == "audit"}
    assert calls == {"M2": 2 * 8, "M3": 2 * 10}  # both orders; eight prompts give no more pairs
    step = next(s for s in found["steps"] if s["stage"] == "audit")
    assert step["about"] and step["cost"] > 0 and step["seconds"] == pytest.approx(16)
    assert "<response_a>" in found["prompts"]["audit (a seed answer twice)"]
    assert any("the auditor's calls" in note for note in found["notes"])
    said = planned(capsys, "audit.by=people")
    assert not [s for s in said["steps"] if s["stage"] == "audit"]
    assert any("until people have labelled 80 pairs" in note for note in said["notes"])
    assert not any("people have labelled" in note for note in planned(capsys)["notes"])


@pytest.mark.parametrize(
    ("change", "again"), [("pairs.min_margin: 1", True), ("dpo.settings.beta: 0.2", False)]
)
def test_retries_that_give_other_pairs_are_audited_again(capsys, change: str, again: bool) -> None:
    retry = f"gate.changes=[{{{change}}}]"
    found = planned(
        capsys, "audit.by=openai:gpt-4o", "audit.size=10", "gate.on_hold=retry", "gate.retries=1",
        retry,
    )  # fmt: skip
    stages = ("audit", "evaluation", "evaluation, judge")[0 if again else 1 :]
    calls = sum(s["calls"] for s in found["steps"]
                if s["model"] in ("M2", "M3") and s["stage"] in stages)  # fmt: skip
    (note,) = [note for note in found["notes"] if note.startswith("gate.retries")]
    assert f" and {calls:,} calls" in note


def test_an_audit_that_the_run_refuses_the_plan_refuses(capsys) -> None:
    words = ["plan", "quickstart", *SMALL, "audit.by=openai:house"]
    assert main([*words, "budget.max_cost=1"]) == 2
    assert "no price is known for openai:house" in capsys.readouterr().err
    assert main([*words, "audit.spec=additive5"]) == 2
    assert "gives scores" in capsys.readouterr().err
