"""The mean over the score token's probabilities, on distributions worked by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from backends.engines.engine import Completion, TokenLogprobs, Usage
from judges.expected import TOP, expected_score, expected_verdict
from judges.parsers.parsed import Parsed
from judges.parsers.table import parser_options, read
from judges.pointwise import generate_config, to_judgment
from judges.spec import JudgeSpec, load_spec

Token = str | tuple[str, Mapping[str, float]]  # the drawn token, the probabilities in its place


def said(*tokens: Token, text: str | None = None, finish: str = "stop") -> Completion:
    found = []
    for token in tokens:
        drawn, likely = token if isinstance(token, tuple) else (token, {token: 1.0})
        top = tuple((other, math.log(p)) for other, p in likely.items())
        found.append(TokenLogprobs(drawn, top))
    whole = "".join(at.token for at in found) if text is None else text
    return Completion(whole, finish, Usage(1, len(found)), tuple(found))


def expect(
    completion: Completion, scale: tuple[int, int] = (0, 5), name: str = "final_score_line"
) -> Parsed:
    options = parser_options(name, {})
    return expected_score(
        completion,
        lambda text: read(text, completion.finish_reason, name, options, scale),
        scale,
    )


def check(found: Parsed, score: float, mass: float) -> None:
    assert found.reason is None
    assert found.score == pytest.approx(score, abs=1e-12)
    assert found.mass == pytest.approx(mass, abs=1e-12)


def test_the_mean_is_renormalised_over_the_scale() -> None:
    likely = {"4": 0.5, "3": 0.25, "five": 0.1, "7": 0.05, "\n": 0.05}
    # 4 and 3 are on the scale: (4 * .5 + 3 * .25) / .75.
    check(expect(said("Fine.\n", "Score:", " ", ("4", likely))), 2.75 / 0.75, 0.75)


def test_what_was_drawn_does_not_move_the_mean() -> None:
    likely = {"4": 0.5, "1": 0.3, "2": 0.2}
    means = {expect(said("Score: ", (drawn, likely))).score for drawn in likely}
    assert len(means) == 1


def test_tokens_that_carry_the_blank_before_the_number() -> None:
    check(expect(said("Score:", (" 4", {" 4": 0.6, " 2": 0.2, "4": 0.2}), "/5")), 3.6, 1.0)


def test_the_place_is_the_parsers() -> None:
    first = ("5", {"5": 1.0})
    last = ("1", {"1": 0.5, "2": 0.5})
    echoed = said("It says Score: ", first, "\nScore: ", last)
    check(expect(echoed), 1.5, 1.0)
    rating = said("[[", ("3", {"3": 0.9, "9": 0.1}), "]] and [[", first, "]]")
    check(expect(rating, (1, 10), "bracket_rating"), 3.6, 1.0)
    choice = said("Answer: ", ("4", {"4": 0.5, "5": 0.5}), ".")
    check(expect(choice, (1, 5), "choice_line"), 4.5, 1.0)


def test_reasoning_that_is_no_part_of_the_text() -> None:
    likely = {"4": 0.5, "2": 0.5}
    found = said("<think>Score: 1</think>", "Score: ", ("4", likely), text="Score: 4")
    check(expect(found), 3.0, 1.0)
    # Half characters spell otherwise in tokens than in the text.
    found = said("\ufffd", "\ufffd ok\nScore: ", ("4", likely), text="é ok\nScore: 4")
    check(expect(found), 3.0, 1.0)


def test_numbers_whose_digits_are_tokens() -> None:
    ones = {"1": 0.5, "9": 0.4, "x": 0.1}
    # "1" was drawn, and "0" follows it with .8: 10 has .4, 1 has .1, 9 has .4.
    found = said("Score: ", ("1", ones), ("0", {"0": 0.8, "\n": 0.2}), "\n")
    check(expect(found, (1, 10)), (10 * 0.4 + 0.1 + 9 * 0.4) / 0.9, 0.9)
    # "9" was drawn: how much of "1" is 10 is not known, so it counts for neither.
    found = said("Score: ", ("9", {"9": 0.6, "1": 0.4}))
    check(expect(found, (1, 10)), 9.0, 0.6)
    # A token "10" shows that numbers are tokens here: "1" is 1.
    found = said("Score: ", ("9", {"9": 0.6, "1": 0.3, "10": 0.1}))
    check(expect(found, (1, 10)), 5.4 + 0.3 + 1.0, 1.0)
    # "1" ended the completion.
    check(expect(said("Score: ", ("1", {"1": 0.8, "2": 0.2})), (1, 10)), 1.2, 1.0)


def test_reasons() -> None:
    low = said("Score: ", ("4", {"4": 0.3, "three": 0.7}))
    found = expect(low)
    assert (found.score, found.reason) == (None, "low_mass")
    assert found.mass == pytest.approx(0.3)
    assert expect(Completion("Score: 4", "stop", Usage(1, 1))).reason == "no_logprobs"
    assert expect(said("Score: 4.5")).reason == "no_logprobs"
    assert expect(said("other words", text="Score: 4")).reason == "no_logprobs"
    assert expect(said("Fine. ", ("4", {"4": 1.0}))).reason == "no_score"
    assert expect(said("Score: ", ("4", {"4": 1.0}), finish="length")).reason == "length"
    assert expect(said("Score: ", ("9", {"9": 1.0}))).reason == "out_of_range"


def test_a_mean_never_leaves_the_scale() -> None:
    thirds = {"5": 0.1 + 0.2, " 5": 0.3}
    assert expect(said("Score: ", ("5", thirds))).score == 5.0


def verdict(*tokens: Token, finish: str = "length") -> tuple[Parsed, Mapping[str, float]]:
    completion = said(*tokens, finish=finish)
    options = {"first": "m", "second": "M"}
    found, shares = expected_verdict(
        completion, lambda text: read(text, completion.finish_reason, "last_word", options, (0, 1))
    )
    return found, {str(name): p for name, p in shares.items()}


def test_the_likeliest_verdict() -> None:
    found, shares = verdict(("M", {"m": 0.6, "M": 0.3, "Both": 0.1}))
    assert found.verdict == "A"
    assert shares == pytest.approx({"A": 2 / 3, "B": 1 / 3})
    assert verdict(("Neither", {"Neither": 0.4, "M": 0.5, "m": 0.1}))[0].verdict == "B"
    assert verdict(("m", {"m": 0.4, "M": 0.4}))[0].verdict == "tie"
    assert verdict(("m", {"m": 0.2, "M": 0.2}))[0].reason == "low_mass"
    assert verdict("It is ", "neither", finish="stop")[0].reason == "no_verdict"
    found, shares = verdict("Why: long.\n\n", ("M", {"M": 0.9, "m": 0.1}), finish="stop")
    assert (found.verdict, shares["B"]) == ("B", pytest.approx(0.9))


def spec(**changes: object) -> JudgeSpec:
    return JudgeSpec.model_validate({**load_spec("additive5").model_dump(), **changes})


def test_a_judge_that_expects_asks_for_logprobs_and_records_the_mean() -> None:
    expecting = spec(aggregation="expected", draws=1)
    assert generate_config(expecting, 0).logprobs == TOP
    assert generate_config(spec(), 0).logprobs == 0
    completion = said("Fine.\nScore: ", ("4", {"4": 0.5, "3": 0.5}))
    judgment = to_judgment(expecting, "p", "r", 0, completion, "k")
    assert judgment.score == pytest.approx(3.5)
    assert to_judgment(spec(), "p", "r", 0, completion, "k").score == 4.0
    bare = Completion(completion.text, "stop", Usage(1, 1))
    assert to_judgment(expecting, "p", "r", 0, bare, "k").reason == "no_logprobs"


@pytest.mark.parametrize("scores", [[4, 4, 1], [0, 5]])
def test_the_mean_is_what_many_draws_would_give(scores: Sequence[int]) -> None:
    share = 1 / len(scores)
    likely: dict[str, float] = {}
    for score in scores:
        likely[str(score)] = likely.get(str(score), 0) + share
    mean = sum(scores) / len(scores)
    check(expect(said("Score: ", (str(scores[0]), likely))), mean, 1.0)
