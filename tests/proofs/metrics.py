"""A million judgments from a file to all metrics: ``python -m tests.proofs.metrics``.

Prints the time and the peak memory on one core, and beside them the same figures from a plain
pandas and scipy loop on a tenth of the data, which must agree.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path("runs/proofs/metrics")
PROMPTS, RESPONSES, DRAWS, ROUNDS = 83_333, 4, 3, 2000
CORRELATIONS = ("spearman", "kendall_tau")
REMARK = "The answer is relevant and covers most of the question, but it is not well organised. "
Figures = dict[str, list[float]]  # value, low, high


def write_data(folder: Path, prompts: int) -> None:
    """Rankings and judgments of a judge that sees quality through noise; 2 % are unscored."""
    rng = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "rankings.jsonl").open("w") as rankings,
        (folder / "judgments.jsonl").open("w") as judgments,
    ):
        for p in range(prompts):
            ranks = [min(rank, 2) if p % 5 == 0 else rank for rank in range(RESPONSES)]
            rng.shuffle(ranks)
            responses = [
                {"id": f"r{i}", "text": REMARK * (i + 1), "rank": rank}
                for i, rank in enumerate(ranks)
            ]
            line = {"id": f"prompt-{p}", "prompt": f"Question {p}?", "responses": responses}
            rankings.write(json.dumps(line) + "\n")
            for i, rank in enumerate(ranks):
                for draw in range(DRAWS):
                    bad = rng.random() < 0.02
                    score = min(5, max(0, round(4.3 - rank + rng.gauss(0, 1.3))))
                    judgment = {
                        "prompt_id": f"prompt-{p}",
                        "response_id": f"r{i}",
                        "draw": draw,
                        "status": "unscored" if bad else "scored",
                        "score": None if bad else score,
                        "reason": "no_score" if bad else None,
                        "text": 2 * REMARK + ("" if bad else f"\nScore: {score}"),
                    }
                    judgments.write(json.dumps(judgment) + "\n")


def ours(folder: Path) -> dict[str, Any]:
    """The product's way: seconds by step and the figures."""
    from judges.agreement import judge_metrics
    from judges.rankings import read_rankings
    from judges.score_table import read_score_table

    clock = [time.process_time()]
    rankings = read_rankings(folder / "rankings.jsonl")
    clock.append(time.process_time())
    scores = read_score_table(folder / "judgments.jsonl").means()
    clock.append(time.process_time())
    metrics, _ = judge_metrics(rankings, scores, (0, 5), rounds=ROUNDS)
    clock.append(time.process_time())
    steps = [after - before for before, after in pairwise(clock)]
    return {
        "steps": dict(zip(("rankings", "judgments", "metrics"), steps, strict=True)),
        "figures": {name: [m.value, m.low, m.high] for name, m in metrics.items()},
    }


