"""EFT as the paper built it: judgments of the SFT baseline that agree with the human order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from benchmarks.registry import SeedData
from harness.folder import other_settings
from harness.run import Run, StopRun
from harness.stages.bootstrap import bootstrap
from harness.stages.training import sft
from judges.agreeing_sets import JudgedSet, SetCounts, agreeing_sets
from judges.judging import Judge, judge_responses, ranked_responses, unscored
from judges.pointwise import judge_request
from judges.rankings import RankedPrompt
from judges.resampling import largest_share, resample
from judges.spec import JudgeSpec, with_draws
from judges.turns import refuse_data
from results.files import write_json
from results.records import Example, Judgment, Unscored
from results.store import RecordFile

JUDGMENTS, REPORT = "judgments.jsonl", "eft_report.json"


class EftReport(BaseModel):
    """The contents of eft_report.json: how the judgments became EFT.

    ``judgments`` = ``replies`` times draws; ``sets`` = ``prompts`` times draws. ``before`` and
    ``after`` resampling: examples by score; ``largest_share`` is that of the fullest score after
    it, null without examples, and ``max_share`` what was asked for. ``worsened``: with bootstrap,
    how many answers of each kind were made, and what was left out why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    prompts: int
    replies: int
    judgments: int
    unscored: Unscored
    sets: SetCounts
    before: dict[str, int]
    after: dict[str, int]
    examples: int
    max_share: float
    largest_share: float | None
    worsened: dict[str, int]


def check_eft(run: Run, data: SeedData) -> None:
    """Raises UsageError where the judge shows what the answers that it would judge do not have."""
    kind = run.config.data.eft
    if kind == "judged":
        shown = [(r.prompt, {"response": r.text}, r.reference)
                 for r in ranked_responses(data.ranked)]  # fmt: skip
        refuse_data(run.spec, shown)
    elif kind == "bootstrap":
        refuse_data(run.spec, [(e.prompt, {"response": e.completion}, None) for e in data.ift])


def eft(run: Run, data: SeedData) -> list[Example]:
    """The EFT examples that M1 is trained on besides IFT.

    Where they are not the source's, the SFT baseline is trained first (if it is not there yet),
    judges the ranked answers, and what agrees with their order is kept.

    Raises:
        StopRun: fewer than ``data.judged.min_examples``.
    """
    if run.config.data.eft == "source":
        return data.eft
    file = RecordFile(run.folder / "seed" / "eft.jsonl", Example)
    if not file.done:
        _build(run, data, file)
    found, least = file.read(), run.config.data.judged.min_examples
    if len(found) < least:
        message = (
            f"M1 is not trained: {len(found)} EFT examples came out, data.judged.min_examples "
            f"needs {least}; {mend(run)}; {other_settings(run.folder, 1)}; see "
            f"{run.folder / 'seed' / REPORT}"
        )
        raise StopRun(1, "EFT examples", len(found), least, message)
    return found


def mend(run: Run) -> str:
    """How more EFT comes out."""
    config = run.config.data
    ties = "" if config.judged.ties == "keep" else ", allow ties (data.judged.ties=keep)"
    return f"raise data.{config.eft}.draws{ties}, or give more seed data"


def eft_spec(run: Run) -> JudgeSpec:
    """The run's judge with the draws that EFT is made from."""
    return with_draws(run.spec, run.config.data.draws)


def _build(run: Run, data: SeedData, file: RecordFile[Example]) -> None:
    config, folder = run.config.data, file.path.parent
    caller = run.caller(sft(run, "SFT baseline", data.ift, run.sft_baseline))
    pool, worsened = data.ranked, dict[str, int]()
    if config.eft == "bootstrap":
        pool, worsened = bootstrap(run, data.ift, caller)
        RecordFile(folder / "ranked.jsonl", RankedPrompt).replace(pool)
    spec = eft_spec(run)
    replies = ranked_responses(pool)
    run.display.start("SFT baseline", "EFT", len(replies) * spec.draws)
    judgments = judge_responses(
        Judge(spec, caller, "self", False), replies,
        RecordFile(folder / JUDGMENTS, Judgment), run.config.seed,
    )  # fmt: skip
    how = config.judged
    kept, counts = agreeing_sets(pool, judgments, spec, how.ties, how.sets)
    made = [example for judged in kept for example in _examples(spec, judged)]
    found = resample(made, _score, how.max_share, f"eft:{run.config.seed}", how.min_examples)
    after = _by_score(found)
    report = EftReport(
        prompts=len(pool),
        replies=len(replies),
        judgments=len(judgments),
        unscored=unscored(judgments),
        sets=counts,
        before=_by_score(made),
        after=after,
        examples=len(found),
        max_share=how.max_share,
        largest_share=largest_share(after),
        worsened=worsened,
    )
    write_json(folder / REPORT, report.model_dump())
    file.replace(found)
    run.display.finish("SFT baseline", "EFT", describe(report))


def _examples(spec: JudgeSpec, judged: JudgedSet) -> list[Example]:
    """What the judge was shown, and what it said."""
    prompt, examples = judged.prompt, []
    for response, judgment, score in zip(
        prompt.responses, judged.judgments, judged.scores, strict=True
    ):
        shown = judge_request(spec, prompt.prompt, response.text, 0, prompt.reference).prompt
        assert not isinstance(shown, str)
        examples.append(
            Example(
                id=f"eft-{prompt.id}-{response.id}-{judged.draw}",
                prompt=list(shown) if spec.system else shown[0].content,
                completion=judgment.text,
                kind="eft",
                meta={"score": score, "draw": judged.draw},
            )
        )
    return examples


def _score(example: Example) -> str:
    return f"{example.meta['score']:g}"


def _by_score(examples: Sequence[Example]) -> dict[str, int]:
    counts = Counter(map(_score, examples))
    return {score: counts[score] for score in sorted(counts, key=float)}


def describe(report: EftReport) -> str:
    """Every count from the ranked answers to the examples, in words."""
    sets = report.sets
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(report.unscored.reasons.items()))
    worse = ", ".join(f"{n} {kind}" for kind, n in report.worsened.items())
    lines = [
        *([f"answers worsened: {worse}"] if worse else []),
        f"{report.judgments} judgments of {report.replies} answers to {report.prompts} prompts, "
        f"{report.unscored.n} unscored" + (f": {reasons}" if reasons else ""),
        f"{sets.of} sets: {sets.agree} agree with the ranks, {sets.tied} tied, {sets.disagree} "
        f"disagree, {sets.unscored} unscored; {sets.kept} kept, {sets.spare} spare",
        f"{sum(report.before.values())} examples, by score {_shown(report.before)}",
        f"resampled to at most {report.max_share:.0%} a score: {report.examples}, by score "
        f"{_shown(report.after)}{_reached(report)}",
    ]
    return "; ".join(lines)


def _shown(counts: dict[str, int]) -> str:
    return ", ".join(f"{score}: {n}" for score, n in counts.items()) or "none"


def _reached(report: EftReport) -> str:
    share = report.largest_share
    if share is None or share <= report.max_share + 1e-9:
        return ""
    return f" (largest share {share:.0%}: too few scores or examples for less)"
