"""What a server's answer says of itself: by which model it is, how many tokens it took."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backends.engines.dialect import same_model, shares
from backends.engines.engine import Usage


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
    usage = SimpleNamespace(prompt_tokens=given, completion_tokens=9)
    assert shares(usage, 2) == [Usage(0, 5), Usage(0, 4)]
