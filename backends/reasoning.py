"""The reasoning that some models write before their answer, between tags of their own."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from backends.tokens import template_of

OPEN, CLOSE = "<think>", "</think>"
TAIL = 8  # tokens at a prompt's end in which a template may have opened the reasoning


class Reasoning:
    """Tells reasoning from answer in what one model writes.

    Only where the model's own template or vocabulary knows the tags: elsewhere they are text.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        known = tokenizer.get_vocab()
        self.known = CLOSE in known or CLOSE in template_of(tokenizer)
        self._close: int | None = known.get(CLOSE)

    def answer(self, prompt: Sequence[int], written: Sequence[int]) -> list[int] | None:
        """The tokens of the answer: those after the reasoning, all where none was begun, and null
        where it has not come to an end.

        Args:
            prompt: token ids; a template may open the reasoning at its end.
            written: token ids that followed, without the token that ends the turn.
        """
        tokens = list(written)
        if not self.known:
            return tokens
        text = self._text(tokens)
        if not (self.opened(self._text(prompt[-TAIL:])) or text.lstrip().startswith(OPEN)):
            return tokens  # it may still speak of the tags
        if self._close in tokens:
            return tokens[tokens.index(self._close) + 1 :]
        if CLOSE not in text:
            return None
        # The tag is several tokens: the first place by which all of it is there.
        end = bisect_left(range(len(tokens)), True, key=lambda n: CLOSE in self._text(tokens[:n]))
        return tokens[end:]

    @staticmethod
    def opened(prompt: str) -> bool:
        """Whether a prompt's text ends within a thought that it has opened."""
        return prompt.rstrip().endswith(OPEN)

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False))
