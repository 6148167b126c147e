"""MT-Bench as a benchmark: the model answers both turns, the judge rates every answer."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from backends.engines.caller import Caller
from backends.engines.openai_chat import OPENAI
from benchmarks.benchmark import Evaluation, evenly
from benchmarks.human_data.split import bare_text
from benchmarks.mt_bench import grading, pairs
from benchmarks.mt_bench.answers import Answers, Asking, ask, stored_answers, write_answers
from benchmarks.mt_bench.figures import (
    CATEGORY,
    by_category,
    by_question,
    category_values,
    rating_metrics,
    rating_values,
)
from benchmarks.mt_bench.pair_figures import CONVENTIONS, game_metrics, game_values
from benchmarks.mt_bench.protocol import CATEGORY_OF, OTHER_TEMPERATURE, TEMPERATURES
from benchmarks.mt_bench.questions import (
    Asked,
    Question,
    read_graders,
    read_questions,
    read_references,
)
from benchmarks.outside_data import outside_file, same_bytes
from judges.judging import Judge, total_unscored, unscored
from results.errors import UsageError
from results.records import Judgment, Metric, PairJudgment, Unscored, Value
from results.stats import ratio_metric
from results.store import RecordFile
from results.weights import text_hash

FASTCHAT = "fastchat"  # folder of the same answers and judgments in upstream's form
ANSWERS = "model_answer.jsonl"
FILES = ("question.jsonl", "reference_answer/gpt-4.jsonl", "judge_prompts.jsonl")  # FastChat's
PUBLISHED_JUDGE, PUBLISHED_BY = "gpt-4", ("gpt-4", "gpt-4-0314", "gpt-4-0613")
RATINGS = ("average", "first_turn", "second_turn")
_TURNS = {
    "unscored_rate": "share of the answers' turns without a rating",
    "mean_length": "characters of an answer, mean over all turns that were answered",
}


class MtBench:
    """Ratings of both turns by the judge's model under MT-Bench's own prompts, not its judge spec.

    Args:
        questions: FastChat's ``question.jsonl``, or questions of your own in its form; null = as
            ``srlm data`` got it.
        judge_prompts: FastChat's ``judge_prompts.jsonl``; null = as ``srlm data`` got it.
        references: FastChat's ``reference_answer/gpt-4.jsonl``: needed for questions of reasoning,
            math and coding; null = as ``srlm data`` got it, for its own questions.
        answers: a FastChat answer file that is judged in place of what the model would answer.
        system: the system message before the questions, "" for none. FastChat sends OpenAI's
            models "You are a helpful assistant.".
        max_tokens: of an answer; a longer one is cut.
        pairwise: with a baseline, judge each pair of answers too: win rates, at twice as many
            judge calls again.
    """

    name = "mt_bench"
    own_judge_prompts = True

    def __init__(
        self,
        questions: str | None = None,
        judge_prompts: str | None = None,
        references: str | None = None,
        answers: str | None = None,
        system: str = "",
        max_tokens: Annotated[int, Field(ge=1)] = 1024,
        pairwise: bool = False,
    ) -> None:
        asked = _file(questions, FILES[0])
        self.questions = read_questions(asked)
        theirs = None
        if references is not None or questions is None:
            theirs = _file(references, FILES[1])
        self.references = read_references(theirs, self.questions)
        prompts = _file(judge_prompts, FILES[2])
        self._files = (asked, theirs, prompts)
        self.graders = read_graders(prompts, "single")
        self.comparers = read_graders(prompts, "pair") if pairwise else {}
        self.answers: Answers | None = None
        if answers is not None:
            self.answers = stored_answers(Path(answers).expanduser(), self.questions)
        self.system = system
        self.max_tokens = max_tokens
        self._texts = {bare_text(text) for q in self.questions for text in q.turns}

    def held_out(self, text: str) -> bool:
        """Whether ``text`` is a turn of a question, in whatever spacing."""
        return bare_text(text) in self._texts

    def smaller(self, n: int) -> MtBench:
        """About ``n`` of the questions, evenly from all categories; all of them stay held out."""
        fewer = copy.copy(self)
        fewer.questions = evenly(self.questions, n)
        return fewer

    def prompt_texts(self) -> Iterator[tuple[str, str]]:
        """Every turn, under the question's id and the turn's number."""
        for question in self.questions:
            for turn, text in enumerate(question.turns, start=1):
                yield f"{question.id}/turn-{turn}", text

    def metrics(self, baseline: bool) -> Sequence[str]:
        """The ratings, also by category, the unscored rate and the length; win rates where pairs
        are judged.
        """
        parts = dict.fromkeys(CATEGORY.format(question.category) for question in self.questions)
        rates = CONVENTIONS if baseline and self.comparers else ()
        return [*RATINGS, *parts, *_TURNS, *rates]

    def evaluate(self, model: Caller, judge: Judge | None, baseline: Path | None, folder: Path,
                 seed: int) -> Evaluation:  # fmt: skip
        """Asks the model, has its answers rated, and keeps all of it in FastChat's form too.

        Raises:
            UsageError: there is no judge.
        """
        if judge is None:
            raise UsageError("mt_bench: found no judge, and every figure is its; name a judge")
        asked = Asked(self.questions, self.references)
        answers = self._answers(model, folder, seed)
        name = model.engine.identity
        write_answers(folder / FASTCHAT / ANSWERS, name, self.questions, answers)
        file = RecordFile(folder / "judgments.jsonl", Judgment)
        judgments = grading.grade(judge.caller, self.graders, asked, answers, file, seed)
        written = folder / FASTCHAT / "single.jsonl"
        grading.write_judgments(
            written, name, judge.name, self.graders, asked, answers, judgments
        )  # fmt: skip
        ratings = grading.to_ratings(asked, judgments)
        turns = {(rating.question_id, rating.turn) for rating in ratings}
        others = _turn_values(self.questions, answers, judgments)
        found = (
            rating_metrics(ratings, turns, seed)
            | by_category(ratings, turns, seed)
            | {
                metric: ratio_metric(
                    metric, [v for v in others if v.metric == metric], len(turns), text, seed
                )
                for metric, text in _TURNS.items()
            }
        )
        values = rating_values(ratings) + category_values(ratings) + others
        missing = unscored(judgments)
        if self.comparers:
            rates, more, failed = self._pairs(judge, asked, answers, name, baseline, folder, seed)
            found, values, missing = found | rates, values + more, total_unscored((missing, failed))
        published = self._as_published(judge)
        return Evaluation(
            n=len(self.questions),
            judge=PUBLISHED_JUDGE if published else judge.name,
            metrics=found,
            values=by_question(values),
            unscored=missing,
            data="" if published else self._hash(),
            judge_is_judged=judge.is_judged,
        )

    def _as_published(self, judge: Judge) -> bool:
        """Whether the ratings compare with published ones: GPT-4 at its own endpoint, and the files
        as FastChat has them, byte by byte.
        """
        own = {f"openai:{OPENAI}:{name}" for name in PUBLISHED_BY}
        if judge.caller.engine.identity not in own or len(self.questions) < len(CATEGORY_OF):
            return False
        return all(
            path is not None and same_bytes(path, "mt_bench", name)
            for path, name in zip(self._files, FILES, strict=True)
        )

    def _answers(self, model: Caller, folder: Path, seed: int) -> Answers:
        if self.answers is not None:
            return {question.id: self.answers[question.id] for question in self.questions}
        return ask(model, self.questions, folder, Asking(self.system, self.max_tokens, seed))

    def _pairs(
        self,
        judge: Judge,
        asked: Asked,
        answers: Answers,
        name: str,
        baseline: Path | None,
        folder: Path,
        seed: int,
    ) -> tuple[dict[str, Metric], list[Value], Unscored]:
        """The win rates against the baseline; null where there is none."""
        if baseline is None:
            reason = "there is no baseline, or this model is the baseline"
            return game_metrics([], seed, reason), [], Unscored()
        opponent = stored_answers(baseline / FASTCHAT / ANSWERS, self.questions)
        of = pairs.turns(asked, answers, opponent)
        file = RecordFile(folder / "pair_judgments.jsonl", PairJudgment)
        judgments = pairs.compare(judge.caller, self.comparers, of, file, seed)
        models = (name, "baseline")
        written = folder / FASTCHAT / "pair.jsonl"
        pairs.write_pairs(written, models, judge.name, self.comparers, of, judgments)
        games = pairs.to_games(of, judgments)
        return game_metrics(games, seed), game_values(games), unscored(judgments)

    def _hash(self) -> str:
        """Of all that decides what is asked of the model and of the judge that rates. Not of the
        prompts for pairs: an opponent need not have been compared with anybody.
        """
        return text_hash(
            [
                [question.model_dump() for question in self.questions],
                [self.references.get(question.id) for question in self.questions],
                [spec.model_dump() for spec in self.graders.values()],
                [TEMPERATURES, OTHER_TEMPERATURE, self.max_tokens, self.system],
            ]
        )


def _file(named: str | None, fetched: str) -> Path:
    """The file that was named, else the one that ``srlm data`` got."""
    return outside_file("mt_bench", fetched) if named is None else Path(named).expanduser()


def _turn_values(
    questions: Sequence[Question], answers: Answers, judgments: Sequence[Judgment]
) -> list[Value]:
    """A value of ``unscored_rate`` for every turn, of ``mean_length`` for every answered one."""
    category = {question.id: question.category for question in questions}
    found = [
        ("unscored_rate", judgment.prompt_id, float(judgment.status == "unscored"))
        for judgment in judgments
    ]
    found += [
        ("mean_length", question.id, float(len(text)))
        for question in questions
        for text in answers[question.id]
        if text is not None
    ]
    return [
        Value(prompt_id=i, metric=name, num=num, cluster=i, category=category[i])
        for name, i, num in found
    ]
