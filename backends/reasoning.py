"""The reasoning that some models write before their answer, between tags of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OPEN, CLOSE = "<think>", "</think>"
TAIL = 8  # tokens at a prompt's end in which a template may have opened the reasoning


class Reasoning:
    """Tells reasoning from answer in what one model writes.

    Only where the model's own template or vocabulary knows the tags: elsewhere they are text.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        known = tokenizer.get_vocab()
        self.known = CLOSE in known or CLOSE in (tokenizer.chat_template or "")
        self._close: int | None = known.get(CLOSE)

    def answer(self, prompt: Sequence[int], written: Sequence[int]) -> list[int] | None:
        """The tokens of the answer: those after the reasoning, all where there is none, and null
        where the reasoning has not come to an end.

        Args:
            prompt: token ids; a template may open the reasoning at its end.
            written: token ids that followed, without the token that ends the turn.
        """
        tokens = list(written)
        if not self.known:
            return tokens
        for end in range(len(tokens), 0, -1):
            if tokens[end - 1] == self._close or (
                self._close is None and self._text(tokens[:end]).endswith(CLOSE)
            ):
                return tokens[end:]
        opened = self._text(prompt[-TAIL:]).rstrip().endswith(OPEN)
        return None if opened or self._text(tokens).lstrip().startswith(OPEN) else tokens

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False))
