"""All alarms in their order: the name, when it can be known, and who looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from harness.alarms.contamination import contamination
from harness.alarms.counts import evaluation_unscored, ties, too_few_pairs, unscored
from harness.alarms.diversity import (
    candidates_share,
    diversity_loss,
    outputs_share,
    repeated,
    shared_sentence,
)
from harness.alarms.finding import Finding
from harness.alarms.judge_drift import judge_agreement, same_score, score_pile_up
from harness.alarms.judges_apart import judge_evaluator_disagreement, position_bias
from harness.alarms.length import candidates_grow, chosen_longer, outputs_grow
from harness.alarms.reward_hacking import hacked_step, rewarded_phrase
from harness.alarms.safety import safety
from harness.alarms.seen import Seen
from results.alarms import When

BEFORE: When = "before training"
AFTER: When = "after evaluation"


class Watch(NamedTuple):
    """One alarm at one moment. ``look`` gives null where there is nothing to look at."""

    name: str
    when: When
    look: Callable[[Seen], Finding | None]


# Some stand twice under one name: of what was written before training, and of the model after it.
ALARMS = (
    Watch("reward_hacking", BEFORE, hacked_step),
    Watch("reward_hacking", AFTER, rewarded_phrase),
    Watch("judge_agreement", AFTER, judge_agreement),
    Watch("score_pile_up", BEFORE, score_pile_up),
    Watch("same_score", BEFORE, same_score),
    Watch("length_growth", BEFORE, candidates_grow),
    Watch("length_growth", AFTER, outputs_grow),
    Watch("chosen_longer", BEFORE, chosen_longer),
    Watch("repeated", BEFORE, repeated),
    Watch("diversity_loss", BEFORE, diversity_loss),
    Watch("grown_phrase", BEFORE, candidates_share),
    Watch("grown_phrase", AFTER, outputs_share),
    Watch("shared_sentence", BEFORE, shared_sentence),
    Watch("contamination", BEFORE, contamination),
    Watch("judge_evaluator_disagreement", AFTER, judge_evaluator_disagreement),
    Watch("ties", BEFORE, ties),
    Watch("unscored", BEFORE, unscored),
    Watch("unscored", AFTER, evaluation_unscored),
    Watch("position_bias", AFTER, position_bias),
    Watch("too_few_pairs", BEFORE, too_few_pairs),
    Watch("safety", AFTER, safety),
)
