"""The configuration of a run: strict, complete, and with the origin of every value."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from backends.models import inside_package
from harness.alarms.config import AlarmSettings
from harness.audit_config import Audit
from harness.gate_config import Gate
from harness.section import Section
from judges.agreeing_sets import Ties
from judges.fitness_checks import Criterion


class Decoding(Section):
    """How completions are drawn. Defaults are the paper's."""

    temperature: float = Field(default=0.7, ge=0)
    top_p: float = Field(default=0.9, gt=0, le=1)
    max_tokens: int = Field(default=768, ge=1)


class Part(BaseModel):
    """A pluggable part: its name, and beside it the part's own options."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside ``name``."""
        return dict(self.model_extra or {})


class EngineConfig(Part):
    """Which engine runs the models."""

    name: str = "hf"


class TrainerConfig(Part):
    """Which trainer trains them."""

    name: str = "trl"


class Model(Section):
    """``base`` is M0: a folder, ``package:`` path or hub id.

    ``chat_template``: null (its own), ``plain`` (for base models without one) or a jinja file;
    ``chat_template_options``: variables that it reads (``enable_thinking: false``).
    ``parameters``: how many it has, for ``srlm plan`` where its weights are not on this machine
    (null: counted in them).
    """

    base: str
    parameters: float | None = Field(default=None, gt=0)
    chat_template: str | None = None
    chat_template_options: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], bool | int | float | str | None
    ] = Field(default_factory=dict)


class Hardware(Section):
    """What ``srlm plan`` reckons hours with: how many ``devices``, the peak of one in dense
    ``tflops`` (10^12 operations a second at the precision used; null: no hours) and its ``name``.

    ``parameters``: of other models than ``model.base`` whose weights are not on this machine, by
    ``engine:model``.
    """

    devices: int = Field(default=1, ge=1)
    tflops: float | None = Field(default=None, gt=0)
    name: str = ""
    parameters: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)


class Judged(Section):
    """EFT from the SFT baseline's own judgments of ranked answers, those that agree with people.

    ``draws`` of each answer; the draws of one number over a prompt's answers are a set, and at most
    ``sets`` of a prompt that put them in the human order are kept. ``ties``: whether equal scores
    break a set (``drop``), or are allowed beside one pair in order (``keep``). No score may hold
    more than ``max_share`` of the examples. Fewer than ``min_examples`` stop the run; resampling
    alone never goes below them.
    """

    draws: int = Field(default=3, ge=1)
    ties: Ties = "drop"
    sets: int = Field(default=1, ge=1)
    max_share: float = Field(default=0.3, gt=0, le=1)
    min_examples: int = Field(default=1, ge=1)


class Bootstrap(Section):
    """Ranked answers without people: IFT answers and worse ones made of them.

    ``prompts`` of the IFT instructions (null: all), judged by ``draws`` of each answer.
    """

    prompts: int | None = Field(default=None, ge=1)
    draws: int = Field(default=8, ge=1)


class Data(Section):
    """Seed data: a source and its options, and where EFT comes from.

    ``eft``: ``source``: what the source gives; ``judged``: judgments of its ranked prompts;
    ``bootstrap``: judgments of ranked prompts made from IFT (the settings of ``judged`` but its
    draws hold there too).
    """

    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    eft: Literal["source", "judged", "bootstrap"] = "source"
    judged: Judged = Judged()
    bootstrap: Bootstrap = Bootstrap()

    @property
    def draws(self) -> int:
        """Judgments of each answer from which EFT is made."""
        return self.bootstrap.draws if self.eft == "bootstrap" else self.judged.draws


class Sft(Section):
    """Settings of the SFT steps, as the trainer defines them."""

    settings: dict[str, Any] = Field(default_factory=lambda: {"learning_rate": 5.5e-6})


class Dpo(Section):
    """Settings of the DPO steps. ``reference``: ``step_start`` (M_t, the paper's) or ``m0``."""

    reference: Literal["step_start", "m0"] = "step_start"
    settings: dict[str, Any] = Field(default_factory=lambda: {"learning_rate": 1e-6})


# Words that a model of text alone cannot serve, as Self-Instruct lists them.
BEYOND_TEXT = ["image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map",
               "maps", "draw", "plot", "go to"]  # fmt: skip


