"""MT-Bench's files in small: questions, references and judge prompts laid out as FastChat's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SINGLE = "Judge.\n[Question]\n{question}\n[Answer]\n{answer}\nSay [[rating]]."
SINGLE_MATH = "Judge.\n{question}\n[Reference]\n{ref_answer_1}\n[Answer]\n{answer}"
TWO = "U: {question_1}\nA: {answer_1}\nU: {question_2}\nA: {answer_2}"
TWO_MATH = (
    "U: {question_1}\nR: {ref_answer_1}\nU: {question_2}\nR: {ref_answer_2}\n---\n"
    "U: {question_1}\nA: {answer_1}\nU: {question_2}\nA: {answer_2}"
)
PAIR = "{question}\nA: {answer_a}\nB: {answer_b}"
PAIR_MATH = "{question}\nR: {ref_answer_1}\nA: {answer_a}\nB: {answer_b}"
PAIR_TWO = (
    "{question_1} A: {answer_a_1} {question_2} A: {answer_a_2}\n"
    "{question_1} B: {answer_b_1} {question_2} B: {answer_b_2}"
)
PAIR_TWO_MATH = "R: {ref_answer_1} {ref_answer_2}\n" + PAIR_TWO
PROMPTS = {
    "single-v1": SINGLE,
    "single-math-v1": SINGLE_MATH,
    "single-v1-multi-turn": TWO,
    "single-math-v1-multi-turn": TWO_MATH,
    "pair-v2": PAIR,
    "pair-math-v1": PAIR_MATH,
    "pair-v2-multi-turn": PAIR_TWO,
    "pair-math-v1-multi-turn": PAIR_TWO_MATH,
}
CATEGORIES = {81: "writing", 101: "reasoning", 111: "math", 131: "extraction", 141: "stem"}
QUESTIONS = [
    {"question_id": i, "category": name, "turns": [f"{name} one of {i}?", f"{name} two of {i}?"]}
    for i, name in CATEGORIES.items()
]


def question(i: int, turn: int) -> str:
    """The text of a question's turn 1 or 2."""
    return f"{CATEGORIES[i]} {('one', 'two')[turn - 1]} of {i}?"


def lines(path: Path, *objects: dict[str, Any] | str) -> Path:
    """Writes a line for each object; texts as they stand."""
    texts = [o if isinstance(o, str) else json.dumps(o) for o in objects]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def answer(i: int, *turns: str, model: str = "gpt-4") -> dict[str, Any]:
    """A line of a FastChat answer file."""
    return {"question_id": i, "answer_id": f"a{i}", "model_id": model, "tstamp": 1.5,
            "choices": [{"index": 0, "turns": list(turns)}]}  # fmt: skip


def write_files(folder: Path) -> dict[str, str]:
    """Writes the three files and returns them as options of the benchmark."""
    prompts = [
        {"name": name, "type": "pairwise" if name.startswith("pair") else "single",
         "system_prompt": f"You judge by {name}.", "prompt_template": template,
         "output_format": "[[A]]" if name.startswith("pair") else "[[rating]]"}
        for name, template in PROMPTS.items()
    ]  # fmt: skip
    references = [answer(i, f"first {i}", f"second {i}") for i in (101, 111)]
    return {
        "questions": str(lines(folder / "question.jsonl", *QUESTIONS)),
        "references": str(lines(folder / "reference.jsonl", *references)),
        "judge_prompts": str(lines(folder / "judge_prompts.jsonl", *prompts)),
    }
