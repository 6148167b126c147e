"""Evaluation folders with right or wrong answers, as a benchmark leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from results.records import Evaluated, Unscored, Value
from results.stats import ratio_metric
from results.store import RecordFile, write_json


def evaluation(
    folder: Path, model: str, rights: Mapping[str, Sequence[Any]], convention: str = "acc, 0 shots",
    **about: Any,
) -> Path:  # fmt: skip
    """Writes metrics.json and values.jsonl of ``model``; ``rights`` has 0 or 1 by task."""
    values = {
        task: [
            Value(prompt_id=f"{task}/{i}", metric=task, num=float(x), cluster=f"{task}/{i}")
            for i, x in enumerate(answers)
        ]
        for task, answers in rights.items()
    }
    RecordFile(folder / "values.jsonl", Value).replace([v for own in values.values() for v in own])
    evaluated = Evaluated(
        **{
            "model": model, "benchmark": "nlp", "identity": model, "data": "d", "judge": None,
            "judge_is_judged": False, "judge_spec": None, "judge_model": None, "baseline": None,
            "n": sum(map(len, values.values())), "unscored": Unscored(),
            "metrics": {t: ratio_metric(t, v, len(v), convention) for t, v in values.items()},
            **about,
        }
    )  # fmt: skip
    write_json(folder / "metrics.json", evaluated.model_dump())
    return folder
