from __future__ import annotations

from judges.pointwise import Score
from judges.selection import OUTCOMES, select_pairs
from results.records import Candidate, Pair, Prompt

Row = tuple[float | None, str] | tuple[float | None, str, str]


def pick(
    *rows: Row,
    min_margin: float = 0.0,
    draws: list[int] | None = None,
    status: str = "kept",
) -> Pair | str:
    """The pair of one prompt whose candidates are (mean, text[, finish_reason]), or the outcome."""
    order = draws or list(range(len(rows)))
    candidates = [
        Candidate(
            prompt_id="p",
            response_id=f"r{draw}",
            draw=draw,
            text=row[1],
            finish_reason=row[2] if len(row) > 2 else "stop",
            tokens=1,
            call="k",
        )
        for draw, row in zip(order, rows, strict=True)
    ]
    scores = {
        ("p", f"r{draw}"): Score(row[0], 3 if row[0] is not None else 0, 3)
        for draw, row in zip(order, rows, strict=True)
    }
    prompt = Prompt.model_validate({"id": "p", "prompt": "Q", "source": "x", "status": status})
    pairs, counts = select_pairs([prompt], candidates, scores, min_margin)
    assert sum(counts.values()) == 1
    assert list(counts) == list(OUTCOMES)
    assert len(pairs) == counts["kept"]
    return pairs[0] if pairs else next(name for name, count in counts.items() if count)


def ids(pair: Pair | str) -> tuple[str, str] | str:
    return pair if isinstance(pair, str) else (pair.chosen_id, pair.rejected_id)


def test_highest_against_lowest() -> None:
    pair = pick((3, "a"), (4.5, "b"), (1, "c"), (2, "d"))
    assert isinstance(pair, Pair)
    assert (pair.chosen, pair.rejected, pair.margin) == ("b", "c", 3.5)
    assert (pair.chosen_score, pair.rejected_score, pair.prompt) == (4.5, 1.0, "Q")


def test_outcomes() -> None:
    assert pick((3, "a"), (3, "b")) == "tied"
    assert pick((3, "a"), (None, "b")) == "too_few_scored"
    assert pick((None, "a"), (None, "b")) == "too_few_scored"
    assert pick((3, "a"), (1, " \n")) == "too_few_usable"
    assert pick((3, "a"), (1, "b", "length")) == "too_few_usable"
    assert pick((3, "a"), (1, "b", "error")) == "too_few_usable"
    assert pick((3, "a"), (1, "a")) == "identical_text"
    assert pick() == "no_candidates"
    assert pick((3, "a"), (1, "b"), status="dropped") == "prompt_dropped"


def test_unscored_and_cut_candidates_are_never_chosen_nor_rejected() -> None:
    rows: list[Row] = [
        (5.0, "cut", "length"),
        (None, "none"),
        (4.0, "a"),
        (2.0, "b"),
        (0.0, "cut", "length"),
    ]
    assert ids(pick(*rows)) == ("r2", "r3")


def test_margin() -> None:
    assert pick((3, "a"), (2.5, "b"), min_margin=0.6) == "below_margin"
    assert ids(pick((3, "a"), (2.5, "b"), min_margin=0.5)) == ("r0", "r1")
    # 13/3 - 12/3 is a hair under 1/3 in floating point.
    assert ids(pick((13 / 3, "a"), (4, "b"), min_margin=1 / 3)) == ("r0", "r1")
    assert pick((0.1 + 0.2, "a"), (0.3, "b")) == "tied"


def test_equal_scores_take_the_lowest_draw_in_any_order() -> None:
    rows: list[Row] = [(4.0, "a"), (4.0, "b"), (1.0, "c"), (1.0, "d")]
    assert ids(pick(*rows)) == ("r0", "r2")
    assert ids(pick(*rows, draws=[9, 1, 8, 3])) == ("r1", "r3")


def test_missing_scores_and_several_prompts() -> None:
    prompts = [Prompt(id=name, prompt=name, source="x") for name in "ab"]
    candidates = [
        Candidate(
            prompt_id=p,
            response_id=f"{p}{i}",
            draw=i,
            text=f"{p}{i}",
            finish_reason="stop",
            tokens=1,
            call="k",
        )
        for p in "ab"
        for i in range(2)
    ]
    scores = {("a", "a0"): Score(1.0, 1, 1), ("a", "a1"): Score(2.0, 1, 1)}
    pairs, counts = select_pairs(prompts, candidates, scores)
    assert [(pair.prompt_id, pair.chosen_id) for pair in pairs] == [("a", "a1")]
    assert {name: count for name, count in counts.items() if count} == {
        "kept": 1,
        "too_few_scored": 1,
    }
