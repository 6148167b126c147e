"""The records that every stage reads and writes: one JSON object a line, typed and versioned.

A record says what happened to one thing (a prompt, a candidate, a judgment, a pair). Records are
the truth of a run: the cache, the counts and the tables are derived from them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from results.gate_records import AlphaSpent, GateInputs, Policy


class Record(BaseModel):
    """Base of every line in a record file. ``v`` is the version of the record's own fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    v: Literal[1] = 1


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    role: Literal["system", "user", "assistant"]
    content: str


Conversation = Annotated[list[Message], Field(min_length=1)]


class Example(Record):
    """One supervised training example: a prompt and the completion whose tokens carry the loss.

    ``meta`` is not trained on. Of an EFT example it may hold ``instruction``, the text whose answer
    is judged in it: evaluation texts are looked for there.
    """

    id: str
    prompt: str | Conversation
    completion: str
    kind: Literal["ift", "eft"]
    meta: dict[str, Any] = Field(default_factory=dict)


class Prompt(Record):
    """An instruction for the policy. A dropped one is kept here with the reason, so counts add up.

    ``call`` is the cache key of the model call that wrote it, null for prompts from people;
    ``text`` is that call's whole completion. ``detail`` of a dropped one says what it is too like:
    the evaluation text that it holds, the kept prompt that it resembles, the language it seems in.
    """

    id: str
    prompt: str | Conversation
    source: str
    status: Literal["kept", "dropped"] = "kept"
    reason: str | None = None
    detail: str | None = None
    call: str | None = None
    text: str | None = None
    finish_reason: str | None = None
    tokens: int | None = None


class Contaminated(Record):
    """A seed example that is left out: ``detail`` names the evaluation text in its ``prompt``, of
    an EFT example in the instruction, which stands there.
    """

    id: str
    prompt: str | Conversation
    detail: str


class Candidate(Record):
    """One completion of a prompt by the policy. ``tokens`` counts generated tokens."""

    prompt_id: str
    response_id: str
    draw: int
    text: str
    finish_reason: str
    tokens: int
    call: str


# Of every generated token: its text, and the likeliest in its place with log-probabilities.
Logprobs = list[tuple[str, list[tuple[str, float]]]]


class Judgment(Record):
    """One parsed judge call. ``score`` is null exactly when ``status`` is unscored.

    ``logprobs``: where the score is read from them; null otherwise.
    """

    prompt_id: str
    response_id: str
    draw: int
    status: Literal["scored", "unscored"]
    score: Annotated[float, Field(strict=True)] | None
    reason: str | None
    text: str
    finish_reason: str | None = None
    tokens: int | None = None
    call: str | None = None
    logprobs: Logprobs | None = None

    @model_validator(mode="after")
    def _score_matches_status(self) -> Judgment:
        if (self.score is None) != (self.status == "unscored"):
            raise ValueError(f"status {self.status!r} with score {self.score!r}")
        if (self.reason is None) != (self.status == "scored"):
            raise ValueError(f"status {self.status!r} with reason {self.reason!r}")
        return self


class PairJudgment(Record):
    """One parsed judge call on two responses. ``order``: AB shows ``first`` first, BA ``second``.

    ``verdict`` is of the two as the data name them, whatever the order shown; it is null exactly
    when ``status`` is unscored.
    """

    prompt_id: str
    order: Literal["AB", "BA"]
    draw: int = 0
    status: Literal["scored", "unscored"]
    verdict: Literal["first", "second", "tie"] | None = None
    reason: str | None = None
    text: str = ""
    finish_reason: str | None = None
    tokens: int | None = None
    call: str | None = None
    logprobs: Logprobs | None = None

    @model_validator(mode="after")
    def _verdict_matches_status(self) -> PairJudgment:
        if (self.verdict is None) != (self.status == "unscored"):
            raise ValueError(f"status {self.status!r} with verdict {self.verdict!r}")
        return self


class Retry(Record):
    """A judgment that is asked for under another draw, ``asked_as``: its own did not parse.

    ``response_id`` is the order where the judgment is of a pair.
    """

    prompt_id: str
    response_id: str
    draw: int
    asked_as: int


class Pair(Record):
    """A preference pair: the training example of DPO. ``margin`` = chosen minus rejected score."""

    prompt_id: str
    prompt: str | Conversation
    chosen_id: str
    rejected_id: str
    chosen: str
    rejected: str
    chosen_score: float
    rejected_score: float
    margin: float