def plain(folder: Path) -> dict[str, Any]:
    """The plain way: pandas for the means, a loop over prompts, scipy for the correlations."""
    import pandas as pd
    from scipy import stats

    begun = time.process_time()
    with (folder / "judgments.jsonl").open() as file:
        frame = pd.DataFrame(json.loads(line) for line in file)
    mean = frame.groupby(["prompt_id", "response_id"])["score"].mean().round(9).to_dict()
    found: dict[str, list[tuple[float, float]]] = {}

    def keep(name: str, num: float, den: float) -> None:
        found.setdefault(name, []).append((num, den))

    with (folder / "rankings.jsonl").open() as file:
        for item in map(json.loads, file):
            rows = [(r["rank"], mean[item["id"], r["id"]]) for r in item["responses"]]
            known = [(rank, score) for rank, score in rows if score == score]
            pairs = [sorted(pair) for pair in combinations(known, 2) if pair[0][0] != pair[1][0]]
            if pairs:
                right = sum(better[1] > worse[1] for better, worse in pairs)
                ties = sum(better[1] == worse[1] for better, worse in pairs)
                keep("pairwise_accuracy", right, len(pairs))
                keep("pairwise_accuracy_half_ties", right + ties / 2, len(pairs))
                keep("exact_match", right == len(pairs), 1)
            if fives := [rank for rank, score in known if score == 5]:
                keep("five_best", fives.count(min(r for r, _ in rows)), len(fives))
            if len({r for r, _ in known}) > 1 and len({s for _, s in known}) > 1:
                prefer, given = [-r for r, _ in known], [s for _, s in known]
                keep("spearman", stats.spearmanr(prefer, given).statistic, 1)
                keep("kendall_tau", stats.kendalltau(prefer, given).statistic, 1)
    figures = {}
    rng = np.random.default_rng(1)
    for name, cells in found.items():
        num, den = np.array(cells, dtype=float).T
        replicates = []
        for _ in range(ROUNDS):
            drawn = rng.integers(0, len(num), len(num))
            replicates.append(num[drawn].sum() / den[drawn].sum())
        figures[name] = [num.sum() / den.sum(), *np.quantile(replicates, [0.025, 0.975])]
    return {"steps": {"all": time.process_time() - begun}, "figures": figures}


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {"ours": ours, "plain": plain}


def measured(way: str, folder: Path) -> dict[str, Any]:
    """One way in a process of its own on one thread, with its peak memory in bytes."""
    words = [sys.executable, "-m", "tests.proofs.metrics", way, str(folder)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, env={**os.environ, **threads})
    return dict(json.loads(done.stdout))


def differences(mine: Figures, other: Figures) -> list[str]:
    """Where the two differ: values beyond rounding, interval ends beyond the noise of drawing."""
    wrong = [f"only one way has {name}" for name in mine.keys() ^ other.keys()]
    for name in mine.keys() & other.keys():
        (value, low, high), (their, *ends) = mine[name], other[name]
        if abs(value - their) > 1e-12:
            wrong.append(f"{name}: {value} against {their}")
        # An end from 2000 replicates has a standard error of 0.015 widths.
        if max(abs(low - ends[0]), abs(high - ends[1])) > 0.1 * (high - low):
            wrong.append(f"{name}: [{low}, {high}] against {ends}")
    return wrong


def main() -> None:
    """Runs both ways and prints the table; ends with code 1 where their figures differ."""
    write_data(FOLDER / "all", PROMPTS)
    write_data(FOLDER / "tenth", PROMPTS // 10)
    full, tenth = measured("ours", FOLDER / "all"), measured("ours", FOLDER / "tenth")
    loop = measured("plain", FOLDER / "tenth")
    n = {"all": PROMPTS * RESPONSES * DRAWS, "tenth": PROMPTS // 10 * RESPONSES * DRAWS}
    total, slow = sum(full["steps"].values()), sum(loop["steps"].values())
    print("| what | judgments | s | peak MiB | µs each |\n|-|-|-|-|-|")
    for name, size, run in (
        ("all metrics with intervals", n["all"], full),
        ("the same on a tenth", n["tenth"], tenth),
        ("plain pandas and scipy loop", n["tenth"], loop),
    ):
        took = sum(run["steps"].values())
        each = 1e6 * took / size
        print(f"| {name} | {size:,} | {took:.1f} | {run['peak'] / 2**20:.0f} | {each:.1f} |")
    print("of it: " + ", ".join(f"{name} {took:.1f} s" for name, took in full["steps"].items()))
    print(f"per judgment {slow / n['tenth'] / (total / n['all']):.1f} times as fast as the loop")
    if wrong := differences(tenth["figures"], loop["figures"]):
        raise SystemExit("the two ways differ:\n" + "\n".join(wrong))
    print("both ways give equal figures on the tenth")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        told = WAYS[sys.argv[1]](Path(sys.argv[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(told | {"peak": peak}))
    else:
        main()
