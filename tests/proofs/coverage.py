"""Do the intervals of the judge metrics cover? ``python -m tests.proofs.coverage``.

Many data sets are drawn from one known judge; the true value of each metric is that of a huge
data set of the same judge. Prints how often the 95 % interval holds it, for 50, 200 and 1000
prompts; more than 99 % is named as too wide, less than 90 % as too narrow, which ends with code 1.

A second table has a judge that hardly ever gives the top of its scale, at 50 prompts. It shows a
limit and decides nothing: five_best then rests on about four prompts, of which the percentile
interval knows nothing but that they all agree. Its ``n`` stands beside it for that reason.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np

from judges.agreement import agreement_parts, agreement_pooled
from judges.diagnosis import diagnosis_figures
from judges.ranked_table import RankedTable
from judges.score_spread import Draws
from results.pooled import Pooled, pooled_metrics

SCALE = (0, 5)
DRAWS = 3
HUGE = 400_000
SIZES = {50: 1000, 200: 600, 1000: 200}  # prompts: data sets
ROUNDS = 1000
USUAL, STERN = 3.6, 2.6  # mean score of a middling response: 11 % and 3 % of means at the top
STERN_SIZES = {50: 600}


def simulate(prompts: int, rng: np.random.Generator, level: float) -> tuple[RankedTable, Draws]:
    """A data set of a judge that sees quality through noise and likes length a little.

    Two to six responses a prompt; people rank by quality and noise, with ties; longer answers are
    better; prompts differ in how strict the judge is there; 4 % of the draws are unscored.
    """
    sizes = rng.choice([2, 3, 4, 6], size=prompts, p=[0.3, 0.4, 0.2, 0.1])
    prompt = np.repeat(np.arange(prompts), sizes)
    count = len(prompt)
    quality = rng.normal(size=count)
    length = np.round(np.exp(5 + 0.4 * quality + 0.6 * rng.normal(size=count)))
    seen = quality + 0.5 * rng.normal(size=count)
    rank = -np.round(2 * seen)  # equal after rounding: a tie
    strict = rng.normal(size=prompts)[prompt]
    liked = level + 0.9 * quality - 0.5 * strict + 0.4 * (np.log(length) - 5)
    draws = liked[:, None] + rng.normal(size=(count, DRAWS))
    draws = np.clip(np.round(draws), *SCALE)
    draws[rng.random(draws.shape) < 0.04] = np.nan
    scored = ~np.isnan(draws)
    given = scored.sum(axis=1)
    total = np.where(scored, draws, 0).sum(axis=1)
    mean = np.divide(total, given, out=np.full(count, np.nan), where=given > 0)
    ids = np.char.zfill(np.arange(prompts).astype(str), 7).tolist()
    table = RankedTable(
        prompt_id=ids,
        cluster_name=ids,
        cluster=np.arange(prompts),
        order=np.arange(prompts),
        prompt=prompt,
        response_id=np.char.mod("r%d", np.arange(count)).tolist(),
        rank=rank,
        score=mean.round(9),
        length=length,
    )
    return table, Draws(np.repeat(np.arange(count), DRAWS), draws.ravel())


def figures(table: RankedTable, draws: Draws) -> list[Pooled]:
    """Every metric of ranked data, before its interval; the first response is the judge's own."""
    own = np.r_[True, np.diff(table.prompt) > 0]
    parts = agreement_parts(table, SCALE[1])
    return [*agreement_pooled(table, parts), *diagnosis_figures(table, draws, SCALE, own)]


def truths(prompts: int = HUGE, level: float = USUAL) -> dict[str, float]:
    """The value of every metric on a huge data set; at ``HUGE`` to about a thousandth."""
    found = figures(*simulate(prompts, np.random.default_rng(10**6), level))
    return {f.name: float(f.statistic(f.cells.sum(axis=0)[None])[0]) for f in found}


def coverage(
    prompts: int, sets: int, truth: dict[str, float], rounds: int, seed: int, level: float = USUAL
) -> dict[str, tuple[float, float, float, float]]:
    """Returns by metric: the share of intervals that hold the truth; the shares that lie wholly
    above and below it; the mean width."""
    inside: Counter[str] = Counter()
    above: Counter[str] = Counter()
    made: Counter[str] = Counter()
    width: Counter[str] = Counter()
    for i in range(sets):
        rng = np.random.default_rng([seed, prompts, i])
        for name, m in pooled_metrics(figures(*simulate(prompts, rng, level)), i, rounds).items():
            if m.low is None or m.high is None:
                continue
            made[name] += 1
            inside[name] += m.low <= truth[name] <= m.high
            above[name] += m.low > truth[name]
            width[name] += m.high - m.low  # type: ignore[assignment]
    return {
        name: (
            inside[name] / n,
            above[name] / n,
            (n - inside[name] - above[name]) / n,
            width[name] / n,
        )
        for name, n in made.items()
    }


def table(sizes: dict[int, int], level: float) -> dict[str, float]:
    """Prints one judge's table; returns the share held by cell, named."""
    truth = truths(level=level)
    found = {n: coverage(n, sets, truth, ROUNDS, 1, level) for n, sets in sizes.items()}
    print("| metric | true value |" + "".join(f" n = {n} |" for n in sizes))
    print("|-|-|" + "-|" * len(sizes))
    shares = {}
    for name, value in truth.items():
        cells = []
        for prompts, rows in found.items():
            held, high, low, width = rows[name]
            cells.append(f"{100 * held:.1f} ({100 * low:.1f} + {100 * high:.1f}), {width:.3f}")
            shares[f"{name} at n = {prompts}: {100 * held:.1f} %"] = held
        print(f"| {name} | {value:.4f} | " + " | ".join(cells) + " |")
    print("cells: % of intervals that hold the true value (below it + above it), mean width")
    print(", ".join(f"{sets} data sets of {n} prompts" for n, sets in sizes.items()), flush=True)
    return shares


def main() -> None:
    """Prints both tables; ``--quick`` takes a tenth of the data sets, too few to judge by."""
    share = 10 if "--quick" in sys.argv else 1
    usual = table({n: sets // share for n, sets in SIZES.items()}, USUAL)
    print("\nA judge that hardly ever gives the top of its scale:\n")
    table({n: sets // share for n, sets in STERN_SIZES.items()}, STERN)
    if share > 1:
        return
    if wide := [cell for cell, held in usual.items() if held > 0.99]:
        print("\ntoo wide: " + "; ".join(wide))
    if narrow := [cell for cell, held in usual.items() if held < 0.9]:
        raise SystemExit("too narrow: " + "; ".join(narrow))


if __name__ == "__main__":
    main()
