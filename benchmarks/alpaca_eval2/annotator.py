"""AlpacaEval's annotators asked as upstream asks them: one call a pair, in an order that the prompt
decides, the verdict from the probabilities of one token.

Prompts and settings come from the installed alpaca-eval package. Where the model gives no
log-probabilities, the same prompt is asked for its likeliest answer and that is the whole verdict:
such judgments lie in a file of their own, and no figure mixes the two.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backends.engines.caller import Answer, Caller, logprobs_record
from backends.engines.engine import Completion, GenerateConfig, NoLogprobsError
from benchmarks.alpaca_eval2.outputs import Item
from benchmarks.groups import Group, collect_groups, unanswered_pair
from judges.borrowed.alpaca_annotators import Published, annotator, published
from judges.judging import other_draws
from judges.pairwise import MEANS, JudgedPair, Order, pair_request, to_pair_judgment
from judges.parsers.parsed import Reason, Shown
from judges.pointwise import call_fields, generate_config
from judges.spec import JudgeSpec
from results.records import Logprobs, PairJudgment
from results.store import RecordFile

JUDGMENTS = "pair_judgments.jsonl"
DISCRETE = "pair_judgments_discrete.jsonl"  # of a judge without log-probabilities; there = it is
NO_LOGPROBS: Reason = "no_logprobs"
_SEED = "0"  # of upstream's annotators
_WHOLE = {"first": 1.0, "tie": 1.5, "second": 2.0}  # preference of a verdict without probabilities


@dataclass(frozen=True)
class Annotator:
    """An annotator by alpaca-eval's ``name``: its judge, and what upstream fixes beside it."""

    name: str
    spec: JudgeSpec
    published: Published

    @property
    def weighted(self) -> bool:
        """Whether its preferences lie between win and loss too."""
        return self.published.top > 0 and not self.published.binary


@dataclass(frozen=True)
class Judged:
    """A judgment of every pair in the order of the set; ``discrete``: the judge gave verdicts alone
    where the annotator wants preferences between win and loss.
    """

    judgments: list[PairJudgment]
    discrete: bool


def load_annotator(name: str) -> Annotator:
    """Returns the annotator ``name`` of the installed package.

    Raises:
        SrlmError: alpaca-eval is not installed, or its files cannot be read.
        UsageError: an unknown annotator, or one of a form that is not known here.
    """
    return Annotator(name, annotator(name), published(name))


def order(spec: JudgeSpec, instruction: str) -> Order:
    """Returns the order in which upstream shows a pair, BA for the model's output first."""
    if spec.orders != "random":
        return "AB"
    draw = random.Random(f"is_switched_outputs{instruction}{_SEED}")
    return "BA" if draw.choices([False, True], k=1)[0] else "AB"


def judge_outputs(
    judge: Caller,
    of: Annotator,
    items: Sequence[Item],
    outputs: Mapping[str, str],
    folder: Path,
    seed: int,
) -> Judged:
    """Returns a judgment of every prompt's pair, kept in ``folder``: first is the baseline.

    A pair without an output is unscored without a call; identical outputs are a tie without one.

    Args:
        judge: who is asked.
        of: the annotator.
        items: the set.
        outputs: the model's, by prompt id.
        folder: of the record files; a finalised one is read, not made again.
        seed: of the judge's decoding. The verdict of one token does not depend on it.

    Raises:
        NoLogprobsError: the judge gave log-probabilities to some of the pairs, and now none.
    """
    asked = _Asked(of, items, outputs)
    discrete = RecordFile(folder / DISCRETE, PairJudgment)
    if discrete.done or discrete.part.exists():
        return Judged(asked.judge(judge, discrete, _greedy(of.spec, seed)), of.weighted)
    file = RecordFile(folder / JUDGMENTS, PairJudgment)
    config = replace(generate_config(of.spec, seed), logprobs=of.published.top)
    try:
        return Judged(asked.judge(judge, file, config), False)
    except NoLogprobsError:
        if any(judgment.logprobs is not None for judgment in file.read()):
            raise
    discrete.append([])  # a resumed run knows it too
    file.part.unlink(missing_ok=True)
    judge.on_note(
        f"alpaca_eval2: the judge gives no log-probabilities, which {of.name} is read from; "
        "its greedy verdicts are taken" + of.weighted * ", and the figure is discrete_win_rate"
    )
    return Judged(asked.judge(judge, discrete, _greedy(of.spec, seed)), of.weighted)


