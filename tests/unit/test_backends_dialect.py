"""What a server's answer says of itself: by which model it is, how many tokens it took."""

from __future__ import annotations

import pytest

from backends.engines.dialect import Unusable, ending, read_answer, same_model, shares
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
        ("Vendor/GPT-x", "vendor/gpt-X-0613", True),
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
        {"message": {"content": [{"type": "text"}]}, "finish_reason": "stop"},
        {"message": {"content": "text"}, "finish_reason": ["stop"]},
        {"message": {"content": "text"}, "finish_reason": "error"},
        {"message": {"content": ""}},
        {"text": 7, "finish_reason": "stop"},
        {"delta": {"content": "text"}, "finish_reason": "stop"},
        {"finish_reason": "stop"},
        *({"message": {"content": x}, "finish_reason": "stop"} for x in (0, False, {})),
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
        ({"message": None, "text": "Good."}, "Good."),
        (
            {
                "message": {
                    "content": [
                        {"type": "text", "text": "Go"},
                        {"type": "thinking"},
                        {"type": "text", "text": "od."},
                    ]
                }
            },
            "Good.",
        ),
        ({"message": {"content": None, "refusal": "I will not."}}, "I will not."),
    ],
)
def test_the_text_of_a_choice(choice: dict[str, object], text: str) -> None:
    config = GenerateConfig(max_tokens=8, stop=("END",))
    done = read_answer(choice | {"finish_reason": "stop"}, Usage(1, 1), config)
    assert (done.text, done.finish_reason) == (text, "stop")


def test_reasoning_may_be_counted_in_the_total_alone() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1015}
    assert shares(usage, 1) == [Usage(10, 1005)]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        *((x, "stop") for x in ("eos", "eos_token", "stop_sequence", "end_turn", "tool_calls")),
        *((x, "length") for x in ("max_tokens", "model_length", "MAX_TOKENS")),
        ("content_filter: hate", "error"),
        (None, "stop"),
        ("finished", "stop"),
    ],
)
def test_how_servers_name_the_end_of_an_answer(said: str | None, reason: str) -> None:
    choice = {"message": {"content": "Good."}, "finish_reason": said}
    config = GenerateConfig(max_tokens=8)
    assert read_answer(choice, Usage(1, 3), config).finish_reason == reason
    if ending(said) is None:  # then all tokens mean that it was cut
        assert read_answer(choice, Usage(1, 8), config).finish_reason == "length"