class AuditLabel(Record):
    """What one annotator says of a pair that was shown without its scores, before it is trained on.

    ``chosen``: as which answer the chosen one was shown; nobody who labels sees it. ``label`` is
    null exactly when ``status`` is unscored, which has a ``reason``.
    """

    prompt_id: str
    annotator: str
    chosen: Literal["first", "second"]
    status: Literal["scored", "unscored"]
    label: Literal["first", "second", "tie"] | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _label_matches_status(self) -> AuditLabel:
        if (self.label is None) != (self.status == "unscored"):
            raise ValueError(f"status {self.status!r} with label {self.label!r}")
        if (self.reason is None) != (self.status == "scored"):
            raise ValueError(f"status {self.status!r} with reason {self.reason!r}")
        return self


class Value(Record):
    """One prompt's contribution to a metric: the metric is sum(num) / sum(den) over prompts.

    ``cluster`` names what is resampled (prompts with the same text share one); prompts are paired
    between two models by ``prompt_id``. A prompt without a value is not in the file: the metric's
    ``of`` says how many there could have been. ``category``: of the prompt, where the benchmark
    has some.
    """

    prompt_id: str
    metric: str
    num: float
    den: float = 1.0
    cluster: str
    category: str | None = None


class Metric(BaseModel):
    """An aggregate with its coverage (``n`` of ``of``), interval and convention.

    ``value`` is null when undefined, never NaN; ``low`` and ``high`` bound it at ``confidence``.
    ``reason`` says why the value or its interval is null.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: int
    of: int
    convention: str
    reason: str | None = None


class Unscored(BaseModel):
    """``n`` of ``of`` judgments have no score; how many for which reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    n: int = 0
    of: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)


class Evaluated(BaseModel):
    """One model on one benchmark, the contents of metrics.json.

    ``identity`` names its weights, ``data`` what it was asked and how; ``judge`` judged its
    answers, and ``judge_is_judged`` says that this was the model itself. ``judge_spec`` and
    ``judge_model`` are the judge that the judge metrics are about, null where there was none.
    ``baseline`` is the opponent of its win rate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str
    benchmark: str
    identity: str
    data: str
    judge: str | None
    judge_is_judged: bool
    judge_spec: str | None
    judge_model: str | None
    baseline: str | None
    n: int
    metrics: dict[str, Metric]
    unscored: Unscored


# How the bounds of a figure were found: results.stats, results.proven.
Bounds = Literal["bootstrap", "betting"]
# What a gate rule says of what it saw.
Outcome = Literal["passed", "failed", "inconclusive", "unmeasured"]


class RuleResult(BaseModel):
    """What one gate rule saw and said. ``n_used`` of ``of`` prompts stood behind it.

    ``outcome``: ``failed`` where the interval excludes passing, ``inconclusive`` where it leaves
    open on which side of the threshold the value lies, ``unmeasured`` where nothing measures the
    metric and the rule lets that pass (null: a record from before there were outcomes).
    ``sequential``: values were read until the decision was certain, so the figures are not those of
    all prompts. ``settles_at``: about how many prompts would settle it, were the value what it
    seems; null when unknown. ``bounds``: how ``low`` and ``high`` were found where all prompts were
    read (null: otherwise, or an older record).

    Of a rule that is tested with others (``family``, null: alone): ``p`` is that of "nothing more
    than the threshold was lost", ``p_adjusted`` the same for all rules of the family together,
    which decides, and ``detectable`` the smallest drop that these prompts would have shown with
    80 % power, in the metric's unit (null: none).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rule: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    threshold: float
    passed: bool
    n_used: int
    of: int
    reason: str
    outcome: Outcome | None = None
    sequential: bool = False
    settles_at: int | None = None
    bounds: Bounds | None = None
    family: str | None = None
    p: float | None = None
    p_adjusted: float | None = None
    detectable: float | None = None


class GateDecision(BaseModel):
    """The gate's decision over one attempt at an iteration.

    ``changes``: the settings of this attempt that differ from the run's. ``alpha``: null where the
    run has no error rate of its own. ``waived_by``: who promoted it though rules did not pass.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    decision: Literal["promote", "hold", "stop"]
    rules: list[RuleResult]
    attempt: int = 1
    changes: dict[str, Any] = Field(default_factory=dict)
    inputs: GateInputs | None = None
    alpha: AlphaSpent | None = None
    policy: Policy | None = None
    waived_by: str | None = None

    @property
    def unmeasured(self) -> list[str]:
        """The metrics that nothing measured, and that were let pass for it."""
        return [rule.metric for rule in self.rules if rule.outcome == "unmeasured"]
