"""What a server's answer says of itself: by which model it is, how many tokens it took."""

from __future__ import annotations

import pytest

from backends.engines.dialect import Unusable, read_answer, same_model, shares
from backends.engines.engine import GenerateConfig, Usage


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-x", "gpt-x-2026-01-01", True),
        ("vendor/gpt-x", "gpt-x", True),
        ("/data/run/checkpoint", "/data/run/checkpoint@main", True),
        ("gpt-x", None, True),
        ("gpt-x", "gpt-y", False),
        ("gpt-x-mini", "gpt-x", False),
        ("gpt-x", "gpt-x-mini", False),
        ("gpt-x", "gpt-xl", False),
        ("vendor/gpt-x", "other/gpt-x-1B", False),
        ("gpt-x", "gpt-x-0613", True),
        ("gpt-x-latest", "gpt-x-2411", True),
        ("gpt-x", "vendor/gpt-x:free", True),
    ],
)
def test_which_names_are_the_same_model(asked: str, answered: str | None, same: bool) -> None:
    assert same_model(asked, answered) is same


@pytest.mark.parametrize("given", [-5, 10**30, 5.5, True, None, "7"])
def test_a_count_of_tokens_that_cannot_be_one_is_none(given: object) -> None:
    usage = {"prompt_tokens": given, "completion_tokens": 9}
    assert shares(usage, 2) == [Usage(0, 5), Usage(0, 4)]


@pytest.mark.parametrize(
    "choice",
    [
        None,
        "text",
        ["text"],
        {"message": None, "finish_reason": "stop"},
        {"message": ["text"], "finish_reason": "stop"},
        {"message": {"content": ["text"]}, "finish_reason": "stop"},
        {"message": {"content": "text"}},
        {"message": {"content": "text"}, "finish_reason": ["stop"]},
        {"text": 7, "finish_reason": "stop"},
    ],
)
def test_a_choice_of_another_form_is_unusable(choice: object) -> None:
    with pytest.raises(Unusable):
        read_answer(choice, Usage(1, 1), GenerateConfig(max_tokens=8))


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"message": {"content": " Good. "}}, "Good."),
        ({"text": "Good.END More."}, "Good."),
        ({"message": {"content": None}}, ""),
        ({"message": {"reasoning_content": "Hm."}}, ""),
        ({"message": {"content": "<think>Hm.</think>Good."}}, "Good."),
    ],
)
def test_the_text_of_a_choice(choice: dict[str, object], text: str) -> None:
    config = GenerateConfig(max_tokens=8, stop=("END",))
    done = read_answer(choice | {"finish_reason": "stop"}, Usage(1, 1), config)
    assert (done.text, done.finish_reason) == (text, "stop")


@pytest.mark.parametrize("given", [[1], {"content": [{"token": "a"}]}, {"content": [7]}, 5])
def test_log_probabilities_of_another_form_raise_what_a_call_catches(given: object) -> None:
    choice = {"message": {"content": "a"}, "finish_reason": "stop", "logprobs": given}
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        read_answer(choice, Usage(1, 1), GenerateConfig(max_tokens=8, logprobs=5))