def _greedy(spec: JudgeSpec, seed: int) -> GenerateConfig:
    """Decoding without log-probabilities: sampled, a verdict would be a draw from them."""
    return replace(generate_config(spec, seed), temperature=0.0, logprobs=0)


class _Asked:
    """The pairs of one model, those that are asked for and those that need no call."""

    def __init__(self, of: Annotator, items: Sequence[Item], outputs: Mapping[str, str]) -> None:
        self.of = of
        self.places: dict[tuple[str, ...], int] = {
            (item.id,): place for place, item in enumerate(items)
        }
        self.without: list[PairJudgment] = []
        self.pairs: list[tuple[JudgedPair, Order]] = []
        for item in items:
            shown = order(of.spec, item.instruction)
            output = outputs.get(item.id)
            if output is None:
                self.without.append(unanswered_pair(item.id, shown))
            elif output == item.baseline:
                self.without.append(_identical(item.id, shown))
            else:
                pair = JudgedPair(item.id, item.instruction, item.baseline, output)
                self.pairs.append((pair, shown))

    def judge(
        self, judge: Caller, file: RecordFile[PairJudgment], config: GenerateConfig
    ) -> list[PairJudgment]:
        """A judgment of every pair, in ``file``. NoLogprobsError where an answer has none and none
        had any before.
        """
        known = any(judgment.logprobs is not None for judgment in file.read())
        by_text = self.of.spec.model_copy(update={"aggregation": "mean"})

        def record(answer: Answer) -> PairJudgment:
            nonlocal known
            pair, shown = self.pairs[answer.index]
            done = answer.completion
            if not config.logprobs:
                return to_pair_judgment(by_text, pair.id, shown, 0, done, answer.key)
            known |= done.logprobs is not None
            if not known and done.text and done.finish_reason != "error":
                raise NoLogprobsError("the judge answers without log-probabilities")
            return _judgment(self.of, pair.id, shown, done, answer.key)

        other = other_draws(file)
        requests = [
            pair_request(self.of.spec, pair, shown, other.get((pair.id, shown, 0), 0))
            for pair, shown in self.pairs
        ]
        return collect_groups(
            file,
            judge,
            [Group(requests, config, record)],
            self.without,
            lambda judgment: (judgment.prompt_id,),
            self.places,
        )


def _judgment(
    of: Annotator, prompt_id: str, shown: Order, done: Completion, call: str
) -> PairJudgment:
    """The record of an answer with log-probabilities; the likelier of the two is its verdict."""
    reason: Reason | None = None
    share = None
    if done.finish_reason == "error":
        reason = "error"
    elif done.logprobs is None:
        reason = NO_LOGPROBS
    else:
        share = _first_shown(of, logprobs_record(done))
        reason = "no_verdict" if share is None else None
    verdict = None
    if share is not None:
        tie = share == 0.5 and not of.published.binary  # upstream's binary verdict is then B
        likelier: Shown = "tie" if tie else "A" if share > 0.5 else "B"
        verdict = MEANS[shown][likelier]
    return PairJudgment(
        prompt_id=prompt_id,
        order=shown,
        status="unscored" if verdict is None else "scored",
        verdict=verdict,
        reason=reason,
        **call_fields(done, call),
    )


def _first_shown(of: Annotator, tokens: Logprobs | None) -> float | None:
    """P(first shown), 0 to 1, of the two verdict tokens alone; null where neither is there.

    A token that is not among the alternatives has probability 0, as upstream counts.
    """
    place = of.published.place
    if not tokens or (place is None and len(tokens) != 1):
        return None
    try:
        top = dict(tokens[place or 0][1])
    except IndexError:
        return None
    options = of.spec.parser.options
    found = [top.get(options[key], -math.inf) for key in ("first", "second")]
    most = max(found)
    if most == -math.inf:
        return None
    total = most + math.log(sum(math.exp(logprob - most) for logprob in found))
    return math.exp(found[0] - total)


def preference(of: Annotator, judgment: PairJudgment) -> float | None:
    """Returns upstream's preference, 1 (the baseline) to 2 (the model); null where unscored."""
    if judgment.verdict is None:
        return None
    if of.weighted and judgment.logprobs is not None:
        share = _first_shown(of, judgment.logprobs)
        if share is not None:
            return 2 - share if judgment.order == "AB" else 1 + share
    return _WHOLE[judgment.verdict]


def _identical(prompt_id: str, shown: Order) -> PairJudgment:
    return PairJudgment(prompt_id=prompt_id, order=shown, status="scored", verdict="tie")
