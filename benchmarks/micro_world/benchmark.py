"""The micro world as a benchmark: held-out instructions marked by the oracle, held-out rankings."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from backends.collect import collect, to_candidate
from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from benchmarks.benchmark import Evaluation
from benchmarks.judge_agreement import JUDGE_METRICS, measure_agreement
from benchmarks.micro_world import writers
from benchmarks.micro_world.oracle import CRITERIA, Marks, mark
from benchmarks.micro_world.world import draw_instruction, held_out, parse
from judges.judging import Judge
from judges.labels import Choice
from judges.rankings import RankedPrompt, RankedResponse
from results.errors import SrlmError
from results.records import Candidate, Judgment, Message, Value
from results.stats import ratio_metric
from results.store import RecordFile
from results.weights import text_hash

ANSWER_TOKENS = 56


class MicroWorld:
    """Oracle score, win rate against a baseline's outputs, and the judge metrics.

    Args:
        items: held-out instructions to answer (some share a text: intervals resample texts).
        rankings: held-out instructions whose four answers are ranked.
        item_seed: draws both; results under one seed compare with each other alone.
        noise: standard deviation of the annotators' error on the oracle's total (0 to 5).
        temperature: of the answers.
    """

    name = "micro_world"

    def __init__(
        self,
        items: Annotated[int, Field(ge=1)] = 400,
        rankings: Annotated[int, Field(ge=1)] = 80,
        item_seed: int = 0,
        noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.4,
        temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.7,
    ) -> None:
        rng = random.Random(f"items:{item_seed}")
        self.instructions = [draw_instruction(rng, held=True) for _ in range(items)]
        self.rankings = ranked_answers(rankings, noise, random.Random(f"rankings:{item_seed}"))
        self.temperature = temperature

    def held_out(self, text: str) -> bool:
        """Whether the hash of the text, in whatever spacing, puts it into the held-out eighth."""
        return held_out(" ".join(text.split()))

    def smaller(self, n: int) -> MicroWorld:
        """The first ``n`` items, and as large a share of the rankings, one at least."""
        fewer = copy.copy(self)
        share = n / len(self.instructions)
        fewer.instructions = self.instructions[:n]
        fewer.rankings = self.rankings[: max(1, round(share * len(self.rankings)))]
        return fewer

    def prompt_texts(self) -> Iterator[tuple[str, str]]:
        """The held-out instructions, answered or ranked."""
        yield from ((f"item-{i}", item.text) for i, item in enumerate(self.instructions))
        yield from ((ranked.id, str(ranked.prompt)) for ranked in self.rankings)

    def verify(self, prompt: str, first: str, second: str) -> Choice | None:
        """The answer with the higher oracle total; null where the prompt is no instruction here."""
        instruction = parse(prompt)
        if instruction is None:
            return None
        gap = mark(instruction, first).total - mark(instruction, second).total
        return "tie" if gap == 0 else "first" if gap > 0 else "second"

    def metrics(self, baseline: bool) -> Sequence[str]:
        """The oracle's figures, then the judge metrics."""
        ours = [name for name in _CONVENTIONS if baseline or name != "win_rate"]
        return [*ours, *JUDGE_METRICS]

    def evaluate(self, model: Caller, judge: Judge | None, baseline: Path | None, folder: Path,
                 seed: int) -> Evaluation:  # fmt: skip
        """Answers every item once, marks the answers, and measures the judge if there is one."""
        outputs = self._outputs(model, folder, seed)
        marks = [
            mark(instruction, text)
            for instruction, text in zip(self.instructions, outputs, strict=True)
        ]
        opponent = None if baseline is None else self._baseline(baseline)
        values = self._values(outputs, marks, opponent)
        metrics = {
            name: ratio_metric(
                name,
                [v for v in values if v.metric == name],
                len(self.instructions),
                text,
                seed,
                missing="there is no baseline, or this model is the baseline",
            )
            for name, text in _CONVENTIONS.items()
        }
        asked = [[instruction.text for instruction in self.instructions], self.temperature]
        if judge is None:
            return Evaluation(
                len(self.instructions), "oracle", metrics, values, data=text_hash(asked)
            )
        file = RecordFile(folder / "judgments.jsonl", Judgment)
        agreed = measure_agreement(judge, self.rankings, file, seed)
        return Evaluation(
            len(self.instructions),
            "oracle",
            {**metrics, **agreed.metrics},
            [*values, *agreed.values],
            agreed.unscored,
            text_hash([asked, agreed.data]),
        )

    def _outputs(self, model: Caller, folder: Path, seed: int) -> list[str]:
        file = RecordFile(folder / "outputs.jsonl", Candidate)
        occurrence: Counter[str] = Counter()
        requests = []
        for instruction in self.instructions:
            prompt = (Message(role="user", content=instruction.text),)
            requests.append(Request(prompt, draw=occurrence[instruction.text]))
            occurrence[instruction.text] += 1
        config = GenerateConfig(self.temperature, 1.0, ANSWER_TOKENS, (), seed)

        def record(answer: Answer) -> Candidate:
            item = f"item-{answer.index}"
            return to_candidate(answer, item, item, requests[answer.index].draw)

        collect(file, model, requests, config, record)
        return _texts(file, len(self.instructions))

    def _baseline(self, folder: Path) -> list[Marks]:
        texts = _texts(RecordFile(folder / "outputs.jsonl", Candidate), len(self.instructions))
        return [
            mark(instruction, text)
            for instruction, text in zip(self.instructions, texts, strict=True)
        ]

    def _values(self, outputs: list[str], marks: list[Marks],
                opponent: list[Marks] | None) -> list[Value]:  # fmt: skip
        values = []
        for i, (instruction, text, held) in enumerate(
            zip(self.instructions, outputs, marks, strict=True)
        ):
            found: dict[str, float] = {"oracle_score": held.total, "mean_length": len(text)}
            found |= dict(zip(CRITERIA, map(float, held.as_tuple()), strict=True))
            if opponent is not None:
                found["win_rate"] = _preference(held.total, opponent[i].total)
            cluster = text_hash(instruction.text)
            values += [
                Value(prompt_id=f"item-{i}", metric=name, num=value, cluster=cluster,
                      category=instruction.family)
                for name, value in found.items()
            ]  # fmt: skip
        return values


