"""Two calls that differ anywhere never share a key; text with everything in it comes back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from results.cache import Cached, CallCache, call_key

# A small alphabet with the marks of JSON in it: collisions by concatenation would show quickly.
PIECE = st.text(alphabet='a1":,[]{}\\\n', max_size=4)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": PIECE}),
    max_size=2,
)
CALL = st.tuples(
    PIECE,
    st.dictionaries(PIECE, st.one_of(PIECE, st.integers(0, 2), st.booleans()), max_size=2),
    st.one_of(PIECE, MESSAGES),
    st.integers(0, 11),
)


def same(first: Any, second: Any) -> bool:
    """Equality that tells 1 from True, at any depth."""
    return repr(normal(first)) == repr(normal(second))


def normal(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((key, normal(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return [normal(item) for item in value]
    return value


@settings(max_examples=300, deadline=None)
@given(CALL, CALL)
@example(("ab", {}, "c", 0), ("a", {}, "bc", 0))
@example(("m", {}, "c", 11), ("m", {}, "c1", 1))
@example(("m", {"a": 1}, "c", 0), ("m", {"a": True}, "c", 0))
def test_keys_are_equal_exactly_for_equal_calls(first: Any, second: Any) -> None:
    assert (call_key(*first) == call_key(*second)) == same(first, second)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(PIECE, st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_any_text_comes_back(texts: dict[str, str]) -> None:
    rows = {key: Cached(text, "stop", 1, 1) for key, text in texts.items()}
    with tempfile.TemporaryDirectory() as folder:
        with CallCache(Path(folder) / "c") as cache:
            cache.put_many(rows)
        with CallCache(Path(folder) / "c") as cache:
            assert cache.get_many(list(rows)) == rows
