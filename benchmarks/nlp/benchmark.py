"""NLP benchmarks as one benchmark: lm-eval runs a suite, its samples are kept one by one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from backends.engines.caller import Caller
from backends.engines.engine import LmEvalModel, OpenedByLmEval
from benchmarks.benchmark import Evaluation
from benchmarks.nlp import shipped
from benchmarks.nlp.local_files import DataFolder, open_folder
from benchmarks.nlp.questions import questions
from benchmarks.nlp.records import TaskRun, measured
from benchmarks.nlp.running import run_tasks
from benchmarks.nlp.suite import load_suite
from benchmarks.nlp.tasks import Planned, plan_suite
from judges.judging import Judge
from results.errors import UsageError, did_you_mean
from results.records import Metric, Value
from results.weights import text_hash


class Nlp:
    """Accuracies of a suite of lm-eval's tasks; no judge has a say.

    Args:
        suite: a shipped one (docs/nlp.md), or a YAML file of your own.
        data: folder with local files, or a mapping file like its ``files.yaml``; null = lm-eval
            fetches them from the hub.
        tasks: these metrics of the suite alone.
        limit: samples for each metric at most, drawn with the suite's seed.
        tokenizer: of a model behind an endpoint: a folder or hub id. Not needed where the model
            is named by its folder.
        max_length: tokens that the model reads at most; null = as lm-eval finds it.
        silence_minutes: lm-eval's process is killed after so long without an answer.
    """

    name = "nlp"

    def __init__(
        self,
        suite: str = "paper",
        data: str | None = None,
        tasks: list[str] | None = None,
        limit: Annotated[int, Field(ge=1)] | None = None,
        tokenizer: str | None = None,
        max_length: Annotated[int, Field(ge=1)] | None = None,
        silence_minutes: Annotated[float, Field(gt=0, le=10_080)] = 60.0,
    ) -> None:
        shipped.version()  # says how to install it
        self.suite = load_suite(suite)
        for name in tasks or []:
            if name not in self.suite.metrics:
                raise UsageError(
                    f"benchmark 'nlp': tasks: suite {suite} has no {name!r}"
                    f"{did_you_mean(name, self.suite.metrics)} (it has: "
                    f"{', '.join(self.suite.metrics)})"
                )
        if self.suite.local and data is None:
            raise UsageError(
                f"benchmark 'nlp': suite {suite} is of local files: give their folder with the "
                "option data (docs/nlp.md says how they are called)"
            )
        self.folder: DataFolder | None = None if data is None else open_folder(data)
        self.tasks, self.limit = tasks, limit
        self.tokenizer, self.max_length = tokenizer, max_length
        self.silence_s = silence_minutes * 60

    @cached_property
    def planned(self) -> list[Planned]:
        """What is run; UsageError where data are missing."""
        return plan_suite(self.suite, self.folder, self.tasks, self.limit)

    @cached_property
    def _questions(self) -> frozenset[str]:
        return frozenset(questions(self.planned))

    def held_out(self, text: str) -> bool:
        """Whether ``text`` is a question of a local file, in whatever spacing. What only the hub
        has is not known here.
        """
        return " ".join(text.split()) in self._questions

    def smaller(self, n: int) -> Nlp:
        """The same with ``n`` samples for each metric; all questions stay held out."""
        fewer = copy.copy(self)
        fewer.limit = n if self.limit is None else min(n, self.limit)
        fewer.__dict__.pop("planned", None)
        return fewer

    def data_hash(self) -> str:
        """Of tasks and local files; UsageError where some are missing."""
        return text_hash([p.hash() for p in self.planned])

    def metrics(self, baseline: bool) -> Sequence[str]:
        """The suite's metrics; a baseline adds none."""
        return [name for name in self.suite.metrics if self.tasks is None or name in self.tasks]

    def evaluate(self, model: Caller, judge: Judge | None, baseline: Path | None, folder: Path,
                 seed: int) -> Evaluation:  # fmt: skip
        """Runs lm-eval on the tasks that ``folder`` has no finished records of.

        Raises:
            SrlmError: data are missing, the engine's model cannot be opened by lm-eval, or its
                process ended.
        """
        opened = self._opened(model)
        runs: dict[str, TaskRun] = {}
        if opened is not None:
            model.engine.close()  # what holds the weights here would be in the way of lm-eval's
            runs = run_tasks(self.planned, model, opened, folder, self.silence_s)
        metrics: dict[str, Metric] = {}
        values: list[Value] = []
        for planned in self.planned:
            metrics[planned.metric], found = measured(
                planned, folder, runs.get(planned.metric), seed
            )
            values += found
        return Evaluation(
            n=len(values),
            judge=None,
            metrics=metrics,
            values=values,
            data=text_hash(
                [self.max_length, {p.metric: _asked(p, runs.get(p.metric)) for p in self.planned}]
            ),
        )

    def _opened(self, model: Caller) -> LmEvalModel | None:
        """How lm-eval opens the model; null where the evaluation is only gone through."""
        engine = model.engine
        if not isinstance(engine, OpenedByLmEval):
            raise UsageError(
                f"nlp: lm-eval cannot open a model of engine {type(engine).__name__}; use hf, or "
                "a server with openai and engine.base_url"
            )
        found = engine.lm_eval_model()
        if found is None:
            return None
        more = {"tokenizer": self.tokenizer, "max_length": self.max_length}
        arguments = found.arguments | {k: v for k, v in more.items() if v is not None}
        if found.kind == "local-completions" and "tokenizer" not in arguments:
            raise UsageError(
                f"nlp: {arguments['model']} is behind an endpoint: name its tokenizer (a folder or "
                "hub id) with options.tokenizer"
            )
        return LmEvalModel(found.kind, arguments, found.environment)


def _asked(planned: Planned, run: TaskRun | None) -> list[str]:
    """What decides whether two figures compare: of the hub's rows only what came tells which."""
    hub = any(leaf.files is None for leaf in planned.leaves)
    return [planned.hash(), run.docs if hub and run is not None else ""]
