"""From one judge to another: how far two annotators of the same pairs of outputs agree.

The official judge of a published leaderboard may be gone. Pairs that it judged, judged again by
another, say how far the new one's figures can stand for its own: agreement by prompt, the offset of
the win rate, and whether both order the models alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alpaca_eval2.annotations import Annotation, Annotations, read_annotations
from results.errors import SrlmError
from results.records import Metric, Value
from results.stats import Array, interval, ratio_metric
from results.text import excerpt

ROUNDS = 1000  # of the rank correlation, which is computed anew in each


@dataclass(frozen=True)
class Judged:
    """One pair of outputs that both annotators judged, as P(model beats baseline)."""

    model: str
    prompt: str
    before: float
    after: float


def bridge(official: Path, other: Path, seed: int = 0) -> dict[str, Any]:
    """``{"benchmark", "judge", "bridge", "baseline", "models", "n", "metrics"}`` of two stored
    annotations of the same pairs.

    ``judge`` is the annotator of ``official``, ``bridge`` that of ``other``. Metrics:
    ``agreement`` (the same side preferred, or a draw in both), ``offset`` (win rate by the new one
    minus that by the old), ``win_rate_before``, ``win_rate_after``, ``model_kendall_tau``
    (tau-b between the models' win rates, null below three models) and ``offsets`` by model.
    Intervals resample prompts.

    Raises:
        SrlmError: the files share no pair, or show other outputs for one prompt; one has several
            annotators, or both have the same one.
    """
    old, new = read_annotations(official), read_annotations(other)
    before, after = annotator_of(official, old), annotator_of(other, new)
    refuse_same(other, before, after)
    pairs, of = _shared(official, old, other, new)
    models = list(dict.fromkeys(pair.model for pair in pairs))
    metrics: dict[str, Any] = {
        "agreement": _ratio(
            "agreement",
            [(pair, float(_side(pair.before) == _side(pair.after))) for pair in pairs],
            of,
            "the same side preferred, or a draw in both; pooled over models",
            seed,
        ),
        "offset": _ratio(
            "offset",
            [(pair, pair.after - pair.before) for pair in pairs],
            of,
            "win rate by the new judge minus that by the old one",
            seed,
        ),
        "win_rate_before": _ratio(
            "win_rate_before", [(p, p.before) for p in pairs], of, "by the old judge", seed
        ),
        "win_rate_after": _ratio(
            "win_rate_after", [(p, p.after) for p in pairs], of, "by the new judge", seed
        ),
        "model_kendall_tau": _rank_correlation(pairs, models, seed),
    }
    if len(models) > 1:
        metrics["offsets"] = {
            model: _ratio(
                model,
                [(p, p.after - p.before) for p in pairs if p.model == model],
                sum(len(found.rows) for found in old if found.model == model),
                "win rate by the new judge minus that by the old one",
                seed,
            )
            for model in models
        }
    return {
        "benchmark": "alpaca_eval2",
        "judge": before,
        "bridge": after,
        "baseline": ", ".join(dict.fromkeys(found.baseline for found in old)),
        "models": models,
        "n": len(pairs),
        "metrics": metrics,
    }


def refuse_same(where: Path | str, before: str, after: str) -> None:
    """Raises SrlmError where both judges are one."""
    if before == after:
        raise SrlmError(
            f"{where}: the annotator is {excerpt(before)!r} in both, expected another; give "
            "annotations of the new judge"
        )


def annotator_of(path: Path, found: Sequence[Annotations]) -> str:
    """The one annotator of a file; SrlmError where there are several."""
    names = list(dict.fromkeys(model.annotator for model in found))
    if len(names) > 1:
        raise SrlmError(
            f"{path}: found annotators {excerpt(', '.join(names))}, expected one; split the file"
        )
    return names[0]


def _shared(official: Path, old: Sequence[Annotations], other: Path,
            new: Sequence[Annotations]) -> tuple[list[Judged], int]:  # fmt: skip
    """The pairs that both judged, and how many of ``official`` the other file could have had."""
    rows = {(found.model, row.instruction): row for found in new for row in found.rows}
    known = {found.model for found in new}
    pairs = []
    for found in old:
        for row in found.rows:
            again = rows.get((found.model, row.instruction))
            if again is None:
                continue
            _refuse_other_outputs(official, row, other, again)
            if row.share is not None and again.share is not None:
                pairs.append(Judged(found.model, row.instruction, row.share, again.share))
    if not pairs:
        raise SrlmError(
            f"{other}: found no pair that {official} has with a preference (models "
            f"{excerpt(', '.join(sorted(known)))}), expected the same prompts and models again"
        )
    return pairs, sum(len(found.rows) for found in old if found.model in known)


def _refuse_other_outputs(official: Path, row: Annotation, other: Path, again: Annotation) -> None:
    for key in ("output_1", "output_2"):
        if getattr(row, key) != getattr(again, key):
            raise SrlmError(
                f"{other}: {key} of the prompt {excerpt(row.instruction)!r}: found "
                f"{excerpt(getattr(again, key))!r}, expected {excerpt(getattr(row, key))!r} as in "
                f"{official}; judge the same outputs"
            )


def _side(share: float) -> int:
    """1 the model, -1 the baseline, 0 a draw."""
    return int(share > 0.5) - int(share < 0.5)


def _ratio(name: str, cells: Sequence[tuple[Judged, float]], of: int, convention: str,
           seed: int) -> Metric:  # fmt: skip
    values = [
        Value(prompt_id=f"{pair.model}\n{pair.prompt}", metric=name, num=value, cluster=pair.prompt)
        for pair, value in cells
    ]
    return ratio_metric(name, values, of, convention, seed)


def _rank_correlation(pairs: Sequence[Judged], models: Sequence[str], seed: int) -> Metric:
    """Kendall's tau-b between the models' win rates by both judges; ``n`` counts models."""
    from scipy.stats import kendalltau

    def metric(value: float | None, low: float | None, high: float | None, why: str) -> Metric:
        return Metric(
            name="model_kendall_tau",
            value=value,
            low=low,
            high=high,
            n=len(models),
            of=len(models),
            convention="tau-b between the models' win rates",
            reason=why or None,
        )

    if len(models) < 3:
        return metric(None, None, None, f"{len(models)} models; a ranking needs three")
    prompts = {prompt: at for at, prompt in enumerate(dict.fromkeys(p.prompt for p in pairs))}
    places = {model: at for at, model in enumerate(models)}
    sums = np.zeros((len(prompts), len(models), 3))  # how many, before, after
    for pair in pairs:
        sums[prompts[pair.prompt], places[pair.model]] += (1.0, pair.before, pair.after)

    def statistic(drawn: Array) -> Array:
        found = []
        for counts, before, after in np.moveaxis(drawn.reshape(len(drawn), -1, 3), 2, 1):
            kept = counts > 0
            tau = kendalltau(before[kept] / counts[kept], after[kept] / counts[kept]).statistic
            found.append(float(tau))
        return np.array(found)

    flat = sums.reshape(len(prompts), -1)
    value = float(statistic(flat.sum(0)[None])[0])
    if not np.isfinite(value):
        return metric(None, None, None, "one judge gives all models the same win rate")
    low, high = interval(flat, statistic, value, seed, ROUNDS)
    return metric(value, low, high, "")
