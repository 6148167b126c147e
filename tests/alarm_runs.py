"""Small runs for tests of the alarms: three iterations of records, healthy unless told."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.head_to_head.disagreement import disagreement
from benchmarks.head_to_head.sides import Item, Match
from harness.alarms.measuring import measure_alarms
from harness.config import RunConfig
from harness.head_to_head.report import REPORT, Report, Said
from harness.recipe import load_recipe
from harness.run import run_spec
from harness.stages.pairs import choose
from judges.pairwise import Verdict
from judges.pointwise import mean_scores
from results.alarms import Alarm, When
from results.records import (
    Candidate,
    Contaminated,
    Evaluated,
    Example,
    Judgment,
    Metric,
    Pair,
    PairJudgment,
    Prompt,
    Unscored,
    Value,
)
from results.store import RecordFile, write_json

PROMPTS, DRAWS, ITEMS, K = 60, 3, 80, 3
CONFIG = "extends: quickstart\ngate: {file: null}\npairs: {min_pairs: 20}\n"
HELPS = ". I hope this helps."


def words(seed: str, n: int = 14, of: int = 300) -> str:
    """A text of ``n`` words from a vocabulary of ``of``, another one for each seed."""
    rng = random.Random(seed)
    return " ".join(f"w{rng.randrange(of)}" for _ in range(n))


def healthy_score(k: int, i: int, draw: int) -> int:
    """One to five, a point higher in the later iteration, as healthy runs have it."""
    return (i + 2 * draw) % 4 + k - 2


@dataclass(frozen=True)
class Small:
    """What the records of a run are made of; functions of the iteration, the prompt, the draw."""

    text: Callable[[int, int, int], str] = lambda k, i, d: words(f"{k}-{i}-{d}")
    score: Callable[[int, int, int], float | None] = healthy_score
    output: Callable[[int, int], str] = lambda k, i: words(f"out-{k}-{i}")
    win: Callable[[int, int], float] = lambda k, i: float(i % 10 < 3 + 2 * k)
    agree: Callable[[int, int], float] = lambda k, i: float(i % 10 < 9)
    safe: Callable[[int, int], float] = lambda k, i: float(i % 10 < 9)
    dropped: dict[str, int] = field(default_factory=lambda: {"duplicate": 10, "held_out": 2})
    contaminated: int = 0
    unscored: int = 1
    controlled: dict[int, float] = field(default_factory=dict)
    verdicts: tuple[Callable[[int], Verdict], Callable[[int], Verdict]] | None = None
    shown_first: Callable[[int], bool] | None = None
    items: int = ITEMS
    config: str = ""

    def make(self, folder: Path) -> Path:
        """Writes the run."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(CONFIG + self.config)
        seed = [Example(id=str(i), prompt="p", completion="c", kind="ift") for i in range(20)]
        hits = [Contaminated(id=f"c{i}", prompt="p", detail="") for i in range(self.contaminated)]
        RecordFile(folder / "seed" / "ift.jsonl", Example).replace(seed)
        if hits:
            RecordFile(folder / "seed" / "contaminated.jsonl", Contaminated).replace(hits)
        for k in range(1, K + 1):
            self._evaluation(folder / f"iter_{k}" / "evaluation", k)
        config = load_recipe(str(folder / "config.yaml"), []).config
        for k in range(2, K + 1):
            self._step(folder, k, config)
        return folder

    def _step(self, folder: Path, k: int, config: RunConfig) -> None:
        place = folder / f"iter_{k}"
        prompts = [Prompt(id=f"p{i}", prompt=f"Say {k} {i}.", source="s") for i in range(PROMPTS)]
        candidates, judgments = [], []
        for i in range(PROMPTS):
            for d in range(DRAWS):
                name, score = f"p{i}-{d}", self.score(k, i, d)
                candidates.append(
                    Candidate(prompt_id=f"p{i}", response_id=name, draw=d, text=self.text(k, i, d),
                              finish_reason="stop", tokens=1, call="")
                )  # fmt: skip
                status = "unscored" if score is None else "scored"
                reason = "no_score" if score is None else None
                judgments += [
                    Judgment(prompt_id=f"p{i}", response_id=name, draw=draw, status=status,
                             score=score, reason=reason, text="")
                    for draw in range(3)
                ]  # fmt: skip
        pairs, _ = choose(config, prompts, candidates, mean_scores(judgments, run_spec(config)))
        prompts += [
            Prompt(id=f"{reason}{i}", prompt="p", source="s", status="dropped", reason=reason)
            for reason, n in self.dropped.items() for i in range(n)
        ]  # fmt: skip
        RecordFile(place / "prompts.jsonl", Prompt).replace(prompts)
        RecordFile(place / "candidates.jsonl", Candidate).replace(candidates)
        RecordFile(place / "judgments.jsonl", Judgment).replace(judgments)
        RecordFile(place / "pairs.jsonl", Pair).replace(pairs)
        if self.verdicts is not None:
            self._comparison(place / "head_to_head")

    def _evaluation(self, place: Path, k: int) -> None:
        figures = {"win_rate": self.win, "pairwise_accuracy": self.agree, "correct": self.safe}
        values = [
            Value(prompt_id=f"i{i}", metric=name, num=figure(k, i), cluster=f"i{i}")
            for name, figure in figures.items() for i in range(self.items)
        ]  # fmt: skip
        outputs = [
            Candidate(prompt_id=f"i{i}", response_id="", draw=0, text=self.output(k, i),
                      finish_reason="stop", tokens=1, call="")
            for i in range(self.items)
        ]  # fmt: skip
        metrics = {}
        if k in self.controlled:
            at = self.controlled[k]
            metrics["lc_win_rate"] = Metric(name="lc_win_rate", value=at, low=at - 0.02,
                                            high=at + 0.02, n=80, of=80, convention="")  # fmt: skip
        place.mkdir(parents=True)
        RecordFile(place / "values.jsonl", Value).replace(values)
        RecordFile(place / "outputs.jsonl", Candidate).replace(outputs)
        if self.shown_first is not None:
            judged = [
                PairJudgment(prompt_id=f"i{i}", order="AB" if i % 2 else "BA", status="scored",
                             verdict="first" if self.shown_first(i) == bool(i % 2) else "second")
                for i in range(self.items)
            ]  # fmt: skip
            RecordFile(place / "pair_judgments.jsonl", PairJudgment).replace(judged)
        found = Evaluated(
            model=f"M{k}", benchmark="b", identity="", data="d", judge="oracle",
            judge_is_judged=False, judge_spec="", judge_model="self", baseline=None, n=self.items,
            metrics=metrics, unscored=Unscored(n=self.unscored, of=100),
        )  # fmt: skip
        write_json(place / "metrics.json", found.model_dump())

    def _comparison(self, folder: Path) -> None:
        assert self.verdicts is not None
        matches = [Match(Item(f"i{i}", f"p{i}"), "x", "y") for i in range(self.items)]
        sides = [{f"i{i}": says(i) for i in range(self.items)} for says in self.verdicts]
        found = disagreement(("self", "oracle"), matches, *sides, seed=0)
        said = [Said(name, False, v) for name, v in zip(("self", "oracle"), sides, strict=True)]
        folder.mkdir(parents=True)
        write_json(folder / REPORT, Report.of("d", said, [], [found]).model_dump())

    def but(self, **changes: object) -> Small:
        """The same with some changes."""
        return replace(self, **changes)  # type: ignore[arg-type]


def alarms_of(folder: Path, k: int = K) -> dict[tuple[str, When], Alarm]:
    """What ``measure_alarms`` says of iteration ``k``, by name and moment."""
    config = load_recipe(str(folder / "config.yaml"), []).config
    return {(alarm.name, alarm.when): alarm for alarm in measure_alarms(folder, config, k).alarms}
