"""``annotations.json`` as alpaca-eval writes it, from judgments made here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.alpaca_eval2.annotations import Annotations
from judges.pointwise import cluster_of
from results.files import write_json
from results.records import PairJudgment


def write_annotations(
    path: Path, found: Annotations, judgments: Mapping[str, PairJudgment]
) -> None:
    """Writes ``annotation_rows`` to ``path``."""
    write_json(path, annotation_rows(found, judgments))


def annotation_rows(
    found: Annotations, judgments: Mapping[str, PairJudgment]
) -> list[dict[str, Any]]:
    """Returns the rows with what the judge said, so that upstream can parse it anew.

    Upstream's time stamps and prices are left out: the same judgments are the same rows.

    Args:
        found: the rows.
        judgments: by prompt id.
    """
    rows = []
    for row in found.rows:
        judgment = judgments[cluster_of(row.instruction)]
        rows.append(
            {
                "instruction": row.instruction,
                "output_1": row.output_1,
                "generator_1": row.generator_1,
                "dataset": row.dataset,
                "output_2": row.output_2,
                "generator_2": row.generator_2,
                "annotator": row.annotator,
                "preference": row.preference,
                "raw_completion": None if judgment.call is None else _completion(judgment),
            }
        )
    return rows


def _completion(judgment: PairJudgment) -> Any:
    """The answer as upstream keeps it: its text, or the whole choice where there are probabilities
    in it.
    """
    if judgment.logprobs is None:
        return judgment.text
    tokens = [
        {
            "token": token,
            "logprob": dict(top).get(token),
            "top_logprobs": [{"token": other, "logprob": logprob} for other, logprob in top],
        }
        for token, top in judgment.logprobs
    ]
    return {
        "finish_reason": judgment.finish_reason,
        "index": 0,
        "logprobs": {"content": tokens},
        "message": {"content": judgment.text, "role": "assistant"},
        "text": judgment.text,
    }
