"""A server's whole reply: what of it is used, what is learned, what is thrown away and counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backends.engines.dialect import Dialect, NoLogprobs
from backends.engines.engine import GenerateConfig, Usage
from backends.engines.openai_chat import OpenAIEngine
from backends.engines.reply import Outcome, count_stranger, read_reply
from results.errors import SrlmError

KEY = "sk-secret-0123456789"
CONFIG = GenerateConfig(max_tokens=50)
SPENT = {"prompt_tokens": 7, "completion_tokens": 5}


def choices(*texts: str, reason: str | None = "stop", **more: Any) -> list[dict[str, Any]]:
    return [{"message": {"content": t}, "finish_reason": reason, **more} for t in texts]


def read(body: Any, dialect: Dialect | None = None, draws: int = 1,
         config: GenerateConfig = CONFIG, **options: Any) -> Outcome:  # fmt: skip
    return read_reply(terms(**options), dialect or Dialect(), body, draws, config)


def terms(**options: Any) -> Any:
    found = OpenAIEngine("m", base_url="http://127.0.0.1:1/v1", **options)._terms
    found.key = KEY
    return found


def test_a_text_that_holds_the_json_is_read_too() -> None:
    text = "\ufeff" + json.dumps({"choices": choices("Good."), "usage": SPENT})
    (done,) = read(text).done or []
    assert (done.text, done.usage) == ("Good.", Usage(7, 5))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"choices": [], "usage": SPENT}, "without choices"),
        ({"error": {"message": f"no server for {KEY}"}, "usage": SPENT}, r"choices: no .* \*\*\*"),
        ({"error": "busy", "usage": SPENT}, "without choices: busy"),
        ({"choices": {"a": 1}, "usage": SPENT}, "choices of type dict"),
        ({"choices": choices("Good."), "model": f"for {KEY}", "usage": SPENT}, r"by .* for \*\*\*"),
        ({"choices": choices("", reason=f"as {KEY}"), "usage": SPENT}, r"finish_reason .*\*\*\*"),
        ({"choices": choices("x", reason="error", error={"message": "cut off"}), "usage": SPENT},
         "'error': cut off"),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_used_says_why_and_what_it_took(body: Any, why: str) -> None:
    import re

    found = read(body)
    assert found.done is None and found.kind == "discarded"
    assert re.search(why, found.why) and KEY not in found.why
    assert found.usage == Usage(7, 5)


@pytest.mark.parametrize("body", ["[" * 200_000, "null", None, [1], "<html>", {"error": {}}])
def test_what_is_no_answer_at_all_took_nothing(body: Any) -> None:
    found = read(body)
    assert (found.done, found.kind, found.usage) == (None, "failed", Usage(0, 0))


def beside(top: Any) -> dict[str, Any]:
    at = {"token": "a", "logprob": -0.1} | ({} if top is None else {"top_logprobs": top})
    return {"choices": choices("a", logprobs={"content": [at]})}


@pytest.mark.parametrize(
    "given",
    [[1], {"content": [7]}, 5, {"content": [{"token": "a", "top_logprobs": [{"token": "a"}]}]},
     beside([{"token": "a", "logprob": -(10**400)}])["choices"][0]["logprobs"],
     beside([{"token": "a", "logprob": float("inf")}])["choices"][0]["logprobs"]],
)  # fmt: skip
def test_log_probabilities_of_another_form_are_unreadable(given: Any) -> None:
    body = {"choices": choices("a", logprobs=given)}
    assert "unreadable" in read(body, config=GenerateConfig(max_tokens=8, logprobs=5)).why


@pytest.mark.parametrize("top", [None, []])
def test_alternatives_that_are_missing_mean_that_the_server_gives_none(top: Any) -> None:
    with pytest.raises(NoLogprobs):
        read(beside(top), config=GenerateConfig(max_tokens=8, logprobs=5))


def test_the_key_among_the_tokens_is_stars_also_in_pieces() -> None:
    def at(token: str, *others: str) -> dict[str, Any]:
        top = [{"token": t, "logprob": -1.0} for t in (token, *others)]
        return {"token": token, "logprob": -1.0, "top_logprobs": top}

    content = [at("3", KEY), at(KEY[:4]), at(KEY[4:], "x"), at("!")]
    body = {"choices": choices(f"3{KEY}!", logprobs={"content": content})}
    (done,) = read(body, config=GenerateConfig(max_tokens=8, logprobs=5)).done or []
    assert done.text == "3***!" and done.logprobs is not None
    assert [t.token for t in done.logprobs] == ["3", "***", "***", "!"]
    assert [t.top for t in done.logprobs[1:3]] == [(), ()]
    assert [token for token, _ in done.logprobs[0].top] == ["3", "***"]


@pytest.mark.parametrize("key", ["3", "x", "none", "EMPTY", "no-key-required", "Not-Needed"])
def test_a_word_that_is_no_secret_stays_in_answers(key: str) -> None:
    ours = terms()
    ours.key = key
    text = f"{key} of them\nScore: 3"
    (done,) = read_reply(ours, Dialect(), {"choices": choices(text)}, 1, CONFIG).done or []
    assert done.text == text


def test_a_key_that_a_line_is_cleaned_of_its_parts_from_is_not_told() -> None:
    assert KEY not in terms().without_key(f"bad {KEY[:5]}\x1b[0m{KEY[5:]}")


def test_an_end_that_is_not_known_is_taken_and_said() -> None:
    found = read({"choices": choices("Good.", reason=f"as {KEY}")})
    assert found.done is not None and found.done[0].finish_reason == "stop"
    assert len(found.notes) == 1 and "may be cut" in found.notes[0] and KEY not in found.notes[0]


def count(found: Outcome, dialect: Dialect) -> None:
    """As the live path counts, which can still spare calls; a batch is paid already."""
    assert found.kind == "discarded" and found.stranger is not None
    count_stranger(terms(), dialect, found.stranger)


def test_answers_by_another_name_alone_end_the_run_after_a_few() -> None:
    dialect, body = Dialect(), {"choices": choices("Good."), "model": f"other {KEY}"}
    for _ in range(2):
        count(read(body, dialect), dialect)
    with pytest.raises(SrlmError, match=r"all 3 answers so far are by other \*\*\*; .*answers_as"):
        count(read(body, dialect), dialect)


def test_names_that_change_end_the_run_later() -> None:
    dialect = Dialect()
    with pytest.raises(SrlmError, match="all 10 answers so far are by a0, a1"):
        for i in range(10):
            count(read({"choices": choices("Good."), "model": f"a{i}"}, dialect), dialect)


def test_other_names_among_good_answers_are_single_faults() -> None:
    dialect = Dialect()
    assert read({"choices": choices("Good."), "model": "m"}, dialect).done
    for _ in range(20):
        count(read({"choices": choices("Good."), "model": "other"}, dialect), dialect)


def test_the_name_that_the_user_gives_is_the_model_s_own() -> None:
    body = {"choices": choices("Good."), "model": "gpt-x-2026-01-01"}
    assert read(body, answers_as="GPT-x").done
    assert read({"choices": choices("Good."), "model": "M"}, answers_as="gpt-x").done


def test_the_same_text_for_all_draws_is_one_answer() -> None:
    dialect, body = Dialect(), {"choices": choices("Good.", "Good."), "usage": SPENT}
    for notes in (0, 0, 1):
        found = read(body, dialect, draws=2)
        assert found.done is not None and len(found.done) == 1
        assert (found.done[0].usage, found.usage) == (Usage(7, 3), Usage(0, 2))
        assert len(found.notes) == notes
    assert dialect.one_draw


def test_equal_draws_are_kept_where_the_server_draws_or_none_can_differ() -> None:
    same = {"choices": choices("Good.", "Good.")}
    drawing = Dialect()
    read({"choices": choices("Good.", "Bad.")}, drawing, draws=2)
    greedy = GenerateConfig(temperature=0, max_tokens=50)
    for _ in range(4):
        assert len(read(same, drawing, draws=2).done or []) == 2
        assert len(read(same, draws=2, config=greedy).done or []) == 2
