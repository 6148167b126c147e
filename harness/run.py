"""One run: its folder, its parts, and the models that its stages call."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backends.chat_template import own_template, template_text, with_template
from backends.engines.caller import Caller
from backends.engines.engine import Engine, check_ready, check_served
from backends.models import model_folder
from backends.prices import PriceFile
from backends.registry import open_engine, open_trainer
from backends.trainers.trainer import Trainer
from benchmarks.benchmark import Benchmark
from benchmarks.registry import open_benchmark
from harness.calling import check_price, open_caller
from harness.config import RunConfig
from harness.display import Display
from harness.folder import note_spent
from harness.lineage import champion_before
from harness.outside import all_models, outside_models
from judges.adaptive import FIRST
from judges.judging import Judge
from judges.spec import JudgeSpec, load_spec, with_draws
from results.cache import CallCache
from results.errors import SrlmError, UsageError
from results.records import RuleResult


class StopRun(SrlmError):
    """The run may not go on; what it has is kept and shown.

    Args:
        k: the iteration that is not reached.
        what: what there is too little or too much of ("pairs").
        found: how much was found.
        threshold: the bound that it broke.
        message: the same in words, with the mend.
        exit_code: 3, or 4 for too many unscored judgments.
    """

    def __init__(self, k: int, what: str, found: float, threshold: float, message: str,
                 exit_code: int = 3) -> None:  # fmt: skip
        super().__init__(message)
        self.k, self.exit_code = k, exit_code
        self.result = RuleResult(
            rule="max" if found > threshold else "min", metric=what, value=found, low=found,
            high=found, threshold=threshold, passed=False, n_used=1, of=1, reason=message,
        )  # fmt: skip


@dataclass
class Run:
    """Everything the stages share. One engine holds the policy, and one each model from outside."""

    config: RunConfig
    folder: Path
    display: Display
    spec: JudgeSpec
    benchmark: Benchmark
    trainer: Trainer
    base: Path
    prices: PriceFile = field(default_factory=lambda: PriceFile.read(None))
    beside: dict[str, Benchmark] = field(default_factory=dict)
    _engines: dict[str, tuple[tuple[str, str], Engine]] = field(default_factory=dict)

    @classmethod
    def open(cls, config: RunConfig, folder: Path, display: Display) -> Run:
        """Opens every part. Nothing is computed and nothing written: what is wrong shows first."""
        base = model_folder(config.model.base)
        if config.start_path is not None:
            start_folder(config.start_path)
        if (folder / "base").is_dir():
            base = folder / "base"
        prices = PriceFile.read(Path(p) if (p := config.budget.prices) else None)
        for part in all_models(config, base):
            open_engine(part.engine, part.model, part.options)
            check_price(config.budget, prices, part.engine, part.model, part.options)
        return cls(
            config,
            folder,
            display,
            run_spec(config),
            open_benchmark(config.evaluation.benchmark, config.evaluation.options),
            open_trainer(config.trainer.name, config.trainer.options),
            base,
            prices,
            open_beside(config),
        )

    @cached_property
    def cache(self) -> CallCache:
        """The calls finished so far; the file is made at the first call, not before."""
        path = self.folder / "calls.sqlite"
        return CallCache(path, records=self.folder, notice=self.display.note)

    @property
    def benchmarks(self) -> list[Benchmark]:
        """The main one, then those beside it."""
        return [self.benchmark, *self.beside.values()]

    def held_out(self, text: str) -> bool:
        """Whether an instruction belongs to some evaluation and may never be trained on."""
        return any(benchmark.held_out(text) for benchmark in self.benchmarks)

    def iteration(self, k: int) -> Path:
        """The folder of iteration ``k`` (1 = SFT)."""
        return self.folder / f"iter_{k}"

    def checkpoint(self, k: int) -> Path:
        """The weights of M_k; k = 0 is M0. M1 is what the run starts from, where it trains none."""
        if k == 0 or (k == 1 and self.config.start == "chat"):
            return self.base
        if k == 1 and self.config.start_path is not None:
            dressed = self.folder / "start"
            return dressed if dressed.is_dir() else start_folder(self.config.start_path)
        return self.iteration(k) / "checkpoint"

    def before(self, k: int) -> Path:
        """The weights that M_k begins with and is judged by: the champion's before it."""
        return self.checkpoint(champion_before(self.folder, k))

    @property
    def sft_baseline(self) -> Path:
        """The folder of the SFT baseline, a comparison and not a step of the loop."""
        return self.folder / "sft_baseline"

    @property
    def m0(self) -> Path:
        """The folder of what M0 was measured to be."""
        return self.folder / "m0"

    @property
    def opponent(self) -> Path | None:
        """The evaluation folder of the opponent in win rates, null where there is none."""
        folders = {"sft": self.sft_baseline, "m0": self.m0, "none": None}
        found = folders[self.config.evaluation.baseline]
        return None if found is None else found / "evaluation"

    def caller(self, weights: Path) -> Caller:
        """The model in ``weights`` behind the cache, on the run's engine."""
        engine = self.config.engine
        return self._caller("policy", engine.name, str(weights), engine.options)

    def judge(self, weights: Path) -> Judge:
        """The run's judge; ``weights`` is the policy, which judges where the judge is ``self``."""
        caller = self._outside("judge")
        if caller is None:
            return Judge(self.spec, self.caller(weights), "self", True)
        return Judge(self.spec, caller, self.config.judge.model, False)

    def auditor(self, spec: JudgeSpec) -> Judge | None:
        """The judge from outside that labels pairs, where the audit is by one."""
        caller, audit = self._outside("auditor"), self.config.audit
        return None if caller is None or audit is None else Judge(spec, caller, audit.by, False)

    def writer(self, k: int) -> Caller:
        """Who writes the prompts of iteration ``k``: M0, the champion, or a model of its own."""
        caller = self._outside("writer")
        if caller is not None:
            return caller
        return self.caller(self.base if self.config.prompts.model == "base"
                           else self.before(k))  # fmt: skip

    def check_engines(self) -> None:
        """Raises SrlmError where an engine can say already that no call will succeed; servers are
        asked for their models before the folder is taken, and not again.
        """
        again = (self.folder / "manifest.json").exists()
        with TemporaryDirectory(prefix="srlm-check-") as name:
            base = self._with_template(Path(name) / "base") if not again else self.base
            models = all_models(self.config, base)
            if self.config.start_path is not None and not again:
                start = self._start_with_template(base, Path(name) / "start")
                models.append(replace(models[0], section="start", model=str(start)))
            for part in models:
                opened = open_engine(part.engine, part.model, part.options)
                # A writer that goes on with a list is shown no conversation.
                lists = part.role == "writer" and self.config.prompts.form == "completion"
                try:
                    check_ready(opened, again or lists)
                    if not again:
                        check_served(opened, self.display.note)
                except UsageError as error:
                    raise UsageError(self._as_asked(str(error), Path(name))) from error
                finally:
                    opened.close()

    def _as_asked(self, message: str, checked: Path) -> str:
        """The message about a model that was dressed for the check, by what the user named."""
        template = self.config.model.chat_template or "its own with chat_template_options"
        for folder, model in (("base", self.base), ("start", self.config.start_path)):
            named = f"{model} with model.chat_template {template}"
            message = message.replace(str(checked / folder), named)
        return message

    def prepare_base(self) -> None:
        """Gives M0 the chat template that the run asks for, in ``RUN/base``, and in ``RUN/start``
        the model of another run that M1 is.
        """
        self.base = self._with_template(self.folder / "base")
        if self.config.start_path is not None:
            self._start_with_template(self.base, self.folder / "start")

    def _with_template(self, out: Path) -> Path:
        wanted = self.config.model
        if wanted.chat_template is None and not wanted.chat_template_options:
            return self.base
        if self.base == out:
            return out
        text = template_text(self.base, wanted.chat_template, wanted.chat_template_options)
        return with_template(self.base, text, out)

    def _start_with_template(self, base: Path, out: Path) -> Path:
        """What ``start`` names; with the template of M0 in ``base`` where the run asks for one and
        it has another.
        """
        start, wanted = start_folder(str(self.config.start_path)), self.config.model
        asked = wanted.chat_template is not None or wanted.chat_template_options
        if not asked or own_template(start) == own_template(base):
            return start
        return with_template(start, own_template(base), out)

    def outside_identities(self) -> dict[str, str]:
        """What names the weights of each model from outside, by its section of the configuration.
        Opens no cache: the folder may not be taken yet.
        """
        found = {}
        for part in outside_models(self.config):
            opened = open_engine(part.engine, part.model, part.options)
            opened.close()
            found[part.section] = opened.identity
        return found

    def _outside(self, role: str) -> Caller | None:
        for part in outside_models(self.config):
            if part.role == role:
                return self._caller(role, part.engine, part.model, part.options)
        return None

    def _caller(self, role: str, name: str, model: str, options: dict[str, Any]) -> Caller:
        """One engine a role: another model in the same role takes the place of the one before."""
        held = self._engines.get(role)
        if held is None or held[0] != (name, model):
            if held is not None:
                held[1].close()
            self._engines[role] = ((name, model), open_engine(name, model, options))
        price = self.prices.price(name, model, options)
        engine = self._engines[role][1]
        return open_caller(engine, self.cache, self.display, self.config.budget, price)

    def release(self, role: str | None = None) -> None:
        """Frees all weights, so that the trainer has the machine; or those of one role alone."""
        for name in list(self._engines) if role is None else [role]:
            if (held := self._engines.pop(name, None)) is not None:
                held[1].close()

    def keep_spent(self) -> None:
        """Writes into the manifest what all calls of the run so far took, by model."""
        if "cache" in self.__dict__ or (self.folder / "calls.sqlite").exists():
            note_spent(self.folder, [asdict(part) for part in self.cache.spent()])

    def close(self) -> None:
        """Frees the weights and closes the cache."""
        self.release()
        if "cache" in self.__dict__:
            self.cache.close()


