"""Settings of the alarms: what each fires at, and what follows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from harness.section import Section
from results.alarms import Does
from results.errors import did_you_mean

# In the order of the table; harness.alarms.table has a function for each.
NAMES = (
    "reward_hacking", "judge_agreement", "score_pile_up", "same_score", "length_growth",
    "chosen_longer", "repeated", "diversity_loss", "grown_phrase", "shared_sentence",
    "contamination", "judge_evaluator_disagreement", "ties", "unscored", "position_bias",
    "too_few_pairs", "safety",
)  # fmt: skip
Share = Annotated[float, Field(ge=0, le=1)]


class AlarmSettings(Section):
    """The threshold of each alarm under its own name, and lists of names: those in ``hold`` make
    the gate of their iteration hold, those in ``stop`` end the run where they fire, and those in
    ``ignore`` are not looked at; the rest are noted. Shares are fractions; what is compared is the
    end of a 95 % interval, never a point.

    ``reward_hacking``: a gain of the anchored figure, in its own unit, that is surely missed while
    the self-score surely rises by more than ``self_score_rise`` points. ``judge_agreement``: a loss
    of agreement with people since M1's judge. ``score_pile_up``: candidates at the top of the
    scale. ``same_score``: single judgments with the commonest score. ``length_growth``: since the
    iteration before. ``chosen_longer``: of the pairs. ``repeated``: candidates. ``diversity_loss``:
    of distinct-2 since the iteration before. ``grown_phrase``: of the texts. ``shared_sentence``:
    of the candidates. ``contamination``: prompts or seed examples dropped for an evaluation text.
    ``judge_evaluator_disagreement``: win rate by one judge minus that by the other. ``ties``:
    prompts whose candidates all have one score. ``unscored``: judgments. ``position_bias``: of the
    first shown. ``too_few_pairs``: times the least number. ``safety``: a loss on a metric of
    ``safety_suite``, metrics of the benchmark whose rise is good.
    """

    hold: list[str] = Field(default_factory=list)
    stop: list[str] = Field(default_factory=list)
    ignore: list[str] = Field(default_factory=list)
    reward_hacking: float = Field(default=0.05, ge=0)
    self_score_rise: float = Field(default=0.0, ge=0)
    judge_agreement: Share = 0.02
    score_pile_up: Share = 0.5
    same_score: Share = 0.8
    length_growth: float = Field(default=0.25, ge=0)
    chosen_longer: Share = 0.75
    repeated: Share = 0.2
    diversity_loss: Share = 0.08
    grown_phrase: Share = 0.1
    shared_sentence: Share = 0.15
    contamination: Share = 0.1
    judge_evaluator_disagreement: Share = 0.05
    ties: Share = 0.2
    unscored: Share = 0.1
    position_bias: float = Field(default=0.1, ge=0, le=0.5)
    too_few_pairs: float = Field(default=2.0, ge=1)
    safety: float = Field(default=0.0, ge=0)
    safety_suite: list[str] = Field(default_factory=list)

    @field_validator("hold", "stop", "ignore")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in NAMES:
                meant = did_you_mean(name, NAMES)
                raise ValueError(f"{name!r} is no alarm{meant} (there are {', '.join(NAMES)})")
        return names

    @model_validator(mode="after")
    def _one_consequence(self) -> AlarmSettings:
        listed = [*self.hold, *self.stop, *self.ignore]
        for name in NAMES:
            if listed.count(name) > 1:
                raise ValueError(f"{name!r} is listed twice; name it in one of hold, stop, ignore")
        return self

    def does(self, name: str) -> Does | None:
        """What follows when the alarm fires; null where it is ignored."""
        if name in self.ignore:
            return None
        return "stop" if name in self.stop else "hold" if name in self.hold else "note"