_CONVENTIONS = {
    "win_rate": "oracle total against the baseline's answer to the same item; a tie counts half",
    "oracle_score": "mean oracle total, 0 to 5",
    **dict.fromkeys(CRITERIA, "share of answers that hold the criterion"),
    "mean_length": "characters",
}


def _preference(candidate: int, baseline: int) -> float:
    return 0.5 if candidate == baseline else float(candidate > baseline)


def _texts(file: RecordFile[Candidate], n: int) -> list[str]:
    """Answers in the order of the items (the file has the order of the batches)."""
    by_id = {record.prompt_id: record.text for record in file.read()}
    if set(by_id) != {f"item-{i}" for i in range(n)}:
        raise SrlmError(
            f"{file.path}: {len(by_id)} answers, expected item-0 to item-{n - 1}; "
            "it is of another evaluation: use another run folder"
        )
    return [by_id[f"item-{i}"] for i in range(n)]


def ranked_answers(
    n: int, noise: float, rng: random.Random, held: bool = True
) -> list[RankedPrompt]:
    """``n`` held-out instructions (``held``) or others, each with four answers of distinct oracle
    totals, ranked by people whose error on the total is normal with standard deviation ``noise``.
    """
    rankings: list[RankedPrompt] = []
    used: set[str] = set()
    tries = 0
    while len(rankings) < n:
        tries += 1
        if tries > 100 * n + 1000:
            raise ValueError(f"rankings: {n} asked for, only {len(rankings)} different were found")
        instruction = draw_instruction(rng, held=held)
        answers: dict[int, str] = {}
        for _ in range(200):
            text = writers.answer(instruction, rng, writers.EFT)
            answers.setdefault(mark(instruction, text).total, text)
            if len(answers) == 4:
                break
        if len(answers) < 4 or instruction.text in used:
            continue
        used.add(instruction.text)
        seen = sorted(answers, key=lambda total: -(total + rng.gauss(0, noise)))
        responses = [
            RankedResponse(id=f"r{i}", text=answers[total], rank=seen.index(total))
            for i, total in enumerate(rng.sample(sorted(answers), 4))
        ]
        rankings.append(
            RankedPrompt(id=f"rank-{len(rankings)}", prompt=instruction.text, responses=responses)
        )
    return rankings
