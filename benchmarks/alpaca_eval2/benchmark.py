"""AlpacaEval 2.0 as a benchmark: the model answers the prompts, and an annotator of alpaca-eval
compares each output with the baseline's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import Field

from backends.engines.caller import Caller
from backends.engines.engine import GenerateConfig, check_ready
from backends.engines.openai_chat import OPENAI
from benchmarks.alpaca_eval2.annotations import Annotation, Annotations
from benchmarks.alpaca_eval2.annotator import Judged, judge_outputs, load_annotator, preference
from benchmarks.alpaca_eval2.figures import figures, metric_names, prompt_values
from benchmarks.alpaca_eval2.glm_files import read_gamed
from benchmarks.alpaca_eval2.official import place, places
from benchmarks.alpaca_eval2.outputs import generate, read_items, write_outputs
from benchmarks.alpaca_eval2.stored import BASELINE, LengthControl
from benchmarks.alpaca_eval2.win_rate import DISCRETE
from benchmarks.alpaca_eval2.written import write_annotations
from benchmarks.benchmark import Evaluation, evenly
from benchmarks.human_data.split import bare_text
from benchmarks.outside_data import outside_file
from judges.judging import Judge, unscored
from results.errors import UsageError
from results.records import Candidate, Value
from results.store import RecordFile
from results.weights import text_hash

LEADERBOARD = "weighted_alpaca_eval_gpt4_turbo"  # the annotator of AlpacaEval 2.0
# Of the baseline's outputs, in the order of the 805 prompts.
BASELINE_HASH = "af3af8fca59aa62c8da482de611d766e39c9fd47351c6e773868e20649f14c13"
ANNOTATIONS, OUTPUTS = "annotations.json", "model_outputs.json"  # upstream's, in the folder


class AlpacaEval2:
    """Win rates over fixed outputs of a baseline, judged under AlpacaEval's own prompts by the
    judge's model; its judge spec has no say.

    Args:
        baseline_outputs: the baseline's ``model_outputs.json``; null = gpt4_1106_preview's, as
            ``srlm data`` got it.
        prompts: a JSON list of rows with ``instruction``; null = all prompts that the baseline
            answers.
        annotator: of the installed alpaca-eval package.
        max_tokens: of an output; a longer one is cut.
        temperature: of the model, 0 = greedy.
        top_p: of the model.
        limit: how many of the prompts, evenly from the set; null = all.
        gamed: upstream's ``df_gamed.csv``, for the length-controlled win rate; null = as
            ``srlm data`` got it.
        c: of that figure's fit, > 0; null = by cross-validation.
    """

    name = "alpaca_eval2"
    own_judge_prompts = True

    def __init__(
        self,
        baseline_outputs: str | None = None,
        prompts: str | None = None,
        annotator: str = LEADERBOARD,
        max_tokens: Annotated[int, Field(ge=1)] = 2048,
        temperature: Annotated[float, Field(ge=0)] = 0.7,
        top_p: Annotated[float, Field(gt=0, le=1)] = 1.0,
        limit: Annotated[int, Field(ge=1)] | None = None,
        gamed: str | None = None,
        c: Annotated[float, Field(gt=0)] | None = None,
    ) -> None:
        self.annotator = load_annotator(annotator)
        theirs = (
            outside_file("alpaca_eval_outputs", f"{BASELINE}.json")
            if baseline_outputs is None
            else Path(baseline_outputs).expanduser()
        )
        asked = None if prompts is None else Path(prompts).expanduser()
        self.items, self.baseline = read_items(asked, theirs)
        self._texts = {bare_text(item.instruction) for item in self.items}
        self.parts = sorted({item.dataset for item in self.items if item.dataset is not None})
        self._all = self.items
        if limit is not None:
            self.items = evenly(self.items, limit)
        self.max_tokens, self.temperature, self.top_p = max_tokens, temperature, top_p
        path = None if gamed is None else Path(gamed).expanduser()
        if path is not None:
            read_gamed(path)  # what is wrong with it shows before anything is paid
        self.control = LengthControl(gamed=path, c=c)

    def held_out(self, text: str) -> bool:
        """Whether ``text`` is a prompt of the set, in whatever spacing."""
        return bare_text(text) in self._texts

    def smaller(self, n: int) -> AlpacaEval2:
        """``n`` of the prompts, evenly from the set; all of them stay held out."""
        fewer = copy.copy(self)
        fewer.items = evenly(self.items, n)
        return fewer

    def prompt_texts(self) -> Iterator[tuple[str, str]]:
        """Every prompt of the set, those beyond ``limit`` too."""
        for item in self._all:
            yield item.id, item.instruction

    def metrics(self, baseline: bool) -> Sequence[str]:
        """AlpacaEval's figures, length, unscored rate, and the win rate of each part of the set;
        its own baseline is always there.
        """
        return metric_names(self.parts)

    def evaluate(self, model: Caller, judge: Judge | None, baseline: Path | None, folder: Path,
                 seed: int) -> Evaluation:  # fmt: skip
        """Asks the model, has its outputs compared with the baseline's, and keeps all of it in
        upstream's form too. ``baseline`` has no say: the set brings its own.

        Raises:
            UsageError: there is no judge.
            SrlmError: no call of the judge can succeed, as far as that is known before.
        """
        judge = self._ready(judge)
        outputs = self._outputs(model, folder, seed)
        write_outputs(folder / OUTPUTS, model.engine.identity, self.items, outputs)
        found, judged = self._judged(model, judge, outputs, folder, seed)
        by_prompt = {judgment.prompt_id: judgment for judgment in judged.judgments}
        write_annotations(folder / ANNOTATIONS, found, by_prompt)
        metrics, values = figures(found, judged, self.items, self.parts, self.control, seed)
        published = self._as_published(judge, judged.discrete)
        of_preferences = metrics["n_total"].value
        return Evaluation(
            # The published n counts preferences; ours the prompts, whatever became of them.
            n=int(of_preferences) if published and of_preferences is not None else len(self.items),
            judge=found.annotator,
            metrics=metrics,
            values=values,
            unscored=unscored(judged.judgments),
            data="" if published else self._hash(),
            judge_is_judged=judge.is_judged,
            baseline=self.baseline,
        )

    def prompt_ids(self) -> list[str]:
        """Those of the prompts, in the order of the set."""
        return [item.id for item in self.items]

    def drawn_metrics(self) -> Sequence[str]:
        """The win rates. The length-controlled one is a fit over all prompts."""
        return ["win_rate", "discrete_win_rate", "unscored_rate"]

    def draw(self, ids: Sequence[str], model: Caller, judge: Judge | None, baseline: Path | None,
             folder: Path, seed: int) -> list[Value]:  # fmt: skip
        """Asks and judges these prompts alone, by the calls that ``evaluate`` makes."""
        judge = self._ready(judge)
        part = copy.copy(self)
        by_id = {item.id: item for item in self.items}
        part.items = [by_id[name] for name in ids]
        found, judged = part._judged(model, judge, part._outputs(model, folder, seed), folder, seed)
        return prompt_values(found, judged, part.items, self.parts)

    def _outputs(self, model: Caller, folder: Path, seed: int) -> dict[str, str]:
        config = GenerateConfig(self.temperature, self.top_p, self.max_tokens, (), seed)
        file = RecordFile(folder / "outputs.jsonl", Candidate)
        return generate(model, [(item.id, item.instruction) for item in self.items], file, config)

    def _judged(
        self, model: Caller, judge: Judge, outputs: Mapping[str, str], folder: Path, seed: int
    ) -> tuple[Annotations, Judged]:
        judged = judge_outputs(judge.caller, self.annotator, self.items, outputs, folder, seed)
        name = self._judge_name(judge, judged.discrete)
        return self._annotations(model.engine.identity, name, outputs, judged), judged

    def _ready(self, judge: Judge | None) -> Judge:
        """Checks the judge before the first call is paid, and says that figures of another judge
        are no published ones.
        """
        if judge is None:
            raise UsageError("alpaca_eval2: found no judge, and every figure is its; name a judge")
        check_ready(judge.caller.engine, again=True)
        if not self._official(judge):
            judge.caller.on_note(
                f"alpaca_eval2: {self.annotator.name} is published for "
                f"{self.annotator.published.model}, and here {judge.name} judges: its figures "
                "stand in no ranking with published ones (srlm eval --bridge compares two judges)"
            )
        return judge

    def _official(self, judge: Judge) -> bool:
        published = f"openai:{OPENAI}:{self.annotator.published.model}"
        return judge.caller.engine.identity == published

    def _as_published(self, judge: Judge, verdicts: bool) -> bool:
        """Whether the figures compare with those of the published leaderboard: its 805 prompts, its
        baseline, its annotator and judge. How a model answers is its own affair there.
        """
        if verdicts or not self._official(judge) or self.annotator.name != LEADERBOARD:
            return False
        found = {place(item.instruction): item.baseline for item in self.items}
        if set(found) != set(places().values()):
            return False
        return text_hash([text for _, text in sorted(found.items())]) == BASELINE_HASH

    def _judge_name(self, judge: Judge, verdicts: bool) -> str:
        """The annotator's own name only where its published judge judges as published."""
        name = self.annotator.name
        if not self._official(judge):
            name += f" by {judge.name}"
        return f"{name}{DISCRETE}" if verdicts else name

    def _annotations(
        self, model: str, judge: str, outputs: Mapping[str, str], judged: Judged
    ) -> Annotations:
        """The judged pairs as upstream's rows; a prompt without an output has none."""
        rows = [
            Annotation(
                instruction=item.instruction,
                output_1=item.baseline,
                output_2=outputs[item.id],
                generator_1=self.baseline,
                generator_2=model,
                annotator=judge,
                dataset=item.dataset,
                preference=preference(self.annotator, judgment),
            )
            for item, judgment in zip(self.items, judged.judgments, strict=True)
            if item.id in outputs
        ]
        return Annotations(model, self.baseline, judge, rows)

    def _hash(self) -> str:
        """Of all that decides what is asked of the model and of the judge."""
        return text_hash(
            [
                [[item.instruction, item.dataset, item.baseline] for item in self.items],
                self.annotator.spec.model_dump(),
                asdict(self.annotator.published),
                [self.max_tokens, self.temperature, self.top_p],
            ]
        )
