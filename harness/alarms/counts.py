"""Counts: ties, judgments without a score, and too few pairs."""

from __future__ import annotations

from harness.alarms.finding import Finding, above, counted, share_by_prompt
from harness.alarms.judges_apart import VERDICTS
from harness.alarms.seen import Seen
from harness.stages.pairs import least_of
from results.lines import read_jsonl
from results.records import Judgment, Metric, PairJudgment


def ties(seen: Seen) -> Finding:
    """The judge does not tell the candidates of a prompt apart."""
    what = "prompts whose candidates all have one score"
    return above(seen.metric("prompts_tied"), seen.settings.ties, what)


def unscored(seen: Seen) -> Finding:
    """Judgments of candidates that did not parse, long before ``judge.max_unscored``."""
    what = "judgments of candidates without a score"
    return above(seen.metric("unscored_rate"), seen.settings.unscored, what)


def evaluation_unscored(seen: Seen) -> Finding:
    """The same in the evaluation of M_k, where its judge judged.

    A benchmark from outside may keep its judgments in other files: then there are only counts, and
    each judgment is taken as a case of its own.
    """
    found = None if seen.now.evaluated is None else seen.now.evaluated.unscored
    n, of = (0, 0) if found is None else (found.n, found.of)
    what, none = ("share of the evaluation's judgments without a score",
                  "the evaluation has no judgments")  # fmt: skip
    files = sorted((seen.place / "evaluation").glob(VERDICTS))
    judged: list[Judgment | PairJudgment] = list(seen.now.judgments)
    judged += [judgment for path in files for judgment in read_jsonl(path, PairJudgment)]
    cases = [(j.prompt_id, j.status == "unscored") for j in judged]
    if (sum(lost for _, lost in cases), len(cases)) == (n, of):
        share = share_by_prompt("unscored", cases, what, none, seen.config.seed)
    else:
        share = counted("unscored", n, of, what, none)
    return above(share, seen.settings.unscored, "judgments of the evaluation without a score")


def too_few_pairs(seen: Seen) -> Finding:
    """A warning before ``pairs.min_pairs``, which ends the run."""
    pairs, least = seen.monitors.pairs["kept"], least_of(seen.config)
    kept = seen.monitors.prompts.get("kept", 0)
    bound = seen.settings.too_few_pairs * least
    # A count is no sample: it has no interval.
    metric = Metric(name="too_few_pairs", value=pairs, low=pairs, high=pairs, n=pairs, of=kept,
                    convention="preference pairs")  # fmt: skip
    fired = pairs < bound
    text = (
        f"{pairs} preference pairs from {kept} prompts, {'under' if fired else 'at least'} "
        f"{bound:g}; under {least} nothing is trained (pairs.min_pairs)"
    )
    return Finding(fired, metric, bound, text)
