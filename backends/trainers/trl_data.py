"""Records to the datasets that TRL trains on, with what is too long left out and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.trainers.examples import Examples
from results.records import Example, Pair
from results.store import read_jsonl

MASKED = -100  # no loss on these labels


def load_dataset(kind: str, path: str, tokenizer: Any, max_length: int) -> tuple[Any, int]:
    """The token ids that TRL trains on, and how many examples were left out.

    Ids and not texts: TRL would render prompt and answer by the template alone, which is not
    always what a prompt is followed by. Columns are those that TRL makes of texts: ``input_ids``
    and ``labels`` (``sft``), ``prompt_ids``, ``chosen_ids`` and ``rejected_ids`` (``dpo``).

    TRL cuts what is longer than ``max_length`` at its end, which is where a judge's score stands;
    such examples are left out whole instead.
    """
    from datasets import Dataset

    made = Examples(tokenizer)
    rows: list[dict[str, list[int]]] = []
    of = 0
    if kind == "sft":
        for example in read_jsonl(Path(path), Example):
            of += 1
            prompt, answer = made.ids(example.prompt, example.completion)
            if len(prompt) + len(answer) <= max_length:
                labels = [MASKED] * len(prompt) + answer
                rows.append({"input_ids": prompt + answer, "labels": labels})
    else:
        for pair in read_jsonl(Path(path), Pair):
            of += 1
            prompt, chosen = made.ids(pair.prompt, pair.chosen)
            _, rejected = made.ids(pair.prompt, pair.rejected)
            if len(prompt) + max(len(chosen), len(rejected)) <= max_length:
                ids = {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}
                rows.append(ids)
    return Dataset.from_list(rows), of - len(rows)