class PromptFilters(Section):
    """What a written instruction must be like. The defaults are Self-Instruct's, and English.

    ``keywords``: words that it may not hold; ``starts``: how it may not begin; ``bad_start``: it
    begins with an ASCII letter or digit; ``language``: ISO 639-1 code, null = any; ``rouge_l``: it
    is dropped when its ROUGE-L F1 with a kept one or a seed instruction is above, null = never.
    """

    min_words: int = Field(default=4, ge=0)
    max_words: int = Field(default=150, ge=1)
    keywords: list[Annotated[str, Field(min_length=1)]] = BEYOND_TEXT
    starts: list[Annotated[str, Field(min_length=1)]] = Field(default=["Write a program"])
    bad_start: bool = True
    language: str | None = Field(default="en", pattern=r"^[a-z]{2,3}$")
    rouge_l: float | None = Field(default=0.7, gt=0, lt=1)


class Decontaminate(Section):
    """Drops what shares ``ngram`` words in a row with a text of an evaluation set in use."""

    ngram: int = Field(default=13, ge=2)


class Prompts(Section):
    """New instructions: written by a model from few shots, or taken from a file (``path``, or
    ``package:some.package/file`` for one inside an installed package).

    ``count`` holds one number for each DPO iteration; the last one serves all later ones.
    ``model``: who writes: ``base`` (the fixed M0), ``policy`` (the champion before M_k) or
    ``engine:model``; ``options`` are those of its own engine. ``form``: ``completion`` (a numbered
    list that the model goes on with) or ``chat`` (one user message). A prompt shows ``shots`` seed
    instructions and ``generated_shots`` kept ones; where those are too few, seed instructions in
    their place.
    ``per_round`` are written at a time (null: all that are missing), and what is then missing is
    written anew, ``rounds`` times in all.
    """

    source: Literal["self_instruct", "file"] = "self_instruct"
    path: str | None = None
    count: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(default=[1000])
    model: str = "base"
    options: dict[str, Any] = Field(default_factory=dict)
    form: Literal["completion", "chat"] = "completion"
    shots: int = Field(default=6, ge=1)
    generated_shots: int = Field(default=2, ge=0)
    per_round: int | None = Field(default=None, ge=1)
    rounds: int = Field(default=6, ge=1)
    filters: PromptFilters = PromptFilters()
    decontaminate: Decontaminate | None = Decontaminate()
    decoding: Decoding = Decoding(temperature=0.6, max_tokens=256)

    @field_validator("model")
    @classmethod
    def _known_form(cls, value: str) -> str:
        if value not in ("base", "policy") and ":" not in value:
            raise ValueError(f"{value!r} is none of 'base', 'policy', 'engine:model' (hf:PATH)")
        return value

    @field_validator("path")
    @classmethod
    def _found_in_package(cls, value: str | None) -> str | None:
        if value is None or not value.startswith("package:"):
            return value
        return str(inside_package("prompts.path", value))

    @model_validator(mode="after")
    def _parts_fit(self) -> Prompts:
        if (self.source == "file") != (self.path is not None):
            raise ValueError("source: file needs path, and path needs source: file")
        if self.options and ":" not in self.model:
            raise ValueError(f"options are of a model's own engine; model {self.model!r} has none")
        return self


class Candidates(Section):
    """``n`` completions of each prompt."""

    n: int = Field(default=4, ge=2)
    decoding: Decoding = Decoding()


class AdaptiveDraws(Section):
    """Asks for another draw only where it may change a prompt's highest or lowest candidate.

    ``until``: ``certain``: no draw that is left can change them; ``likely``: they stay with the
    probability ``confidence``, by how this judge's draws fall. ``audit``: share of the prompts that
    get all draws, to measure how often the pair is another one.
    """

    until: Literal["certain", "likely"] = "certain"
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    audit: float = Field(default=0.1, ge=0, le=1)


class Fit(Section):
    """Whether M1's judge is fit to judge, before its scores train anything.

    ``data``: human rankings or labels on held-out prompts (null: those of the benchmark).
    ``waived_by``: who takes it on themselves to go on without, by name; null = nobody.
    """

    data: str | None = None
    criterion: Criterion = Criterion()
    waived_by: str | None = Field(default=None, min_length=1)


