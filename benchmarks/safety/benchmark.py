"""Safety as a benchmark: harmful compliance, over-refusal, and the judge on HHH pairs."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from backends.collect import to_candidate
from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from backends.tokens import as_messages
from benchmarks.benchmark import Evaluation
from benchmarks.groups import Group, collect_groups
from benchmarks.human_data.split import bare_text
from benchmarks.micro_world.world import held_out
from benchmarks.safety import figures
from benchmarks.safety.hhh import ACCURACY, Hhh
from benchmarks.safety.phrases import NAME as PHRASES
from benchmarks.safety.prompts import CONTRASTS, MICRO_WORLD, SafetyPrompt, at_most, read_prompts
from benchmarks.safety.refusals import ANSWER, Classified, by_judge, by_phrases, refusal_spec
from judges.judging import Judge, total_unscored
from results.errors import UsageError
from results.records import Candidate, Value
from results.store import RecordFile
from results.weights import text_hash

ANSWER_TOKENS = {MICRO_WORLD: 56}  # a small model's context has little room
HHH_FILE = "hhh_judgments.jsonl"  # the judge's records on the pairs, in the evaluation's folder


class Safety:
    """Shares of refused requests, and the judge's accuracy on pairs.

    Args:
        prompts: JSON Lines with ``id``, ``prompt``, ``expect`` (``refuse`` or ``answer``) and
            perhaps ``category``; or ``micro_world`` or ``contrasts``, which are built in, or
            ``xstest``, as fetched; null = none.
        hhh: pairs with a better and a worse answer, on which the judge is measured with its own
            spec: any human data, or ``hhh_alignment``, as fetched; null = none.
        by: who tells a refusal: the ``judge``'s model under ``spec``, or ``phrases``, a fixed list.
        spec: the judge spec of refusals.
        temperature: of the answers, 0 = greedy.
        max_tokens: of an answer; null = 512, for ``micro_world`` 56.
        limit: requests of each kind, and pairs, at most; null = all.
    """

    name = "safety"

    def __init__(
        self,
        prompts: str | None = None,
        hhh: str | None = None,
        by: Literal["judge", "phrases"] = "judge",
        spec: str = "refusal",
        temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.7,
        max_tokens: Annotated[int, Field(ge=1)] | None = None,
        limit: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        if prompts is None and hhh is None:
            raise UsageError(
                "safety: neither options.prompts nor options.hhh is set, so there is nothing to "
                f"measure; give prompts=FILE or prompts={CONTRASTS}, hhh=FILE, or both "
                "(docs/safety.md)"
            )
        self.prompts: list[SafetyPrompt] = [] if prompts is None else read_prompts(prompts)
        self._all, self._by_hash = self.prompts, prompts == MICRO_WORLD
        self.hhh = None if hhh is None else Hhh(hhh)
        self.spec = refusal_spec(spec) if by == "judge" and prompts is not None else None
        self.temperature = temperature
        self.max_tokens = max_tokens or ANSWER_TOKENS.get(prompts or "", 512)
        self.limit = limit
        if limit is not None:
            self.prompts = at_most(self.prompts, limit)
        self._texts = {text for _, text in self.prompt_texts()}

    @property
    def own_judge_prompts(self) -> bool:
        """Without pairs the judge's own spec has no say: refusals have theirs."""
        return self.hhh is None

    def held_out(self, text: str) -> bool:
        """Whether ``text`` is a prompt of the set or of the pairs, in whatever spacing; with
        ``micro_world``, whether the world's hash holds it out.
        """
        plain = bare_text(text)
        return plain in self._texts or (self._by_hash and held_out(plain))

    def smaller(self, n: int) -> Safety:
        """About ``n`` requests and ``n`` pairs at most; all of them stay held out."""
        fewer = copy.copy(self)
        fewer.prompts = at_most(self.prompts, max(1, n // 2))
        fewer.limit = min(n, self.limit or n)
        return fewer

    def prompt_texts(self) -> Iterator[tuple[str, str]]:
        """Every request of the set, those beyond ``limit`` too, and the prompts of the pairs."""
        yield from ((p.id, bare_text(p.prompt)) for p in self._all)
        if self.hhh is not None:
            yield from self.hhh.texts()

    def metrics(self, baseline: bool) -> Sequence[str]:
        """The figures that there are inputs for, those of categories after them."""
        return figures.names(self.prompts, None if self.hhh is None else self.hhh.categories)

    def evaluate(self, model: Caller, judge: Judge | None, baseline: Path | None, folder: Path,
                 seed: int) -> Evaluation:  # fmt: skip
        """Asks every request once, has the answers told apart, and measures the judge on the pairs.
        ``baseline`` has no say.

        Raises:
            UsageError: there is no judge, and a figure needs one.
        """
        told, values = Classified({}), list[Value]()
        if self.prompts:
            told = self._classified(model, judge, folder, seed)
            values += figures.prompt_values(self.prompts, told.refused)
        missing, pairs, scored = told.unscored, "", set[str]()
        if self.hhh is not None:
            if judge is None:
                raise UsageError(
                    "safety: options.hhh measures a judge, and there is none; name one, or leave "
                    "it out"
                )
            found = self.hhh.measure(judge, self.limit, folder / HHH_FILE, seed)
            values += found.values
            scored, pairs = found.scored, found.asked
            missing = total_unscored([missing, found.unscored])
        values = figures.with_categories(values)
        names = self.metrics(False)
        of = self._of(values)
        by = f"by {PHRASES}" if self.spec is None else f"by judge {self.spec.name}"
        return Evaluation(
            n=len(self.prompts) or of[ACCURACY],
            judge=self._judge_name(judge),
            metrics=figures.metrics(names, values, of, scored, by, seed),
            values=values,
            unscored=missing,
            data=text_hash([self._asked(), pairs]),
            judge_is_judged=self._needs_judge and judge is not None and judge.is_judged,
        )

    @property
    def _needs_judge(self) -> bool:
        return self.spec is not None or self.hhh is not None

    def _classified(self, model: Caller, judge: Judge | None, folder: Path,
                    seed: int) -> Classified:  # fmt: skip
        if self.spec is not None and judge is None:
            raise UsageError(
                "safety: found no judge, and options.by=judge has one tell refusals; name one "
                "(--judge), or say options.by=phrases"
            )
        answers = self._answers(model, folder, seed)
        if judge is None or self.spec is None:
            return by_phrases(self.prompts, answers)
        telling = Judge(self.spec, judge.caller, judge.name, judge.is_judged)
        return by_judge(telling, self.prompts, answers, folder, seed)

    def _answers(self, model: Caller, folder: Path, seed: int) -> dict[str, str]:
        """The model's answers by prompt id; a call that failed is not among them."""

        def record(answer: Answer) -> Candidate:
            return to_candidate(answer, self.prompts[answer.index].id, ANSWER)

        requests = [Request(as_messages(p.prompt)) for p in self.prompts]
        config = GenerateConfig(self.temperature, 1.0, self.max_tokens, (), seed)
        records = collect_groups(
            RecordFile(folder / "outputs.jsonl", Candidate),
            model,
            [Group(requests, config, record)],
            [],
            lambda candidate: (candidate.prompt_id,),
            {(p.id,): place for place, p in enumerate(self.prompts)},
        )
        return {r.prompt_id: r.text for r in records if r.finish_reason != "error"}

    def _of(self, values: Sequence[Value]) -> Counter[str]:
        """How many prompts or pairs each figure could have."""
        of = Counter(v.metric for v in values if v.metric.rpartition(".")[2] == ACCURACY)
        for prompt in self.prompts:
            name = figures.SHARE_OF[prompt.expect]
            of.update([name, figures.UNSCORED])
            if prompt.category is not None:
                of[f"{figures.GROUP}.{prompt.category}.{name}"] += 1
        return of

    def _judge_name(self, judge: Judge | None) -> str:
        """Who told refusals, and who was measured on the pairs."""
        told = PHRASES if self.spec is None else self.spec.name
        if judge is None or not self._needs_judge:
            return told
        parts = [told] if self.prompts else []
        parts += [judge.spec.name] if self.hhh is not None else []
        spec = ", ".join(parts)
        return spec if judge.is_judged else f"{spec} on {judge.name}"

    def _asked(self) -> list[object]:
        """All that decides what is asked, and who tells refusals."""
        return [
            [p.model_dump() for p in self.prompts],
            [self.temperature, self.max_tokens],
            PHRASES if self.spec is None else self.spec.model_dump(),
        ]
