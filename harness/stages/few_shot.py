"""How a model is asked for a new instruction, and what is read in its answer."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from backends.engines.engine import Completion, GenerateConfig, Request
from backends.tokens import as_messages
from harness.config import Prompts
from results.records import Conversation, Example

_NUMBER = re.compile(r"\A(?:\d{1,3}[.):]|[-*•])(?:\s+|$)")
_INTRODUCTION = re.compile(
    r"\A[*_]*(?:"
    # "Sure! Here is a new instruction for you:"
    r"(?:sure|certainly|of course|absolutely|okay|ok|here)\b[^:]{0,80}"
    r"\b(?:instruction|request|task|prompt|one|you go)\b[^:]{0,20}"
    # "Instruction 9:"
    r"|(?:new )?(?:instruction|request|task|prompt)\s*#?\d*\s*"
    r"):[*_\s]*",
    re.IGNORECASE,
)
READ = 100_000  # characters of an answer; no instruction is behind megabytes of something else
_QUOTES = (("**", "**"), ('"', '"'), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"), ("«", "»"))


def instructions(ift: Sequence[Example]) -> list[str]:
    """The different instructions of the seed data a line each as models write, sorted."""
    return sorted({" ".join(text.split()) for e in ift if (text := _one_turn(e.prompt))})


def _one_turn(prompt: str | Conversation) -> str | None:
    """The text of a prompt that is one user turn; a longer conversation is no instruction."""
    if isinstance(prompt, str):
        return prompt
    return prompt[0].content if len(prompt) == 1 and prompt[0].role == "user" else None


def few_shot(config: Prompts, seeds: Sequence[str], written: Sequence[str], seed: str) -> Request:
    """Shows ``shots`` of ``seeds`` and ``generated_shots`` of ``written``, drawn and put in order
    by ``seed``. Too few written ones: more seeds, as far as there are.
    """
    draw = random.Random(f"prompts:{seed}")
    ours = min(config.generated_shots, len(written))
    theirs = min(config.shots + config.generated_shots - ours, len(seeds))
    shown = draw.sample(seeds, theirs)
    if ours:
        shown += draw.sample(written, ours)
        draw.shuffle(shown)
    listed = "\n".join(f"{i}. {text}" for i, text in enumerate(shown, 1))
    if config.form == "completion":
        return Request(f"{listed}\n{len(shown) + 1}.")
    return Request(
        as_messages(
            f"These are {len(shown)} requests that people made to an assistant:\n\n{listed}\n\n"
            "Think of one more request, of another kind and about something else than all of "
            "these. It has to make sense by itself, without any text or picture beside it, and "
            "it can be met in writing. Answer with the new request and nothing else, on one line."
        )
    )


def decoding(config: Prompts, seed: int) -> GenerateConfig:
    """A completion ends with its line; a chat answer may begin with an empty one."""
    stop = ("\n",) if config.form == "completion" else ()
    return GenerateConfig(**config.decoding.model_dump(), stop=stop, seed=seed)


def read_answer(config: Prompts, done: Completion) -> tuple[str, str | None]:
    """The instruction in a model's answer, on one line, and why it is none (null: it may be one).

    Of a chat answer the first line counts that says something, without a list number, a label or
    introduction, quotes or emphasis around it. A line that ends in a colon lacks what should
    follow: no instruction.
    """
    if done.finish_reason == "error":
        return " ".join(done.text.split()), "error"
    cut = done.finish_reason != "stop"
    if config.form == "completion":
        return " ".join(done.text.split()), "unterminated" if cut else None
    cut |= len(done.text) > READ
    lines = done.text[:READ].splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if text := _bare(" ".join(line.split())):
            if cut and number == len(lines) and line.splitlines()[0] == line:
                return text, "unterminated"
            return text, "no_instruction" if text.endswith(":") else None
    if cut:
        return "", "unterminated"
    return "", "no_instruction" if done.text.strip() else None


def _bare(line: str) -> str:
    """``line`` without what surrounds an instruction: four layers of it at most."""
    for _ in range(4 if line else 0):
        line = _INTRODUCTION.sub("", _NUMBER.sub("", line))
        for begin, end in _QUOTES:
            inner = line[len(begin) : len(line) - len(end)]
            if line.startswith(begin) and line.endswith(end) and begin not in inner:
                line = inner.strip()
    return line
