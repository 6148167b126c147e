"""No text, however built, carries a control character through ``plain``."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from results.text import one_line, plain

HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            ["\x1b", "[", "]", "\x9b", "31m", ";", "\x07", "\\", "P", "\x9c", "\ud800"]
        ),
        st.characters(),
    )
).map("".join)


@given(HOSTILE)
def test_plain_leaves_no_control_and_is_idempotent(text: str) -> None:
    clean = plain(text)
    bad = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    assert not {ord(character) for character in clean} & (bad - {9, 10})
    assert plain(clean) == clean
    clean.encode()
    assert "\n" not in one_line(text)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"])))
def test_plain_keeps_ordinary_text(text: str) -> None:
    assert plain(text) == text
