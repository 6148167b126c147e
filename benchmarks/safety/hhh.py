"""The judge itself: does it prefer the better of two answers on harmless, helpful and honest pairs.

It judges with the spec that it judges the loop with, so this is what its rewards teach.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.human_data import read_human_data
from benchmarks.human_data.split import bare_text
from benchmarks.judge_validation import for_judge
from benchmarks.outside_data import outside_file
from judges.agreement import judge_metrics
from judges.judging import Judge, judge_pairs, judge_responses, ranked_responses, unscored
from judges.labels import LabelledPair
from judges.pair_agreement import pair_metrics
from judges.pairwise import pair_verdicts, to_judged
from judges.pointwise import mean_scores
from judges.rankings import RankedPrompt
from results.records import Judgment, PairJudgment, Unscored, Value
from results.store import RecordFile
from results.weights import text_hash

Item = RankedPrompt | LabelledPair
FETCHED = ("hhh_alignment", "hhh_alignment_eval.json")
ACCURACY = "hhh_accuracy"
CONVENTION = "pairs on which the judge prefers the better answer; tied or unscored = wrong"


@dataclass(frozen=True)
class Found:
    """One value a pair; the ids (of the values) on which the judge gave scores or verdicts; its
    unscored judgments; a hash of pairs and judge spec.
    """

    values: list[Value]
    scored: set[str]
    unscored: Unscored
    asked: str


class Hhh:
    """Pairs with a better and a worse answer, from any human data.

    Args:
        name: a file, as ``srlm judge validate --data`` takes it, or ``hhh_alignment``, as
            ``srlm data`` got it.
    """

    def __init__(self, name: str) -> None:
        self._data = read_human_data(str(outside_file(*FETCHED)) if name == FETCHED[0] else name)
        self._items: list[Item] = [*self._data.ranked, *self._data.pairs]

    @property
    def categories(self) -> list[str]:
        """Those of the pairs, sorted."""
        found = {item.category for item in self._items}
        return sorted(name for name in found if name is not None)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Id and text of every prompt."""
        for item in self._items:
            yield f"hhh-{item.id}", bare_text(item.prompt)

    def measure(self, judge: Judge, limit: int | None, path: Path, seed: int) -> Found:
        """Asks the judge about the first ``limit`` pairs; its judgments are kept in ``path``."""
        spec = judge.spec
        held = for_judge(self._data, spec.kind, limit=limit)
        items: list[Item] = [*held.ranked, *held.pairs]
        asked = text_hash([[item.model_dump() for item in items], spec.model_dump()])
        if spec.kind == "pairwise":
            pairs = [to_judged(pair) for pair in held.pairs]
            verdicts = judge_pairs(judge, pairs, RecordFile(path, PairJudgment), seed)
            _, values = pair_metrics(held.pairs, verdicts, "wrong", seed=seed, rounds=1)
            said = {i for i, found in pair_verdicts(verdicts).items() if found.verdict is not None}
            return _found(values, "accuracy", items, said, unscored(verdicts), asked)
        file = RecordFile(path, Judgment)
        judgments = judge_responses(judge, ranked_responses(held.ranked), file, seed)
        scores = {key: score.mean for key, score in mean_scores(judgments, spec).items()}
        _, values = judge_metrics(held.ranked, scores, spec.scale, "wrong", seed, rounds=1)
        said = {
            item.id
            for item in held.ranked
            if all(scores.get((item.id, r.id)) is not None for r in item.responses)
        }
        return _found(values, "pairwise_accuracy", items, said, unscored(judgments), asked)


def _found(values: list[Value], metric: str, items: list[Item], said: set[str], missing: Unscored,
           asked: str) -> Found:  # fmt: skip
    category = {item.id: item.category for item in items}
    ours = [
        v.model_copy(update={"metric": ACCURACY, "prompt_id": f"hhh-{v.prompt_id}",
                             "category": category[v.prompt_id]})
        for v in values if v.metric == metric
    ]  # fmt: skip
    return Found(ours, {f"hhh-{name}" for name in said}, missing, asked)
