"""The training judge against another one, and the order in which a judge is shown two answers."""

from __future__ import annotations

from harness.alarms.finding import Finding, beyond
from harness.alarms.seen import Seen
from harness.anchored import null
from harness.head_to_head.report import REPORT, read_report
from results.lines import read_jsonl
from results.records import Metric, PairJudgment, Value
from results.stats import ratio_metric
from results.text import one_line

COMPARISON = "head_to_head"  # in the iteration's folder: M_k against M_parent by two judges
VERDICTS = "pair_judgments*.jsonl"


def judge_evaluator_disagreement(seen: Seen) -> Finding:
    """Whether one judge sees wins of M_k over M_parent where the other sees none.

    Two verdicts on the same answers are needed, which costs calls: they are there where a
    comparison by two judges was made into ``iter_k/head_to_head`` (``srlm head-to-head``).
    """
    most, folder = seen.settings.judge_evaluator_disagreement, seen.place / COMPARISON
    name, what = "judge_evaluator_disagreement", f"M{seen.k} against M{seen.parent} by two judges"
    if not (folder / REPORT).is_file():
        why = f"no comparison by two judges in iter_{seen.k}/{COMPARISON}"
        return beyond(null(name, "win rates of two judges", why), most, what)
    found = read_report(folder).disagreements
    if not found:
        return beyond(null(name, "win rates of two judges", "it is by one judge"), most, what)
    # Of several judges those who lean most apart.
    seen_by = "{what}: win rate ({second}) minus win rate ({first})"
    told = [
        beyond(
            Metric.model_validate(one["metrics"]["lean"]), most,
            seen_by.format(what=what, first=one_line(one["first"]), second=one_line(one["second"])),
        )
        for one in found
    ]  # fmt: skip
    return max(told, key=lambda f: (f.fired, abs(f.metric.value or 0.0)))


def position_bias(seen: Seen) -> Finding | None:
    """First-shown wins minus one half, of an evaluation's judge that compares two answers; null
    where none does.
    """
    files = sorted((seen.place / "evaluation").glob(VERDICTS))
    if not files:
        return None
    judged = [judgment for path in files for judgment in read_jsonl(path, PairJudgment)]
    return beyond(first_shown(judged, seen.config.seed), seen.settings.position_bias,
                  "wins of the answer shown first, minus one half")  # fmt: skip


def first_shown(judgments: list[PairJudgment], seed: int) -> Metric:
    """Position bias over the verdicts that name a winner; prompts are resampled."""
    sums: dict[str, tuple[float, int]] = {}
    named = [j for j in judgments if j.verdict in ("first", "second")]
    for judgment in named:
        won = (judgment.verdict == "first") == (judgment.order == "AB")
        num, den = sums.get(judgment.prompt_id, (0.0, 0))
        sums[judgment.prompt_id] = (num + won - 0.5, den + 1)
    values = [
        Value(prompt_id=p, metric="position_bias", num=num, den=den, cluster=p)
        for p, (num, den) in sums.items()
    ]
    what = "first-shown wins minus 0.5, of the verdicts that name a winner"
    metric = ratio_metric("position_bias", values, len(judgments), what, seed)
    return metric.model_copy(update={"n": len(named)})
