"""AlpacaEval's figures of one model's annotations: win rates, standard error, counts, length.

As alpaca-eval 0.6.6 counts: a draw is a preference of exactly one half; what has no preference is
dropped. All shares here are fractions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.alpaca_eval2.annotations import Annotations
from results.records import Metric, Unscored, Value
from results.stats import ratio_metric

DISCRETE = " (discrete)"  # behind the name of an annotator that gave verdicts alone
VERDICTS_ALONE = "the judge gives no log-probabilities: the figure is discrete_win_rate"
DROPPED = "unscored dropped"


def win_rates(found: Annotations, of: int, seed: int = 0) -> dict[str, Metric]:
    """``win_rate``, ``standard_error``, ``discrete_win_rate`` and the four counts.

    Args:
        found: of one model.
        of: prompts of the whole set; ``n`` says how many have a preference.
        seed: of the intervals, which resample prompts.
    """
    import pandas as pd

    values = preferences(found)
    shares = [value.num for value in values]
    wins = sum(share > 0.5 for share in shares)
    losses = sum(share < 0.5 for share in shares)
    draws = len(shares) - wins - losses
    n = len(shares)
    # Sorted, so that the order of the rows does not change a bit.
    error = float(pd.Series(sorted(shares)).sem()) if n > 1 else None
    counted = f"prompts with a preference; {DROPPED}"
    return {
        "win_rate": ratio_metric(
            "win_rate", values, of, f"mean preference over the baseline; {DROPPED}", seed
        ),
        "standard_error": Metric(
            name="standard_error",
            value=error,
            n=n,
            of=of,
            convention="of the mean preference (ddof 1)",
            reason=None if error is not None else "fewer than two prompts have a preference",
        ),
        "discrete_win_rate": ratio_metric(
            "discrete_win_rate",
            discrete(values),
            of,
            f"a win counts 1, a draw 0.5; {DROPPED}",
            seed,
        ),
        "n_wins": _count("n_wins", wins, n, of, f"preference above 0.5; {DROPPED}"),
        "n_wins_base": _count("n_wins_base", losses, n, of, f"preference below 0.5; {DROPPED}"),
        "n_draws": _count("n_draws", draws, n, of, f"preference of exactly 0.5; {DROPPED}"),
        "n_total": _count("n_total", n, n, of, counted),
    }


def by_dataset(found: Annotations, seed: int = 0) -> dict[str, Metric]:
    """The win rate on each part of the set that the rows name under ``dataset``, by name."""
    parts = sorted({row.dataset for row in found.rows if row.dataset is not None})
    metrics = {}
    for part in parts:
        theirs = [row for row in found.rows if row.dataset == part]
        values = preferences(Annotations(found.model, found.baseline, found.annotator, theirs))
        metrics[part] = ratio_metric(
            part, values, len(theirs), f"win rate on a part of the set; {DROPPED}", seed
        )
    return metrics


def average_length(texts: Sequence[str], of: int) -> Metric:
    """Mean characters of a model's outputs, cut to a whole number as upstream's.

    Args:
        texts: the outputs that are there.
        of: prompts of the whole set; the outputs that are missing count as length 0.
    """
    return Metric(
        name="avg_length",
        value=float(sum(map(len, texts)) // of) if of else None,
        n=len(texts),
        of=of,
        convention="characters, missing outputs count as 0, cut to a whole number",
        reason=None if of else "there are no prompts",
    )


def preferences(found: Annotations) -> list[Value]:
    """One value a prompt that has a preference: P(model beats baseline)."""
    return [
        Value(
            prompt_id=row.instruction,
            metric="win_rate",
            num=row.share,
            cluster=row.instruction,
            category=row.dataset,
        )
        for row in found.rows
        if row.share is not None
    ]


def discrete(values: Sequence[Value]) -> list[Value]:
    """The values of ``discrete_win_rate``: a win counts 1, a draw 0.5."""
    return [
        value.model_copy(
            update={
                "metric": "discrete_win_rate",
                "num": 1.0 if value.num > 0.5 else 0.5 if value.num == 0.5 else 0.0,
            }
        )
        for value in values
    ]


def unscored(found: Annotations) -> Unscored:
    """How many rows have no preference, by reason."""
    reasons = Counter(row.reason for row in found.rows if row.reason is not None)
    return Unscored(n=reasons.total(), of=len(found.rows), reasons=dict(reasons))


def no_shares(name: str, n: int, of: int) -> Metric:
    """Returns the null figure of a mean of preferences where the judge gave verdicts alone."""
    return Metric(
        name=name,
        value=None,
        n=n,
        of=of,
        convention="mean preference over the baseline",
        reason=VERDICTS_ALONE,
    )


def _count(name: str, value: int, n: int, of: int, convention: str) -> Metric:
    return Metric(name=name, value=float(value), n=n, of=of, convention=convention)