class JudgeConfig(Section):
    """Who judges: ``self`` (the policy of the iteration) or ``engine:model``; there is no default.

    ``options`` are those of a judge's own engine. ``draws`` replaces the spec's; ``adaptive``
    spares those that change nothing (null: all are made); ``shuffle`` permutes the scores within
    each prompt (the control experiment); ``fit`` is asked of M1's judge; a run stops when more
    than ``max_unscored`` of the judgments are unscored.
    """

    spec: str
    model: str
    options: dict[str, Any] = Field(default_factory=dict)
    draws: int | None = Field(default=None, ge=1)
    adaptive: AdaptiveDraws | None = None
    fit: Fit = Fit()
    shuffle: bool = False
    max_unscored: float = Field(default=0.5, ge=0, le=1)

    @field_validator("model")
    @classmethod
    def _known_form(cls, value: str) -> str:
        if value != "self" and ":" not in value:
            raise ValueError(f"{value!r} is neither 'self' nor 'engine:model' (hf:PATH_OR_ID)")
        return value

    @model_validator(mode="after")
    def _options_have_an_engine(self) -> JudgeConfig:
        if self.options and self.model == "self":
            raise ValueError("options are of a judge's own engine; model 'self' has none")
        return self


class Pairs(Section):
    """Highest against lowest score; fewer than ``min_pairs`` stop the run before training (null:
    fewer than one batch of ``dpo.settings``).
    """

    min_margin: float = Field(default=0.0, ge=0)
    min_pairs: int | None = Field(default=None, ge=1)


class Beside(Section):
    """A further benchmark of every iteration. ``benchmark``: null = the one of the name that it
    stands under.
    """

    benchmark: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class EvaluationConfig(Section):
    """The benchmark between the iterations. ``baseline``: the opponent of its win rate, the SFT
    baseline (IFT only), M0, or none. ``beside``: further benchmarks by a name of one's own; gate
    rules and alarms name their metrics ``NAME.METRIC``.
    """

    benchmark: str
    options: dict[str, Any] = Field(default_factory=dict)
    baseline: Literal["sft", "m0", "none"] = "sft"
    beside: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")], Beside] = Field(
        default_factory=dict
    )


class Budget(Section):
    """What a run may spend, over all its starts; null = no bound. It may change between starts.

    ``max_calls``: model calls, answered or failed; repeated attempts of one call are not counted.
    ``max_cost``: US dollars at the prices of the file ``prices`` (null: the shipped one).
    """

    max_calls: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0)
    prices: str | None = None


class RunConfig(Section):
    """One run of the loop: M1, then ``iterations - 1`` self-reward steps by DPO.

    ``start``: what M1 is. ``base``: SFT of ``model.base`` on the seed data; ``chat``:
    ``model.base`` itself, which is instruction-tuned already; else the folder of an iteration of
    another run, or of a model. Where nothing is trained for M1, EFT data is not used.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    seed: int = Field(default=0, ge=0, lt=2**32, strict=True)
    iterations: int = Field(default=3, ge=1)
    start: str = "base"
    model: Model
    data: Data
    engine: EngineConfig = EngineConfig()
    trainer: TrainerConfig = TrainerConfig()
    sft: Sft = Sft()
    dpo: Dpo = Dpo()
    prompts: Prompts = Prompts()
    candidates: Candidates = Candidates()
    judge: JudgeConfig
    pairs: Pairs = Pairs()
    audit: Audit | None = None
    evaluation: EvaluationConfig
    gate: Gate = Gate()
    alarms: AlarmSettings = AlarmSettings()
    budget: Budget = Budget()
    hardware: Hardware = Hardware()

    @property
    def start_path(self) -> str | None:
        """Where M1's weights come from when they are of another run; null for the other starts."""
        return None if self.start in ("base", "chat") else self.start

    @model_validator(mode="after")
    def _eft_trains_something(self) -> RunConfig:
        if self.start != "base" and self.data.eft != "source":
            raise ValueError(
                f"data.eft: {self.data.eft} makes data that M1 is trained on, and start: "
                f"{self.start} trains no M1; leave one of them out"
            )
        return self
