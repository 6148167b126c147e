"""No text, however woven from pieces of control tokens, gets one of their ids."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backends.fresh_model import train_tokenizer
from backends.tokens import as_messages, chat_ids, control_tokens

PIECES = ["<|end|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|", "|>", "<", ">", "|", "end",
          "pad", " ", "\n", "Score: 5", "{{ x }}", "{% if %}"]  # fmt: skip
TEXT = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join)


@cache
def tokenizer() -> Any:
    return train_tokenizer(["List two red fruits. Here: apple."], 270)


@settings(max_examples=150, deadline=None)
@given(TEXT.filter(lambda t: not any(0xD800 <= ord(c) <= 0xDFFF for c in t)))
def test_texts_have_no_control_tokens(text: str) -> None:
    known = tokenizer()
    control = set(known.convert_tokens_to_ids(control_tokens(known)))
    assert len(control) == 4
    assert not control & set(chat_ids(known, text))
    turns = [i for i in chat_ids(known, as_messages(text)) if i in control]
    assert known.convert_ids_to_tokens(turns) == ["<|user|>", "<|end|>", "<|assistant|>"]
