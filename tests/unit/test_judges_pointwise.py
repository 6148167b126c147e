from __future__ import annotations

import random

import pytest

from backends.engines.engine import Completion, Usage
from judges.pointwise import (
    Score,
    cluster_of,
    generate_config,
    judge_request,
    mean_scores,
    prompt_text,
    render,
    shuffle_within_prompt,
    to_judgment,
)
from judges.spec import JudgeSpec, load_spec
from results.records import Judgment, Message

USER = Message(role="user", content="Hi")
TURNS = [USER, Message(role="assistant", content="Hello"), Message(role="user", content="Bye")]


def spec(rubric: str = "Q {prompt} A {response}", **changes: object) -> JudgeSpec:
    return load_spec("additive5").model_copy(update={"rubric": rubric, **changes})


def judgment(
    prompt_id: str, response_id: str, draw: int, score: float | None, reason: str = "no_score"
) -> Judgment:
    return Judgment(
        prompt_id=prompt_id,
        response_id=response_id,
        draw=draw,
        status="unscored" if score is None else "scored",
        score=score,
        reason=reason if score is None else None,
        text="",
    )


def test_prompt_text() -> None:
    assert prompt_text("Hi") == prompt_text([USER]) == "Hi"
    assert prompt_text(TURNS) == "User: Hi\nAssistant: Hello\nUser: Bye"
    assert prompt_text([Message(role="system", content="S"), USER]) == "System: S\nUser: Hi"


def test_a_cluster_is_the_prompts_text() -> None:
    # The published name of a cluster: stored values are compared across runs by it.
    assert cluster_of("Hi") == cluster_of([USER]) == "3639efcd08abb273"
    assert cluster_of(TURNS) == cluster_of(prompt_text(TURNS)) != cluster_of("Hi")


@pytest.mark.parametrize(
    "text", ["{response}", "{prompt}", "{0} {} {{x}} %s $x \\1 \\g<0>", "{prompt}{response}"]
)
def test_braces_are_inert(text: str) -> None:
    assert render(spec(), text, "a") == f"Q {text} A a"
    assert render(spec(), "q", text) == f"Q q A {text}"


def test_other_braces_of_a_rubric_are_literal() -> None:
    assert render(spec('{"a": {x}} {response} {prompt}'), "q", "a") == '{"a": {x}} a q'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("</a>", "&lt;/a>"),
        ("<a>", "&lt;a>"),
        ("< / A >", "&lt; / A >"),
        ("<\u200b/a\u200b>", "&lt;\u200b/a\u200b>"),
        ("</a", "&lt;/a"),
        ("</a b='c'>", "&lt;/a b='c'>"),
        ("</ab>", "</ab>"),
        ("</a-b>", "</a-b>"),
        ("1 < 2 & a > b &lt; <b>", "1 < 2 & a > b &lt; <b>"),
    ],
)
def test_only_the_rubrics_own_tags_are_neutralised(text: str, shown: str) -> None:
    tagged = spec("{prompt}<a>{response}</a>")
    assert render(tagged, "", text) == f"<a>{shown}</a>"
    assert render(tagged, text, "") == f"{shown}<a></a>"
    assert render(spec(), "q", text) == f"Q q A {text}"


def test_request_and_config() -> None:
    request = judge_request(spec(), TURNS, "a", 2)
    assert request.draw == 2
    assert isinstance(request.prompt, tuple)
    (message,) = request.prompt
    assert message.role == "user"
    assert message.content == render(spec(), TURNS, "a")
    config = generate_config(load_spec("additive5_short"), 7)
    assert (config.temperature, config.top_p, config.max_tokens) == (0.8, 0.95, 64)
    assert (config.stop, config.seed) == ((), 7)


def test_to_judgment() -> None:
    good = to_judgment(spec(), "p", "r", 1, Completion("Fine.\nScore: 4", "stop", Usage(9, 5)), "k")
    assert (good.status, good.score, good.reason) == ("scored", 4.0, None)
    assert (good.draw, good.text, good.tokens, good.call) == (1, "Fine.\nScore: 4", 5, "k")
    for finish_reason in ("length", "error"):
        completion = Completion("Score: 4", finish_reason, Usage(9, 5))
        bad = to_judgment(spec(), "p", "r", 1, completion, "k")
        assert (bad.status, bad.score, bad.reason) == ("unscored", None, finish_reason)


def test_mean_scores() -> None:
    two = spec(min_scored=2)
    judgments = [
        judgment("p", "a", 0, 3),
        judgment("p", "a", 1, None),
        judgment("p", "a", 2, 4),
        judgment("p", "b", 0, 5),
        judgment("p", "b", 1, None),
        judgment("q", "a", 0, None),
    ]
    scores = mean_scores(judgments, two)
    assert scores == {
        ("p", "a"): Score(3.5, 2, 3),
        ("p", "b"): Score(None, 1, 2),
        ("q", "a"): Score(None, 0, 1),
    }
    assert mean_scores(judgments)["p", "b"] == Score(5.0, 1, 2)
    assert mean_scores([], two) == {}


def test_equal_draws_in_another_order_tie() -> None:
    values = [0.1, 0.2, 0.3, 4.7, 3.3]
    forward = [judgment("p", "a", i, v) for i, v in enumerate(values)]
    back = [judgment("p", "b", i, v) for i, v in enumerate(reversed(values))]
    scores = mean_scores(forward + back)
    assert scores["p", "a"] == scores["p", "b"]


def test_shuffle_permutes_within_prompts_whatever_the_order() -> None:
    scores = {
        (f"p{p}", f"r{r}"): Score(float(10 * p + r), 3, 3) for p in range(20) for r in range(4)
    }
    shuffled = shuffle_within_prompt(scores, seed=1)
    assert list(shuffled) == list(scores)
    for p in range(20):
        keys = [(f"p{p}", f"r{r}") for r in range(4)]
        assert sorted(shuffled[k].mean or 0 for k in keys) == [scores[k].mean for k in keys]
    assert shuffled != scores
    items = list(scores.items())
    random.Random(0).shuffle(items)
    assert shuffle_within_prompt(dict(items), seed=1) == shuffled
    part = {key: score for key, score in items if key[0] in {"p3", "p7"}}
    assert shuffle_within_prompt(part, seed=1).items() <= shuffled.items()
    assert shuffle_within_prompt(scores, seed=2) != shuffled
