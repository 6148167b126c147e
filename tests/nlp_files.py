"""Local files of small NLP tasks, made here: questions of a farm, no one's data."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

ANIMALS = ["cow", "goat", "hen", "duck", "pig", "horse", "sheep", "dog", "cat", "goose"]
FOODS = ["grass", "leaves", "grain", "bread", "roots", "hay", "clover", "meat", "fish", "weeds"]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """JSON Lines, gzipped where the name ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def arc_rows(n: int) -> list[dict[str, Any]]:
    """As ARC has them."""
    return [
        {
            "id": str(i),
            "question": f"What does {ANIMALS[i % 10]} number {i} eat?",
            "choices": {"text": [FOODS[(i + k) % 10] for k in range(4)], "label": list("ABCD")},
            "answerKey": "ABCD"[i * 7 % 4],
        }
        for i in range(n)
    ]


def siqa_rows(n: int) -> list[dict[str, Any]]:
    """As SIQA has them."""
    return [
        {"context": f"A {ANIMALS[i % 10]} lives on farm {i}.", "question": "What does it do?",
         "answerA": "eats", "answerB": f"sees {FOODS[i % 10]}", "answerC": "goes to sleep",
         "label": str(i * 5 % 3 + 1)}
        for i in range(n)
    ]  # fmt: skip


def mmlu_rows(part: str, n: int) -> list[dict[str, Any]]:
    """As MMLU has them."""
    return [
        {"question": f"{part}: {i} and 1?", "subject": part,
         "choices": [str(i + k) for k in range(4)], "answer": (i * 3 + len(part)) % 4}
        for i in range(n)
    ]  # fmt: skip


def gsm8k_rows(n: int) -> list[dict[str, Any]]:
    """As GSM8K has them."""
    return [{"question": f"A hen lays {i} eggs and 2 more. How many?", "answer": f"#### {i + 2}"}
            for i in range(n)]  # fmt: skip


def piqa_rows(n: int) -> list[dict[str, Any]]:
    """As PIQA has them."""
    return [{"goal": f"Feed {ANIMALS[i % 10]} {i}", "sol1": FOODS[i % 10], "sol2": "stone",
             "label": i % 2} for i in range(n)]  # fmt: skip


def write_folder(folder: Path) -> Path:
    """Local data of arc_easy, siqa, piqa, gsm8k and two parts of MMLU."""
    write_rows(folder / "arc_easy" / "validation.jsonl", arc_rows(30))
    write_rows(folder / "social_iqa" / "validation.jsonl.gz", siqa_rows(20))
    write_rows(folder / "piqa" / "validation.jsonl", piqa_rows(10))
    write_rows(folder / "gsm8k" / "train.jsonl", gsm8k_rows(6))
    write_rows(folder / "gsm8k" / "test.jsonl", gsm8k_rows(4))
    for part, n in (("formal_logic", 9), ("logical_fallacies", 12)):
        write_rows(folder / "mmlu" / part / "dev.jsonl", mmlu_rows(part, 5))
        write_rows(folder / "mmlu" / part / "test.jsonl", mmlu_rows(part, n))
    return folder