def open_beside(config: RunConfig) -> dict[str, Benchmark]:
    """The benchmarks beside the main one, by the name that their metrics begin with."""
    return {
        name: open_benchmark(part.benchmark or name, part.options)
        for name, part in config.evaluation.beside.items()
    }


def start_folder(start: str) -> Path:
    """The weights that a run starts from: an iteration's folder of another run, or a model's.

    Raises:
        UsageError: there are none.
    """
    folder = Path(start)
    for weights in (folder / "checkpoint", folder):
        if (weights / "config.json").is_file():
            return weights
    raise UsageError(
        f"start {start!r}: no checkpoint there; expected 'base', 'chat', or the folder of an "
        "iteration (runs/NAME/iter_2) or of a model"
    )


def run_spec(config: RunConfig) -> JudgeSpec:
    """The judge spec with the run's own number of draws; never more scored draws than there are.

    Raises:
        UsageError: the judge compares two answers: the loop needs a score for each.
    """
    spec = load_spec(config.judge.spec)
    if spec.kind != "pointwise":
        raise UsageError(
            f"judge.spec: judge {spec.name!r} is pairwise, the loop needs one that gives scores; "
            "name another (srlm ls judges)"
        )
    spec = with_draws(spec, config.judge.draws)
    if config.judge.adaptive is not None and spec.draws <= FIRST:
        raise UsageError(
            f"judge.adaptive: everybody gets {FIRST} draws and there are {spec.draws}, so "
            "none can be spared; raise judge.draws or leave it out"
        )
    return spec
