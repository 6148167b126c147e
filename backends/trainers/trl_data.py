"""Records to the datasets that TRL trains on, with what is too long left out and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.tokens import as_messages, chat_turns, control_tokens, defused
from results.records import Example, Message, Pair
from results.store import read_jsonl


def _turns(tokenizer: Any, prompt: str | list[Message]) -> list[dict[str, str]]:
    """As the engine shows it: what is trained is what will be asked."""
    return chat_turns(tokenizer, as_messages(prompt))[0]


def _answer(text: str, special: list[str]) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": defused(text, special)}]


def load_dataset(kind: str, path: str, tokenizer: Any, max_length: int) -> tuple[Any, int]:
    """TRL's prompt-completion (``sft``) or preference (``dpo``) data, and how many were left out.

    TRL cuts what is longer than ``max_length`` at its end, which is where a judge's score stands;
    such examples are left out whole instead.
    """
    from datasets import Dataset

    special = control_tokens(tokenizer)
    rows: list[dict[str, Any]] = []
    if kind == "sft":
        for example in read_jsonl(Path(path), Example):
            rows.append(
                {
                    "prompt": _turns(tokenizer, example.prompt),
                    "completion": _answer(example.completion, special),
                }
            )
    else:
        for pair in read_jsonl(Path(path), Pair):
            rows.append(
                {
                    "prompt": _turns(tokenizer, pair.prompt),
                    "chosen": _answer(pair.chosen, special),
                    "rejected": _answer(pair.rejected, special),
                }
            )
    answers = ("completion",) if kind == "sft" else ("chosen", "rejected")
    kept = [
        row
        for row in rows
        if all(_length(tokenizer, row["prompt"] + row[key]) <= max_length for key in answers)
    ]
    return Dataset.from_list(kept), len(rows) - len(kept)


def _length(tokenizer: Any, messages: list[dict[str, str]]) -> int:
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])
