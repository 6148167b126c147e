"""Which judgments agree with people: sets by draw, ties, unscored responses, what is kept."""

from __future__ import annotations

import pytest

from judges.agreeing_sets import agreeing_sets, orders_something, set_outcome
from judges.rankings import RankedPrompt, RankedResponse
from judges.spec import load_spec
from results.records import Judgment

SPEC = load_spec("additive5")


def prompt(*ranks: int | None, name: str = "p") -> RankedPrompt:
    responses = [RankedResponse(id=f"r{i}", text="x", rank=rank) for i, rank in enumerate(ranks)]
    return RankedPrompt(id=name, prompt="Why?", responses=responses)


def judged(*scores: float | None, draw: int = 0, name: str = "p", end: str = "stop"):
    return [
        Judgment(
            prompt_id=name, response_id=f"r{i}", draw=draw,
            status="unscored" if score is None else "scored", score=score,
            reason="no_score" if score is None else None,
            text="hm" if score is None else f"So.\nScore: {score:g}", finish_reason=end,
        )
        for i, score in enumerate(scores)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ranks", "scores", "outcome"),
    [
        ((0, 1, 2), (5, 3, 1), ("agree", 3)),
        ((2, 0, 1), (1, 5, 3), ("agree", 3)),
        ((0, 1, 1), (5, 1, 3), ("agree", 2)),  # people tie the last two
        ((0, 1, 2), (5, 3, 3), ("tied", 2)),
        ((0, 1), (4, 4), ("tied", 0)),
        ((0, 1, 2), (5, 1, 3), ("disagree", 2)),
        ((0, 1, 2), (4, 4, 5), ("disagree", 0)),
        ((0, 1), (5, None), ("unscored", 0)),
        ((0, 9), (0.1 + 0.2, 0.3), ("tied", 0)),  # the noise of decimals is no order
    ],
)
def test_outcomes(ranks, scores, outcome) -> None:
    assert set_outcome(ranks, scores) == outcome


def test_one_set_a_prompt_and_every_set_is_counted() -> None:
    pool = [prompt(0, 1), prompt(1, 0, name="q"), prompt(0, 1, name="none")]
    judgments = [
        *judged(3, 3, draw=0), *judged(4, 1, draw=1), *judged(5, 0, draw=2),
        *judged(4, 1, draw=0, name="q"), *judged(None, 1, draw=1, name="q"),
        *judged(2, 3, draw=2, name="q"),
    ]  # fmt: skip
    kept, counts = agreeing_sets(pool, reversed(judgments), SPEC)
    assert [(s.prompt.id, s.draw, s.scores) for s in kept] == [("p", 1, [4, 1]), ("q", 2, [2, 3])]
    assert [j.text for j in kept[1].judgments] == ["So.\nScore: 2", "So.\nScore: 3"]
    found = counts.model_dump()
    assert found == {"of": 6, "agree": 3, "tied": 1, "disagree": 1, "unscored": 1, "kept": 2,
                     "spare": 1}  # fmt: skip
    more, counts = agreeing_sets(pool, judgments, SPEC, sets=2)
    assert [(s.prompt.id, s.draw) for s in more] == [("p", 1), ("p", 2), ("q", 2)]
    assert (counts.kept, counts.spare) == (3, 0)


def test_ties_are_kept_on_request_after_whole_orders() -> None:
    pool = [prompt(0, 1, 2)]
    judgments = [*judged(5, 3, 3, draw=0), *judged(5, 4, 1, draw=1), *judged(2, 2, 2, draw=2)]
    assert [s.draw for s in agreeing_sets(pool, judgments, SPEC)[0]] == [1]
    kept, counts = agreeing_sets(pool, judgments, SPEC, "keep", sets=5)
    assert [s.draw for s in kept] == [1, 0]  # one without any pair in order is not kept
    assert (counts.agree, counts.tied, counts.kept, counts.spare) == (1, 2, 2, 0)


def test_a_text_that_may_not_be_learned_from_is_not_kept() -> None:
    pool = [prompt(0, 1)]
    for end in ("length", "error"):
        kept, counts = agreeing_sets(pool, judged(5, 1, end=end), SPEC)
        assert kept == [] and counts.unscored == 1
    # The score of the text counts, whatever else an expected score came to.
    odd = [j.model_copy(update={"score": 2.5}) for j in judged(1, 4)]
    assert agreeing_sets(pool, odd, SPEC)[1].disagree == 1
    off = [j.model_copy(update={"text": "Four."}) for j in judged(4, 1)]
    assert agreeing_sets(pool, off, SPEC)[1].unscored == 1


def test_what_orders_something() -> None:
    assert orders_something(prompt(0, 1)) and orders_something(prompt(0, None, 4))
    assert not any(map(orders_something, (prompt(0), prompt(1, 1), prompt(None, 0), prompt())))
