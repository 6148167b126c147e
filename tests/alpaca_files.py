"""AlpacaEval files for tests: small ones made here, and where the real ones lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.real_data import real_data

MODELS = {  # -> the C that upstream's published fit had chosen
    "FuseChat-Gemma-2-9B-Instruct": 2.7826,
    "claude-2.1": 2.7826,
    "vicuna-7b-v1.5": 21.544,
    "gpt4_gamed": 21.544,
    "alpaca-7b_verbose": 166.81,
}


def annotations_name(model: str) -> str:
    """The file of the real annotations of one of ``MODELS`` by the official judge."""
    tail = "__with_glm_preference" if model.startswith("vicuna") else ""
    return f"{model}__weighted_alpaca_eval_gpt4_turbo{tail}.json.gz"


def annotations_of(model: str) -> Path:
    """Where it lies; without it the test is skipped."""
    return real_data("alpaca_eval", "annotations", annotations_name(model))


def row(prompt: str, preference: float | None, **more: Any) -> dict[str, Any]:
    """One annotation; ``more`` replaces its keys."""
    return {
        "instruction": prompt,
        "output_1": "the baseline's answer",
        "output_2": f"an answer to {prompt}",
        "generator_1": "base",
        "generator_2": "tested",
        "annotator": "judge",
        "dataset": "koala",
        "preference": preference,
        **more,
    }


def write(path: Path, rows: Any) -> Path:
    """``rows`` as JSON."""
    path.write_text(json.dumps(rows))
    return path


def baseline_row(prompt: str, output: str | None = None, **more: Any) -> dict[str, Any]:
    """A row of the baseline's ``model_outputs.json``."""
    said = f"the baseline on {prompt}" if output is None else output
    return {"instruction": prompt, "output": said, "generator": "base", "dataset": "koala", **more}
