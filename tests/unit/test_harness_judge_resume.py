"""srlm judge validate goes on where it was, asks nothing twice and plans what it then asks."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cli import main
from tests.fake_server import last_text
from tests.judging import KEY, Judging, document, fair, labelled, ranked, write


def test_the_same_command_again_calls_nothing_and_says_the_same(judging: Judging) -> None:
    first = judging.document()
    files = {p.name: p.read_bytes() for p in judging.out.iterdir() if p.is_file()}
    assert judging.document() == first
    assert len(judging.server.bodies) == 80 and set(judging.server.answered.values()) == {1}
    assert {p.name: p.read_bytes() for p in judging.out.iterdir() if p.is_file()} == files


def test_a_budget_stops_and_more_of_it_goes_on(judging: Judging) -> None:
    line = judging.refused("budget.max_calls=30", "engine.max_concurrency=4", code=3)
    assert "budget.max_calls: 30 calls are made and 50 more" in line
    assert len(judging.server.bodies) == 30 and not (judging.out / "metrics.json").exists()
    found = judging.document("budget.max_calls=80", "engine.max_concurrency=4")
    assert len(judging.server.bodies) == 80 and set(judging.server.answered.values()) == {1}
    whole = judging.document("engine.max_concurrency=4", out=judging.folder / "whole")
    assert whole == found
    part, all_at_once = (
        (folder / "judgments.jsonl").read_bytes()
        for folder in (judging.out, judging.folder / "whole")
    )
    assert part == all_at_once


def test_a_mistyped_model_takes_no_folder_and_the_corrected_command_does(
    judging: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging.server, "models", ("house", "other"))
    line = judging.refused("--model", "openai:hause", code=1)
    assert "no model 'hause'; it serves house, other" in line
    assert not (judging.out / "config.yaml").exists() and judging.server.bodies == []
    judging.document("--model", "openai:house")


def test_what_is_done_needs_no_server_and_another_variable_for_the_key_is_no_change(
    judging: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = judging.document()
    monkeypatch.setenv("SECOND_KEY", KEY)
    assert judging.document("engine.api_key_env=SECOND_KEY") == first

    def look(self: Any) -> list[str]:
        raise AssertionError("asked")

    monkeypatch.setattr("backends.engines.openai_chat.OpenAIEngine.look", look)
    assert judging.document() == first


def test_interrupted_between_calls_nothing_is_called_twice(judging: Judging) -> None:
    import backends.engines.caller as caller

    judging.server.seconds = 0.02  # so that the calls are not all made before the interruption
    kept = caller.Caller._keep
    calls = 0

    def stops(self: Any, done: Any, requests: Any, config: Any) -> None:
        nonlocal calls
        kept(self, done, requests, config)
        calls += len(done)
        if calls > 25:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caller.Caller, "_keep", stops)
        code, out = judging.validate("engine.max_concurrency=2", "--json")
        assert (code, out) == (130, "")
    before = len(judging.server.bodies)
    assert 25 < before < 80
    judging.document("engine.max_concurrency=2")
    assert set(judging.server.answered.values()) == {1} and len(judging.server.answered) == 80


def test_retry_says_who_makes_the_failed_calls_of_a_validation_again(
    judging: Judging, capsys: pytest.CaptureFixture[str]
) -> None:
    judging.refused("budget.max_calls=5", "engine.max_concurrency=4", code=3)
    assert main(["retry", str(judging.out), "--failed"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the command that made it makes its failed calls again" in line


def test_failed_calls_are_made_again_by_the_same_command_and_only_they(judging: Judging) -> None:
    def fault(body: dict[str, Any], attempt: int) -> str | None:
        return "400" if "answer 7 " in last_text(body) else None

    judging.server.fault = fault
    judging.server.reply = lambda body: "Hm" if "answer 9 " in last_text(body) else fair(body)
    found = judging.document()
    assert found["unscored"] == {"n": 4, "of": 80, "reasons": {"error": 2, "no_score": 2}}
    judging.server.fault = lambda body, attempt: None
    judging.server.bodies.clear()
    again = judging.document()
    assert "2 calls that failed are made again" in judging.err
    assert len(judging.server.bodies) == 2
    assert all("answer 7 " in last_text(body) for body in judging.server.bodies)
    assert again["unscored"] == {"n": 2, "of": 80, "reasons": {"no_score": 2}}
    judging.document()
    assert len(judging.server.bodies) == 2


def test_the_last_line_says_what_most_calls_failed_with(judging: Judging) -> None:
    judging.server.fault = lambda body, attempt: "413" if "quality 4" in last_text(body) else "400"
    judging.validate("judge.max_unscored=0.1", draws=1)
    line = judging.err.strip().splitlines()[-1]
    assert (
        "80 of 80 judgments are unscored" in line and "80 calls failed, 40 of them: HTTP 4" in line
    )


def test_another_budget_criterion_or_convention_goes_on(judging: Judging) -> None:
    judging.server.reply = lambda body: "Hm" if "answer 1 " in last_text(body) else fair(body)
    first = judging.document()
    more = judging.document("--unscored", "wrong", "budget.max_calls=500", "fit.max_unscored=0.01",
                            code=3)  # fmt: skip
    assert len(judging.server.bodies) == 80
    accuracy = [found["metrics"]["pairwise_accuracy"] for found in (first, more)]
    assert [(m["value"], m["n"], m["of"]) for m in accuracy] == [(1.0, 39, 40), (0.975, 40, 40)]
    assert "unscored = wrong" in accuracy[1]["convention"]


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (["judge.draws=2"], "judge.draws: 1 -> 2"),
        (["--seed", "1"], "seed: 0 -> 1"),
        (["--limit", "5"], "limit: null -> 5"),
        (["--held-out", "0.5"], "held_out: 1 -> 0.5"),
        (["--language", "all"], 'language: "en" -> null'),
        (["--all-turns"], "first_turn: true -> false"),
    ],
)
def test_a_folder_is_of_one_validation(judging: Judging, words: list[str], differs: str) -> None:
    judging.document()
    line = judging.refused(*words)
    assert "another configuration" in line and differs in line
    assert len(judging.server.bodies) == 80


def test_a_folder_is_of_one_judge_one_model_and_one_file(judging: Judging) -> None:
    judging.document()
    assert 'spec: "additive5" -> "additive5_short"' in judging.refused(judge="additive5_short")
    other = judging.folder / "other"
    other.mkdir()
    line = judging.refused(data=ranked(other / "ranked.jsonl", 41))
    assert "not what this run began with: data" in line
    line = judging.refused("engine.extra_body={min_p: 0.1}")
    assert "engine.extra_body" in line


def test_the_default_folder_has_a_name_for_each_validation(judging: Judging) -> None:
    words = ["judge", "validate", "--judge", "additive5", "--model", "openai:m", "--data",
             judging.data, f"engine.base_url={judging.server.url}", "judge.draws=1"]  # fmt: skip
    for more in ([], ["--limit", 5], ["budget.max_calls=90"], ["--unscored", "tie"]):
        assert judging(*words, *more)[0] in (0, 3)
    folders = sorted(p.name for p in (judging.folder / "runs").iterdir())
    assert len(folders) == 2 and all(name.startswith("validate-additive5-") for name in folders)
    assert len(judging.server.bodies) == 80 + 10


def test_the_plan_calls_nothing_and_counts_what_the_run_then_asks(judging: Judging) -> None:
    for judge, data, more in (
        ("additive5", judging.data, ["--limit", 7]),
        ("pairwise", labelled(judging.folder / "pairs.jsonl"), ["--limit", 7]),
        # Twins are one call: what is asked twice is answered once.
        ("choice5", write(judging.folder / "twins.jsonl", *(
            {"id": name, "prompt": "Same?", "responses": [
                {"id": "a", "text": "quality 4", "rank": 0},
                {"id": "b", "text": "quality 2", "rank": 1},
            ]} for name in ("x", "y")
        )), []),
    ):  # fmt: skip
        judging.server.bodies.clear()
        out = judging.folder / f"planned-{judge}"
        words: dict[str, Any] = {"judge": judge, "data": data, "out": out, "draws": 2}
        code, text = judging.validate("--plan", "--json", *more, **words)
        assert code == 0 and not out.exists() and not judging.server.bodies
        plan = document(text)
        (step,) = plan["steps"]
        assert step["calls"] == plan["total"]["calls"] > 0
        assert plan["prompts"]["judgments"]
        code, shown = judging.validate("--plan", *more, **words)
        assert code == 0 and not judging.server.bodies and f"{step['calls']}" in shown
        assert judging.validate(*more, **words)[0] in (0, 3, 4)
        assert len(judging.server.bodies) == step["calls"]


def test_the_key_is_in_no_file_and_in_no_output(judging: Judging) -> None:
    code, out = judging.validate("--json")
    said = out + judging.err
    judging.server.key = "sk-another"
    code, out = judging.validate(out=judging.folder / "refused")
    assert code not in (0, 3)
    said += out + judging.err
    assert KEY not in said
    files = [p for p in judging.folder.rglob("*") if p.is_file()]
    assert len(files) > 5
    assert not [p for p in files if KEY.encode() in p.read_bytes()]
