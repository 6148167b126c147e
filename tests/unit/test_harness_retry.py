"""What srlm retry --failed reopens, and what goes with it; on fake engines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import harness.retry
from backends.engines.engine import Completion, Request
from benchmarks.registry import SeedData
from harness.retry import Retried, left_alone, retry
from harness.run import StopRun
from harness.stages.candidates import candidates
from harness.stages.gate import stop
from harness.stages.judgments import judgments
from harness.stages.prompts import prompts
from harness.stages.seed import keep_seed
from judges.judging import other_draws
from results.records import Example, PairJudgment
from results.store import RecordFile
from tests.fake_run import FakeRun, fake_runs
from tests.fakes import failed, prompt_of

IFT = [Example(id=str(i), prompt=f"Seed {i}?", completion="x", kind="ift") for i in range(10)]


def reply(request: Request, seed: int) -> Completion | str:
    """Instructions, all different; answers; scores, of which some do not parse."""
    text = prompt_of(request)
    if re.match(r"1\. ", text):
        return "Draw a cow" if seed % 5 == 0 else f"Tell me of thing {seed} now."
    if "Mark the answer." in text:
        return "hm" if seed % 4 == 0 else f"Seen.\nScore: {seed % 6}"
    return f"It is {seed}."


def down(share: int) -> Callable[[Request, int], Completion | str]:
    """``reply`` where one of ``share`` calls of the writer gets through."""

    def answer(request: Request, seed: int) -> Completion | str:
        broken = re.match(r"1\. ", prompt_of(request)) and seed % share
        return failed() if broken else reply(request, seed)

    return answer


@pytest.fixture
def makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = ["prompts.count=[20]", "prompts.filters.keywords=[cow]", "prompts.generated_shots=2"]
    yield from fake_runs(tmp_path, monkeypatch, reply, settings)


def begun(made: FakeRun, answer: Callable[[Request, int], Completion | str] = reply) -> FakeRun:
    """A run up to M1, whose models answer by ``answer``."""
    (made.folder / "iter_1").mkdir()
    keep_seed(made.run, SeedData(IFT, []))
    made.reply = answer
    return made


def step(made: FakeRun) -> None:
    """All of M2 before its training; pairs, gate, alarms and monitors by name alone."""
    found = prompts(made.run, 2, IFT)
    judgments(made.run, 2, found, candidates(made.run, 2, found))
    for name in ("pairs.jsonl", "gate.json", "alarms.json", "monitors.json"):
        (made.folder / "iter_2" / name).write_text("")


def names(made: FakeRun) -> set[str]:
    return {path.name for path in (made.folder / "iter_2").iterdir()}


def test_after_an_outage_of_the_writer_its_prompts_are_written_as_if_there_was_none(makes) -> None:
    whole = begun(makes(name="whole"))
    prompts(whole.run, 2, IFT)
    made = begun(makes(), lambda r, s: failed())
    for _ in range(2):  # the second start asks nothing, and says the same
        with pytest.raises(StopRun, match=r"25 error \(.*; then srlm retry \S+ --failed ") as end:
            prompts(made.run, 2, IFT)
    assert len(made.asked) == 25
    stop(made.run, 2, end.value.result)
    assert retry(made.run) == Retried("M2 prompts", 25, 25)  # no better yet
    made.reply = reply
    assert retry(made.run) == Retried("M2 prompts", 25, 0)
    assert made.rows() == whole.rows() and names(made) == {"prompts.jsonl"}
    assert sum(p.status == "kept" for p in prompts(made.run, 2, IFT)) == 20


def test_too_few_prompts_for_failed_calls_are_made_up_and_what_came_of_them_again(makes) -> None:
    one = "prompts.rounds=1"
    whole = begun(makes(one, name="whole"))
    step(whole)
    made = begun(makes(one), down(3))
    step(made)
    few = made.rows()
    lost = sum(row["reason"] == "error" for row in few)
    assert 0 < sum(row["status"] == "kept" for row in few) < 20
    assert f"; srlm retry {made.folder} --failed makes" in made.said.getvalue()
    made.reply, asked = reply, len(made.asked)
    assert retry(made.run) == Retried("M2 prompts", lost, 0)
    assert len(made.asked) - asked == lost
    assert names(made) == {"prompts.jsonl"} and made.rows() == whole.rows()
    step(made)
    assert made.files() == whole.files()
    assert len(made.asked) - len(whole.asked) == lost


def test_failed_calls_that_later_rounds_made_up_for_change_nothing(makes) -> None:
    made = begun(makes("prompts.rounds=20"), down(3))
    step(made)
    before = made.rows()
    assert sum(row["status"] == "kept" for row in before) == 20
    assert any(row["reason"] == "error" for row in before)
    assert "srlm retry" not in made.said.getvalue()
    found = retry(made.run)
    assert found.where == "M2 candidates and judgments" and made.rows() == before


def test_monitors_go_with_the_judgments_that_they_were_made_of(makes) -> None:
    made = begun(makes())
    step(made)
    assert retry(made.run).of > 0
    assert names(made) == {"prompts.jsonl", "candidates.jsonl", "judgments.jsonl", "retries.jsonl"}


def test_monitors_go_with_the_evaluation(makes, monkeypatch: pytest.MonkeyPatch) -> None:
    made = begun(makes())
    place = made.folder / "iter_2" / "evaluation"
    place.mkdir(parents=True)
    (place.parent / "checkpoint").mkdir()
    line = {"prompt_id": "p", "response_id": "p", "text": "", "finish_reason": "error"}
    (place / "outputs.jsonl").write_text(json.dumps(line) + "\n")
    made_of_it = (place.parent / "alarms.json", place.parent / "monitors.json")
    for path in (place / "metrics.json", *made_of_it):
        path.write_text("{}")
    against = []
    monkeypatch.setattr(harness.retry, "evaluation", lambda *asked: against.append(asked[-1]))
    assert retry(made.run).of == 1
    assert names(made) == {"checkpoint", "evaluation"}
    assert against == [made.folder / "sft_baseline" / "evaluation"]


def test_what_is_left_alone_is_said(makes, monkeypatch: pytest.MonkeyPatch) -> None:
    made = begun(makes())
    assert left_alone(made.run) is None
    lines = {"status": ["scored", "unscored"], "finish_reason": ["error", "stop"]}
    for place in ("seed", "iter_1/evaluation", "iter_2", "iter_2/evaluation"):
        (made.folder / place).mkdir(parents=True, exist_ok=True)
        rows = [json.dumps({key: value}) for key, values in lines.items() for value in values]
        (made.folder / place / "judgments.jsonl").write_text("\n".join(rows) + "\n")
    (made.folder / "iter_2" / "checkpoint").mkdir()
    said = left_alone(made.run)
    assert said is not None
    assert said.startswith("left alone: 2 in seed, 2 in iter_2, 2 in iter_1/evaluation without")


@pytest.mark.parametrize("name", ["pair_judgments.jsonl", "pair_judgments_discrete.jsonl"])
def test_verdicts_that_did_not_parse_are_asked_for_under_another_draw(
    makes, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made = begun(makes())
    place = made.folder / "iter_2" / "evaluation"
    place.mkdir(parents=True)
    (place.parent / "checkpoint").mkdir()
    (place / "metrics.json").write_text("{}")
    bad = [("stop", None, "hm"), ("error", None, "HTTP 500"), ("stop", "first", "A")]
    file = RecordFile(place / name, PairJudgment)
    file.replace(
        [PairJudgment(prompt_id=str(i), order="BA", status="scored" if said else "unscored",
                      verdict=said, finish_reason=reason, text=text)
         for i, (reason, said, text) in enumerate(bad)]
    )  # fmt: skip
    monkeypatch.setattr(harness.retry, "evaluation", lambda *asked: None)
    assert retry(made.run).of == 2
    assert not file.done and [j.prompt_id for j in file.read()] == ["2"]
    # The call that failed has no answer, so it keeps its draw.
    assert other_draws(file) == {("0", "BA", 0): made.run.spec.draws}
