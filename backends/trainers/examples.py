"""Prompts with answers as the token ids that one model is asked with and answers by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends.reasoning import CLOSE, Reasoning
from backends.tokens import (
    after_answer,
    as_messages,
    chat_turns,
    control_tokens,
    defused,
    with_answer,
)
from results.records import Message


class Examples:
    """What is trained is what is sampled: the ids of a prompt are those that the engine asks with,
    and those of the answer begin where it would answer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = control_tokens(tokenizer)
        self._after = after_answer(tokenizer)

    def ids(self, prompt: str | Sequence[Message], answer: str) -> tuple[list[int], list[int]]:
        """Ids of the prompt, and of the answer with what ends its turn.

        Templates show an answer that was given otherwise than they ask for it: they drop a thought
        that they open in the prompt, and cut texts at the tags of one. There the answer stands as
        the model writes it; an open thought is closed without words, since answers are kept without
        their reasoning.
        """
        answer = defused(answer, self._special)
        turns, asked = chat_turns(self._tokenizer, as_messages(prompt))
        shown = with_answer(self._tokenizer, turns, answer)
        if shown.startswith(asked) and answer.strip() in shown[len(asked) :]:
            rest = shown[len(asked) :]
        else:
            rest = ("\n" + CLOSE + "\n\n" if Reasoning.opened(asked) else "") + answer + self._after
        first, both = self._ids(asked), self._ids(asked + rest)
        # Some tokenizers join the last piece of a prompt with the first one of an answer.
        joined = both[: len(first)] != first
        return first, self._ids(rest) if joined else both[len(first) :]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
