"""Pairwise judging: orders, records, and the verdict that follows from them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest

from backends.engines.caller import Caller
from backends.engines.engine import Completion, Request, Usage
from judges.judging import Judge, Response, judge_pairs, judge_responses
from judges.labels import Label, LabelledPair
from judges.pairwise import (
    JudgedPair,
    Order,
    pair_orders,
    pair_request,
    pair_verdicts,
    render_pair,
    to_judged,
    to_pair_judgment,
)
from judges.spec import JudgeSpec, describe, load_spec, prompt_hash
from results.cache import CallCache
from results.errors import UsageError
from results.records import Judgment, Message, PairJudgment, Retry
from results.store import RecordFile
from tests.fakes import FakeEngine, failed, prompt_of

PAIR = JudgedPair("p", "Why?", "long answer", "short")


def spec(**changes: Any) -> JudgeSpec:
    return JudgeSpec.model_validate({**load_spec("pairwise").model_dump(), **changes})


def longer(request: Request, seed: int) -> str:
    """Prefers the longer answer, whichever is shown first."""
    first, second = re.findall(r"<response_[ab]>\n(.*)\n</", prompt_of(request))
    if len(first) == len(second):
        return "The same.\nVerdict: tie"
    return f"By length.\nVerdict: {'A' if len(first) > len(second) else 'B'}"


def first_shown(request: Request, seed: int) -> str:
    return "Verdict: A"


def judge_with(reply: Any, folder: Path, judging: JudgeSpec | None = None) -> Judge:
    caller = Caller(FakeEngine(reply=reply), CallCache(folder / "calls.sqlite"))
    return Judge(judging or spec(), caller, "fake:judge", False)


def run(
    tmp_path: Path, reply: Any, pairs: list[JudgedPair], judging: JudgeSpec | None = None
) -> list[PairJudgment]:
    judge = judge_with(reply, tmp_path, judging)
    try:
        return judge_pairs(judge, pairs, RecordFile(tmp_path / "j.jsonl", PairJudgment), 0)
    finally:
        judge.caller.cache.close()


def test_what_the_judge_is_shown() -> None:
    shown = render_pair(spec(), PAIR, "AB")
    swapped = render_pair(spec(), PAIR, "BA")
    assert shown.index("long answer") < shown.index("short")
    assert swapped.index("short") < swapped.index("long answer")
    assert shown.replace("long answer", "X").replace("short", "long answer").replace(
        "X", "short"
    ) == swapped  # fmt: skip
    assert pair_request(spec(), PAIR, "AB", 2).draw == 2
    (message,) = pair_request(spec(), PAIR, "AB", 0).prompt
    assert isinstance(message, Message) and message.role == "user"
    with_system = pair_request(spec(system="You judge."), PAIR, "AB", 0).prompt
    assert [m.role for m in with_system if isinstance(m, Message)] == ["system", "user"]
    assert prompt_hash(spec(system="You judge.")) != prompt_hash(spec())


@pytest.mark.parametrize(
    ("order", "said", "verdict"),
    [
        ("AB", "Verdict: A", "first"),
        ("AB", "Verdict: B", "second"),
        ("BA", "Verdict: A", "second"),
        ("BA", "Verdict: B", "first"),
        ("BA", "Verdict: tie", "tie"),
        ("AB", "I cannot say.", None),
    ],
)
def test_verdicts_name_the_datas_own(order: Order, said: str, verdict: str | None) -> None:
    judgment = to_pair_judgment(spec(), "p", order, 1, Completion(said, "stop", Usage(1, 7)), "k")
    assert (judgment.verdict, judgment.order, judgment.draw) == (verdict, order, 1)
    assert (judgment.status == "unscored") == (verdict is None) == (judgment.reason is not None)
    assert (judgment.text, judgment.tokens, judgment.call) == (said, 7, "k")


def test_both_orders_and_every_draw_are_calls(tmp_path: Path) -> None:
    pairs = [PAIR, JudgedPair("q", "Why?", "a", "much longer"), JudgedPair("r", "Why?", "x", "y")]
    found = run(tmp_path, longer, pairs, spec(draws=2))
    assert Counter((j.prompt_id, j.order) for j in found) == dict.fromkeys(
        ((i, o) for i in "pqr" for o in ("AB", "BA")), 2
    )
    verdicts = pair_verdicts(found)
    assert {i: v.verdict for i, v in verdicts.items()} == {"p": "win", "q": "loss", "r": "tie"}
    assert all(v.consistent for v in verdicts.values())
    assert verdicts["p"].n_draws == verdicts["p"].n_scored == 4


def test_a_judge_that_prefers_a_place_gives_ties(tmp_path: Path) -> None:
    (verdict,) = pair_verdicts(run(tmp_path, first_shown, [PAIR])).values()
    assert (verdict.verdict, verdict.consistent) == ("tie", False)
    assert verdict.orders == {"AB": "first", "BA": "second"}


def test_one_order_only(tmp_path: Path) -> None:
    found = run(tmp_path, first_shown, [PAIR], spec(orders="AB"))
    assert [j.order for j in found] == ["AB"]
    (verdict,) = pair_verdicts(found).values()
    assert (verdict.verdict, verdict.consistent) == ("win", None)


def test_a_random_order_is_the_seeds_and_the_pairs() -> None:
    judging = spec(orders="random")
    drawn = [pair_orders(judging, str(i), 0) for i in range(400)]
    assert drawn == [pair_orders(judging, str(i), 0) for i in range(400)]
    assert drawn != [pair_orders(judging, str(i), 1) for i in range(400)]
    assert 150 < sum(orders == ("AB",) for orders in drawn) < 250


def test_a_retry_is_asked_for_under_its_own_draw(tmp_path: Path) -> None:
    again = Retry(prompt_id=PAIR.id, response_id="BA", draw=0, asked_as=7)
    RecordFile(tmp_path / "retries.jsonl", Retry).replace([again])
    judge = judge_with(first_shown, tmp_path)
    judge_pairs(judge, [PAIR], RecordFile(tmp_path / "j.jsonl", PairJudgment), 0)
    assert isinstance(judge.caller.engine, FakeEngine)
    assert sorted(call.draw for call in judge.caller.engine.calls) == [0, 7]
    judge.caller.cache.close()


def test_resuming_asks_for_nothing_twice(tmp_path: Path) -> None:
    def broken(request: Request, seed: int) -> str | Completion:
        return failed() if "short\n</response_a>" in prompt_of(request) else first_shown(request, 0)

    half = run(tmp_path, broken, [PAIR])
    assert Counter(j.reason for j in half) == {None: 1, "error": 1}
    (tmp_path / "j.jsonl").unlink()  # the cache stays: what failed is asked for again
    judge = judge_with(first_shown, tmp_path)
    file = RecordFile(tmp_path / "j.jsonl", PairJudgment)
    whole = judge_pairs(judge, [PAIR], file, 0)
    assert isinstance(judge.caller.engine, FakeEngine) and len(judge.caller.engine.calls) == 1
    assert [j.status for j in whole] == ["scored", "scored"]
    assert judge_pairs(judge, [PAIR], file, 0) == whole
    assert len(judge.caller.engine.calls) == 1
    judge.caller.cache.close()


def judgments(*said: tuple[Order, str | None]) -> list[PairJudgment]:
    return [
        PairJudgment.model_validate(
            {"prompt_id": "p", "order": order, "draw": i, "verdict": verdict,
             "status": "scored" if verdict else "unscored", "reason": None if verdict else "empty"}
        )
        for i, (order, verdict) in enumerate(said)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "verdict", "consistent"),
    [
        ([("AB", "first"), ("BA", "first")], "win", True),
        ([("AB", "second"), ("BA", "second")], "loss", True),
        ([("AB", "first"), ("BA", "tie")], "tie", False),
        ([("AB", "first"), ("BA", "second")], "tie", False),
        ([("AB", "tie"), ("BA", "tie")], "tie", True),
        ([("AB", "first"), ("BA", None)], None, False),
        ([("AB", None)], None, None),
        ([("BA", "second")], "loss", None),
        # Two of three; two of four are no majority; the unscored has no vote.
        ([("AB", "first"), ("AB", "first"), ("AB", "second")], "win", None),
        ([("AB", "first"), ("AB", "first"), ("AB", "second"), ("AB", "tie")], "tie", None),
        ([("AB", "first"), ("AB", None)], "win", None),
        ([("AB", "first"), ("AB", "second")], "tie", None),
    ],
)
def test_reduction(
    said: list[tuple[Order, str | None]], verdict: str | None, consistent: bool | None
) -> None:
    (found,) = pair_verdicts(judgments(*said)).values()
    assert (found.verdict, found.consistent) == (verdict, consistent)
    assert found.n_draws == len(said)
    assert found.n_scored == sum(choice is not None for _, choice in said)


def test_one_scored_draw_is_an_order_s_choice() -> None:
    said: list[tuple[Order, str | None]] = [("AB", "first"), ("AB", None), ("AB", None)]
    assert pair_verdicts(judgments(*said))["p"].verdict == "win"
    with pytest.raises(ValueError, match="min_scored 2: a pairwise judge"):
        spec(draws=3, min_scored=2)


def test_the_kind_must_fit(tmp_path: Path) -> None:
    judge = judge_with(first_shown, tmp_path, load_spec("additive5"))
    with pytest.raises(UsageError, match="'additive5' is pointwise, expected a pairwise one"):
        judge_pairs(judge, [PAIR], RecordFile(tmp_path / "j.jsonl", PairJudgment), 0)
    pairwise = judge_with(first_shown, tmp_path)
    with pytest.raises(UsageError, match="'pairwise' is pairwise, expected a pointwise one"):
        judge_responses(pairwise, [], RecordFile(tmp_path / "r.jsonl", Judgment), 0)
    judge.caller.cache.close()
    pairwise.caller.cache.close()


REFERENCED = "{prompt} {reference} {response}"
TURNS = "{prompt_1} {response_1} {prompt_2} {response_2} {prompt_1}"
CONVERSATION = [
    Message(role="user", content="q1"),
    Message(role="assistant", content="a1"),
    Message(role="user", content="q2"),
]


def pointwise(rubric: str) -> JudgeSpec:
    return JudgeSpec.model_validate({**load_spec("additive5").model_dump(), "rubric": rubric})


def asked(tmp_path: Path, rubric: str, *responses: Response) -> list[str]:
    judge = judge_with(lambda request, seed: "Score: 1", tmp_path, pointwise(rubric))
    try:
        judge_responses(judge, responses, RecordFile(tmp_path / "r.jsonl", Judgment), 0)
        assert isinstance(judge.caller.engine, FakeEngine)
        return [prompt_of(request) for request in judge.caller.engine.calls]
    finally:
        judge.caller.cache.close()


def test_a_reference_is_shown_or_its_lack_is_counted(tmp_path: Path) -> None:
    known = Response("p", "q", "r", "a", "gold")
    assert set(asked(tmp_path, REFERENCED, known)) == {"q gold a"}
    bare = [Response(i, f"q{i}", r, "a") for i in "stu" for r in "xy"]
    with pytest.raises(UsageError, match="shows a reference answer, and 3 of 4 prompts have none"):
        asked(tmp_path, REFERENCED, known, *bare)


def test_turns(tmp_path: Path) -> None:
    one = Response("p", CONVERSATION, "r", "a2")
    assert set(asked(tmp_path, TURNS, one)) == {"q1 a1 q2 a2 q1"}
    with pytest.raises(UsageError, match="2 of 3 prompts do not have all of these turns"):
        asked(tmp_path, TURNS, one, Response("q", "q", "r", "a"), Response("s", "s", "r", "a"))
    pair = JudgedPair("p", CONVERSATION, ("a1", "a2"), ("b1", "b2"), ("g1", "g2"))
    turns = "{prompt_1} {first_1} {second_1} {prompt_2} {first_2} {second_2} {reference_2}"
    assert render_pair(spec(rubric=turns), pair, "AB") == "q1 a1 b1 q2 a2 b2 g2"
    assert render_pair(spec(rubric=turns), pair, "BA") == "q1 b1 a1 q2 b2 a2 g2"


@pytest.mark.parametrize(
    ("kind", "rubric", "message"),
    [
        ("pairwise", "{prompt} {response}", "{first} exactly once, it is there 0 times"),
        ("pairwise", "{prompt} {first} {second} {second}", "{second} exactly once, .* 2 times"),
        ("pointwise", "{prompt} {response} {response_1}", "or its turns .* not both"),
        ("pointwise", "{prompt} {response} {reference} {reference}", "{reference} at most once"),
    ],
)
def test_slots(kind: Literal["pointwise", "pairwise"], rubric: str, message: str) -> None:
    base = load_spec("additive5" if kind == "pointwise" else "pairwise").model_dump()
    with pytest.raises(ValueError, match=message):
        JudgeSpec.model_validate({**base, "rubric": rubric})


def test_slots_of_the_other_kind_are_literal() -> None:
    base = load_spec("additive5").model_dump()
    kept = JudgeSpec.model_validate({**base, "rubric": "{first} {prompt} {response}"})
    assert kept.slots == {"prompt", "response"}


def test_labelled_pairs_are_judged_without_their_labels() -> None:
    pair = LabelledPair(
        id="p", prompt="q", first="a", second="b", labels=(Label(label="tie"),), reference="g"
    )
    assert to_judged(pair) == JudgedPair("p", "q", "a", "b", "g")


def test_describing() -> None:
    assert describe(spec()) == "pairwise v1, 1 draw, both orders"
    assert describe(spec(draws=3)) == "pairwise v1, 3 draws, both orders"
    expecting = spec(aggregation="expected", orders="random")
    assert describe(expecting) == "pairwise v1, likeliest verdict token of 1 draw, one random order"
