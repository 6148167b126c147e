"""Adaptive draws: the judge is asked again only where another draw may change a prompt's pair.

Whether it may is decided in rounds, each over all prompts, so that an interrupted stage asks the
same calls again. A seeded share of the prompts gets all draws anyway: on these it is counted how
often the pair would have been another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from backends.collect import answer_all, begun
from judges.judging import Judge, Response, judge_requests, recorder
from judges.pointwise import generate_config
from judges.stopping import NextDraw, Rule, needed, pair_of, stands
from results.records import Judgment, Metric
from results.store import RecordFile, write_json

FIRST = 2  # draws that everybody gets: how a second draw falls after a first must be seen


def even_draws(draws: int, min_scored: int) -> int:
    """How many of the first draws every response gets; further ones go where the pair is open."""
    return min(max(FIRST, min_scored), draws)


@dataclass(frozen=True)
class Adaptive:
    """How draws are spared.

    Args:
        until: ``certain`` or ``likely``, see ``judges.stopping``.
        confidence: the probability that ``likely`` asks for.
        audit: share of the prompts that gets all draws.
    """

    until: Literal["certain", "likely"]
    confidence: float
    audit: float


class Saving(BaseModel):
    """``asked`` of ``of`` calls were made. ``agreement``: the share of audited prompts on which
    the pair is that of all draws.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    asked: int
    of: int
    agreement: Metric


class _Prompt:
    """One prompt's responses. ``all``: every draw that was made. ``used``: how many of them the
    rule would have asked for, by response.
    """

    def __init__(self, responses: list[Response], rule: Rule, audited: bool) -> None:
        self.responses, self.rule, self.audited = responses, rule, audited
        self.all: dict[str, dict[int, float | None]] = {r.response_id: {} for r in responses}
        self.used = dict.fromkeys(self.all, even_draws(rule.draws, rule.min_scored))

    def draws(self) -> dict[str, list[float | None]]:
        """What the rule has seen."""
        return {name: [at[d] for d in range(self.used[name])] for name, at in self.all.items()}

    def full(self) -> dict[str, list[float | None]]:
        return {name: [at[d] for d in sorted(at)] for name, at in self.all.items()}

    def wanted(self) -> list[tuple[Response, int]]:
        """(response, draw) of what is to be asked now."""
        return [
            (r, d)
            for r in self.responses
            for d in range(self.rule.draws if self.audited else self.used[r.response_id])
            if d not in self.all[r.response_id]
        ]


def judge_adaptively(
    judge: Judge,
    responses: Sequence[Response],
    file: RecordFile[Judgment],
    seed: int,
    how: Adaptive,
    min_margin: float,
) -> list[Judgment]:
    """Judges until every prompt's pair stands; otherwise as ``judges.judging.judge_responses``.
    What was saved is kept in ``adaptive.json`` beside ``file``, a ``Saving``.

    Args:
        judge: who judges.
        responses: those of one prompt together.
        file: for the judgments, not finalised.
        seed: of decoding, of the audit and of what ``likely`` simulates.
        how: when a pair stands.
        min_margin: that pair selection asks for, on the judge's scale.

    Returns:
        The judgments, in the order of responses and draws.
    """
    spec = judge.spec
    rule = Rule(spec.draws, spec.min_scored, spec.scale, min_margin)
    groups: dict[str, list[Response]] = {}
    for response in responses:
        groups.setdefault(response.prompt_id, []).append(response)
    prompts = {
        name: _Prompt(part, rule, _share(f"audit\0{seed}\0{name}") < how.audit)
        for name, part in groups.items()
    }
    found: dict[tuple[str, str, int], Judgment] = {}
    there, config = begun(file), generate_config(spec, seed)
    more = True
    while more:
        asked = [call for prompt in prompts.values() for call in prompt.wanted()]
        requests = judge_requests(spec, asked, file)
        made = answer_all(file, judge.caller, requests, config, recorder(spec, asked), there)
        for j in made.values():
            found[j.prompt_id, j.response_id, j.draw] = j
            prompts[j.prompt_id].all[j.response_id][j.draw] = j.score
        more = _go_on(prompts, rule, how, seed)
    audited = [p for p in prompts.values() if p.audited]
    same = sum(pair_of(p.draws(), rule) == pair_of(p.full(), rule) for p in audited)
    saving = Saving(
        asked=len(found),
        of=len(responses) * spec.draws,
        agreement=_agreement(same, len(audited), len(prompts)),
    )
    write_json(file.path.with_name("adaptive.json"), saving.model_dump())
    place = {(r.prompt_id, r.response_id): i for i, r in enumerate(responses)}
    file.replace(sorted(found.values(), key=lambda j: (place[j.prompt_id, j.response_id], j.draw)))
    return file.read()


@dataclass(frozen=True)
class Replay:
    """``asked`` of ``of`` draws; on ``same`` of ``prompts`` the pair is that of all draws."""

    asked: int
    of: int
    same: int
    prompts: int


def replay(judgments: Sequence[Judgment], rule: Rule, how: Adaptive, seed: int) -> Replay:
    """What the rule would have asked for of judgments that have all draws, in the order of their
    responses.
    """
    seen: dict[str, dict[str, dict[int, float | None]]] = {}
    for j in judgments:
        seen.setdefault(j.prompt_id, {}).setdefault(j.response_id, {})[j.draw] = j.score
    prompts = {}
    for name in seen:
        responses = [Response(name, "", response, "") for response in seen[name]]
        prompts[name] = _Prompt(responses, rule, audited=True)
        prompts[name].all = seen[name]
    while _go_on(prompts, rule, how, seed):
        pass
    return Replay(
        asked=sum(sum(p.used.values()) for p in prompts.values()),
        of=len(judgments),
        same=sum(pair_of(p.draws(), rule) == pair_of(p.full(), rule) for p in prompts.values()),
        prompts=len(prompts),
    )


def _go_on(prompts: dict[str, _Prompt], rule: Rule, how: Adaptive, seed: int) -> bool:
    """Gives one more draw to every response that needs it; false when none does."""
    falls = None
    if how.until == "likely":
        falls = NextDraw(said for p in prompts.values() for said in p.draws().values())
    more = False
    for name, prompt in prompts.items():
        draws = prompt.draws()
        asks = needed(draws, rule)
        if asks and falls is not None:
            # The number of draws makes each look a simulation of its own.
            look = f"stands\0{seed}\0{name}\0{sum(map(len, draws.values()))}"
            if stands(draws, rule, falls, look) >= how.confidence:
                continue
        for response in asks:
            prompt.used[response] += 1
            more = True
    return more


def _agreement(same: int, n: int, of: int) -> Metric:
    """Of ``n`` of ``of`` prompts, with Wilson's interval (1927), which holds near 1, where these
    shares are.
    """
    low = high = None
    if n:
        from scipy.stats import binomtest

        low, high = binomtest(same, n).proportion_ci(0.95, method="wilson")
    return Metric(
        name="adaptive_agreement",
        value=same / n if n else None,
        low=low,
        high=high,
        n=n,
        of=of,
        convention="share of audited prompts with the same highest and lowest candidate, or none, "
        "as with all draws",
        reason=None if n else "no prompt was audited (judge.adaptive.audit)",
    )


def _share(text: str) -> float:
    """A number in [0, 1) that ``text`` alone decides."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
