"""Hostile text: what is removed, what stays."""

from __future__ import annotations

import time

import pytest

from results.text import excerpt, one_line, plain


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07x\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\", "xlink"),
        ("\x1bP1$r\x1b\\x\x1b(By\x1bcz", "xyz"),
        ("\x1b]never ended", "never ended"),
        ("\x1b\x1b[31m[31m", "[31m"),
        ("a\x08b\rc\x00\x7f\x85", "abc"),
        ("\u202eabc\u2066\u2069", "abc"),
        ("\u05e9\u200f \u00e9 \U0001f600", "\u05e9\u200f \u00e9 \U0001f600"),
        ("\ud800", "\ufffd"),
    ],
)
def test_plain(text: str, clean: str) -> None:
    assert plain(text) == clean


def test_plain_is_linear() -> None:
    started = time.perf_counter()
    plain("\x1b]" * 500_000 + "\x1b[" * 500_000)
    assert time.perf_counter() - started < 5


def test_one_line_and_excerpt() -> None:
    assert one_line(" a\n\x1b[m b\t") == "a b"
    assert excerpt("x" * 100, 10) == "xxxxxxx..."
    assert excerpt({"a": "\x1b"}) == "{'a': '\\x1b'}"
