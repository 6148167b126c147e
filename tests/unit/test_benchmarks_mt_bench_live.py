"""MT-Bench asked of a model and judged: what is sent, what is kept, what failures leave."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backends.engines.caller import Caller
from backends.engines.engine import Completion, GenerateConfig, Request
from backends.engines.openai_chat import OPENAI
from benchmarks.benchmark import Evaluation
from benchmarks.mt_bench import stored, stored_pairs
from benchmarks.mt_bench.benchmark import MtBench
from benchmarks.mt_bench.grading import to_grade
from benchmarks.mt_bench.questions import Asked, read_graders, read_questions, read_references
from judges.judging import Judge
from judges.pointwise import render
from judges.spec import load_spec
from results.cache import CallCache
from results.errors import SrlmError, UsageError
from results.lines import read_json_lines
from results.records import Candidate, Judgment, PairJudgment, Retry
from results.stats import paired_difference
from results.store import RecordFile
from tests.fakes import FakeEngine, Killed, Reply, failed, mortal, prompt_of
from tests.mt_bench_files import (
    CATEGORIES,
    PROMPTS,
    QUESTIONS,
    answer,
    lines,
    question,
    write_files,
)
from tests.real_data import real_data


class Recording(FakeEngine):
    """Keeps the decoding of every call too."""

    def __init__(self, model: str = "fake", reply: Reply = lambda r, s: "") -> None:
        super().__init__(model, reply=reply)
        self.decoding: dict[str, GenerateConfig] = {}

    def generate(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> list[Completion]:
        self.decoding |= {prompt_of(request): config for request in requests}
        return super().generate(requests, seeds, config)


def model_says(request: Request, seed: int) -> str:
    """Answers with the question in capitals."""
    return f" {request.prompt[-1].content.upper()}\n"


def judge_says(request: Request, seed: int) -> str:
    """Rates the first turn of each question 8, the second one 5, maths 2 less."""
    system = request.prompt[0].content
    rating = (5 if "multi-turn" in system else 8) - 2 * ("math" in system)
    return f"Reasons. Rating: [[{rating}]] and then [[1]]"


class World:
    """A folder with MT-Bench's files, and evaluations in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options: dict[str, Any] = write_files(folder / "data")

    def evaluate(
        self,
        model: Reply = model_says,
        judge: Reply = judge_says,
        place: str = "m",
        baseline: str | None = None,
        is_judged: bool = False,
        **options: Any,
    ) -> Evaluation:
        self.model, self.judge = Recording(f"model {place}", model), Recording("judge", judge)
        benchmark = MtBench(**self.options | options)
        folder = self.folder / place
        opponent = None if baseline is None else self.folder / baseline
        folder.mkdir(exist_ok=True)
        with CallCache(folder / "calls.sqlite") as cache:
            who = Judge(
                load_spec("additive5"), Caller(self.judge, cache), "openai:judge", is_judged
            )
            return benchmark.evaluate(Caller(self.model, cache), who, opponent, folder, 0)

    def sent(self, engine: FakeEngine, *parts: str) -> list[list[tuple[str, str]]]:
        """The conversations of an engine in which all of ``parts`` stand."""
        conversations = [[(m.role, m.content) for m in r.prompt] for r in engine.calls]
        return [c for c in conversations if all(part in str(c) for part in parts)]

    def judgments(self, place: str = "m") -> dict[tuple[str, str], Judgment]:
        found = RecordFile(self.folder / place / "judgments.jsonl", Judgment).read()
        return {(j.prompt_id, j.response_id): j for j in found}

    def upstream(self, name: str, place: str = "m") -> list[dict[str, Any]]:
        path = self.folder / place / "fastchat" / f"{name}.jsonl"
        return [line for _, line in read_json_lines(path)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_second_turn_sees_the_first_answer(world: World) -> None:
    world.evaluate()
    assert len(world.model.calls) == 2 * len(CATEGORIES)
    one, two = question(81, 1), question(81, 2)
    first, second = sorted(world.sent(world.model, "of 81?"), key=len)
    assert first == [("user", one)]
    assert second == [("user", one), ("assistant", one.upper()), ("user", two)]


def test_a_system_message_comes_first(world: World) -> None:
    world.evaluate(system="You are a helpful assistant.")
    sent = world.sent(world.model)
    assert all(c[0] == ("system", "You are a helpful assistant.") for c in sent)
    assert {len(c) for c in sent} == {2, 4}


def test_each_category_has_its_temperature(world: World) -> None:
    own = [*QUESTIONS, {"question_id": "x", "category": "my own", "turns": ["my own one?"]}]
    world.evaluate(questions=str(lines(world.folder / "own.jsonl", *own)), max_tokens=77)
    found: dict[str, set[float]] = {}
    for prompt, config in world.model.decoding.items():
        found.setdefault(prompt.rsplit("\n")[-1].split(" one")[0].split(" two")[0], set()).add(
            config.temperature
        )
        assert (config.top_p, config.max_tokens, config.seed) == (1.0, 77, 0)
    assert found == {"writing": {0.7}, "reasoning": {0.0}, "math": {0.0}, "extraction": {0.0},
                     "stem": {0.1}, "my own": {0.7}}  # fmt: skip
    assert {(c.temperature, c.max_tokens) for c in world.judge.decoding.values()} == {(0.0, 2048)}


def expected(i: int, turn: int) -> tuple[str, str]:
    """Upstream's prompt name and text for a turn of a question that was answered in capitals."""
    name = "single-math-v1" if i in (101, 111) else "single-v1"
    name += "-multi-turn" if turn == 2 else ""
    q, a = [question(i, t) for t in (1, 2)], [question(i, t).upper() for t in (1, 2)]
    texts = {"question": q[0], "question_1": q[0], "question_2": q[1], "answer": a[0],
             "answer_1": a[0], "answer_2": a[1], "ref_answer_1": f"first {i}",
             "ref_answer_2": f"second {i}"}  # fmt: skip
    return name, PROMPTS[name].format(**texts)


def test_the_judge_reads_what_upstream_sends(world: World) -> None:
    world.evaluate()
    wanted = []
    for i in CATEGORIES:
        for turn in (1, 2):
            name, text = expected(i, turn)
            wanted.append([("system", f"You judge by {name}."), ("user", text)])
    assert sorted(world.sent(world.judge)) == sorted(wanted)


def test_the_prompts_are_those_of_real_judgments() -> None:
    """960 stored prompts, from the answers in the second turns' and the real files."""
    folder = real_data("mt_bench", "fastchat")
    questions = read_questions(folder / "mt_bench" / "question.jsonl")
    graders = read_graders(folder / "judge_prompts.jsonl", "single")
    references = read_references(folder / "mt_bench/reference_answer/gpt-4.jsonl", questions)
    path = real_data("mt_bench", "judgments", "jxiw_mambainllama_gpt-4_single.jsonl.gz")
    sent: dict[str, dict[tuple[str, int], tuple[str, str]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            place = (str(row["question_id"]), row["turn"])
            sent.setdefault(row["model"], {})[place] = (row["judge"][1], row["user_prompt"])
    compared = 0
    for of_model in sent.values():
        answers: dict[str, list[str | None]] = {}
        for q in questions:
            prompt = of_model[(q.id, 2)][1].split("<|The Start of Assistant A's Conversation")[1]
            one, two = map(re.escape, q.turns)
            said = re.search(rf"{one}\n\n### Assistant A:\n(.*)\n\n### User:\n{two}\n\n"
                             r"### Assistant A:\n(.*)\n\n<\|The End of", prompt, re.S)  # fmt: skip
            assert said is not None
            answers[q.id] = [said[1], said[2]]
        ours = {
            (r.prompt_id, int(r.response_id[-1])): (
                name,
                render(graders[name], r.prompt, r.text, r.reference),
            )
            for name, responses in to_grade(Asked(questions, references), answers).items()
            for r in responses
        }
        assert ours == of_model
        compared += len(ours)
    assert compared == 960


def test_figures(world: World) -> None:
    found = world.evaluate()
    assert (found.n, found.judge, found.judge_is_judged) == (5, "openai:judge", False)
    assert list(found.metrics) == list(MtBench(**world.options).metrics(False))
    figures = {name: metric.value for name, metric in found.metrics.items()}
    parts = {name: figures.pop(name) for name in list(figures) if name.startswith("categories.")}
    plain, referenced = (8 + 5) / 2, (6 + 3) / 2
    assert parts == {"categories.writing": plain, "categories.extraction": plain,
                     "categories.stem": plain, "categories.reasoning": referenced,
                     "categories.math": referenced}  # fmt: skip
    first, second = (3 * 8 + 2 * 6) / 5, (3 * 5 + 2 * 3) / 5
    lengths = [len(text) for row in world.upstream("model_answer") for c in row["choices"]
               for text in c["turns"]]  # fmt: skip
    assert figures == pytest.approx(
        {"average": (first + second) / 2, "first_turn": first, "second_turn": second,
         "unscored_rate": 0, "mean_length": sum(lengths) / 10}
    )  # fmt: skip
    average = found.metrics["average"]
    assert (average.n, average.of) == (10, 10) and average.low is not None
    assert (found.unscored.n, found.unscored.of) == (0, 10)


def test_values_pair_two_models(world: World) -> None:
    world.evaluate(place="a")
    ours = world.evaluate(judge=lambda r, s: "[[9]]", place="b")
    theirs = world.evaluate(place="a")
    for name in theirs.metrics:
        sides = [[v for v in side.values if v.metric == name] for side in (ours, theirs)]
        assert all(len({v.prompt_id for v in side}) == len(side) for side in sides)
        part = name.partition("categories.")[2]
        named = [part] if part else list(CATEGORIES.values())
        assert [v.category for v in sides[0]] == named
        gained = paired_difference(name, *sides).value
        ends = ours.metrics[name].value, theirs.metrics[name].value
        assert gained == pytest.approx(ends[0] - ends[1])
    assert ours.data == theirs.data
    assert world.evaluate(place="c", max_tokens=9).data != ours.data


def test_the_same_figures_come_from_upstreams_form(world: World) -> None:
    found = world.evaluate(judge=lambda r, s: "no" if "stem" in prompt_of(r) else judge_says(r, s))
    (row,) = stored.rows(world.folder / "m" / "fastchat" / "single.jsonl")
    for name in ("average", "first_turn", "second_turn"):
        ours, theirs = found.metrics[name], row["metrics"][name]
        assert (ours.value, ours.low, ours.high) == (theirs.value, theirs.low, theirs.high)
    assert row["unscored"] == {"n": 2, "of": 10, "reasons": {"no_score": 2}}
    assert found.unscored.model_dump() == row["unscored"]
    assert row["judge"] == "openai:judge" and row["model"] == "fake:model m"
    assert found.metrics["unscored_rate"].value == 0.2
    line = next(x for x in world.upstream("single") if x["question_id"] == 111 and x["turn"] == 2)
    assert list(line) == ["question_id", "model", "judge", "user_prompt", "judgment", "score",
                          "turn", "tstamp"]  # fmt: skip
    assert (line["judge"][1], line["user_prompt"]) == expected(111, 2) and line["score"] == 3
    first = world.upstream("model_answer")[0]
    assert first["question_id"] == 81 and first["choices"] == [
        {"index": 0, "turns": [question(81, 1).upper(), question(81, 2).upper()]}
    ]


def test_a_judge_that_does_not_rate_is_unscored(world: World) -> None:
    said = {"writing": "I like it: 9/10", "reasoning": "[[11]]", "math": "[7]", "extraction": "",
            "stem": "[[6.5]] no, [[2]]"}  # fmt: skip
    world.evaluate(judge=lambda r, s: next(t for name, t in said.items() if name in prompt_of(r)))
    found = {i: world.judgments()[(str(i), "turn-1")] for i in CATEGORIES}
    assert {i: j.score for i, j in found.items()} == {
        81: None, 101: None, 111: 7, 131: None, 141: 6.5}  # fmt: skip
    assert [found[i].reason for i in (81, 101, 131)] == ["no_score", "out_of_range", "empty"]
    scores = {(row["question_id"], row["turn"]): row["score"] for row in world.upstream("single")}
    assert scores[(101, 1)] == -1 and scores[(111, 1)] == 7


def too_long(request: Request, seed: int) -> Completion | str:
    """Takes neither question 81 nor the second turn of 101."""
    last = request.prompt[-1].content
    if last in (question(81, 1), question(101, 2)):
        return failed("prompt of 999 tokens, the model takes 512")
    return model_says(request, seed)


def test_an_answer_that_failed_is_not_judged(world: World) -> None:
    found = world.evaluate(model=too_long)
    assert len(world.model.calls) == 9 and not world.sent(world.model, question(81, 2))
    assert len(world.judge.calls) == 7 and not world.sent(world.judge, "of 81?")
    records = [
        {r.prompt_id: r for r in RecordFile(world.folder / "m" / name, Candidate).read()}
        for name in ("answers_1.jsonl", "answers_2.jsonl")
    ]
    assert [list(of_turn) for of_turn in records] == [[str(i) for i in CATEGORIES]] * 2
    assert records[0]["81"].finish_reason == "error" and "999 tokens" in records[0]["81"].text
    assert records[1]["81"].text == "not asked: the first turn has no answer"
    assert found.unscored.model_dump() == {"n": 3, "of": 10, "reasons": {"no_answer": 3}}
    assert found.metrics["unscored_rate"].value == 0.3
    second = found.metrics["second_turn"]
    assert (second.n, second.of) == (3, 5)
    assert world.upstream("model_answer")[0]["choices"][0]["turns"] == ["$ERROR$", "$ERROR$"]


def test_a_retry_asks_for_the_second_turn_too(world: World) -> None:
    """What ``srlm run --retry`` does with the files: failed records go, the rest stays."""
    world.evaluate(model=too_long)
    folder = world.folder / "m"
    for name, model in {"answers_1": Candidate, "answers_2": Candidate,
                        "judgments": Judgment}.items():  # fmt: skip
        path = folder / f"{name}.jsonl"
        assert RecordFile(path, model).reopen(lambda record: record.finish_reason != "error")
    found = world.evaluate()
    assert len(world.model.calls) == 3 and len(world.judge.calls) == 3
    assert found.unscored.n == 0 and found.metrics["average"].n == 10
    fresh = world.evaluate(place="fresh")
    assert fresh.metrics == found.metrics
    for name in ("answers_1", "answers_2", "judgments"):
        once, again = (
            [{k: v for k, v in line.items() if k != "call"} for _, line in read_json_lines(p)]
            for p in (folder / f"{name}.jsonl", world.folder / "fresh" / f"{name}.jsonl")
        )
        assert once == again


@pytest.mark.parametrize("survive", [0, 1, 4, 7, 9])
@pytest.mark.parametrize("who", ["model", "judge"])
def test_an_interrupted_evaluation_goes_on(who: str, survive: int, world: World) -> None:
    reply = model_says if who == "model" else judge_says
    with pytest.raises(Killed):
        world.evaluate(**{who: mortal(reply, survive)})
    engines = (world.model, world.judge)
    done = {prompt_of(r) for engine in engines for batch in engine.batches for r in batch}
    done -= {prompt_of(r) for r in engines[who == "judge"].batches[-1]}  # it was cut
    found = world.evaluate()
    again = {prompt_of(r) for r in world.model.calls + world.judge.calls}
    assert not done & again and len(done) + len(again) == 20
    assert found == world.evaluate(place="m") and not world.judge.calls and not world.model.calls
    whole = world.evaluate(place="whole")
    assert found.metrics == whole.metrics
    names = [(r["question_id"], r["turn"], r["score"]) for r in world.upstream("single")]
    assert names == [(r["question_id"], r["turn"], r["score"])
                     for r in world.upstream("single", "whole")]  # fmt: skip


def test_a_finished_folder_is_of_its_questions(world: World) -> None:
    world.evaluate()
    fewer = lines(world.folder / "few.jsonl", *QUESTIONS[:2])
    with pytest.raises(SrlmError, match=r"answers_1.jsonl: found 5 records that are not about"):
        world.evaluate(questions=str(fewer))


def test_answers_of_a_file_are_judged_in_the_models_place(world: World) -> None:
    there = [answer(i, f"one {i}", f"two {i}") for i in CATEGORIES]
    there[0]["choices"][0]["turns"][1] = "$ERROR$"
    path = lines(world.folder / "theirs.jsonl", *there, answer(999, "more"))
    found = world.evaluate(answers=str(path))
    assert not world.model.calls and len(world.judge.calls) == 9
    assert found.unscored.reasons == {"no_answer": 1}
    lines(path, *there[1:])
    with pytest.raises(SrlmError, match=r"found no answer to every turn of 1 of 5 questions \(81"):
        world.evaluate(answers=str(path), place="other")
    lines(path, *there, there[2])
    with pytest.raises(SrlmError, match=r"theirs.jsonl:6: found a second answer to question 111"):
        world.evaluate(answers=str(path), place="other")


def shorter(request: Request, seed: int) -> str:
    """Another model's answers."""
    return model_says(request, seed).strip()[:-1] + "!"


def fair(request: Request, seed: int) -> str:
    """Prefers answers that end with "!"; always what stands first in extraction; else says so."""
    text = request.prompt[-1].content
    if "pair" not in request.prompt[0].content:
        return "[[5]]"
    if "extraction" in text:
        return "[[A]]"
    if "stem" in text:
        return "[[A]] or [[B]]"
    return "So [[A]]" if text.rpartition("\n")[0].endswith("!") else "So [[B]]"


def test_pairs_in_both_orders(world: World) -> None:
    lone = world.evaluate(judge=fair, place="base", pairwise=True)
    assert lone.metrics["win_rate"].value is None
    assert lone.metrics["win_rate"].reason == (
        "there is no baseline, or this model is the baseline"
    )
    found = world.evaluate(shorter, fair, "m", "base", pairwise=True)
    benchmark = MtBench(**world.options, pairwise=True)
    assert list(found.metrics) == list(benchmark.metrics(True))
    assert "win_rate" not in benchmark.metrics(False)
    assert found.data == world.evaluate(place="single").data  # ratings compare all the same
    figures = {name: found.metrics[name].value for name in found.metrics if "rate" in name}
    assert figures == {"win_rate": 6 / 8, "loss_rate": 0, "win_rate_adjusted": 7 / 8,
                       "unscored_rate": 0}  # fmt: skip
    assert (found.metrics["win_rate"].n, found.metrics["win_rate"].of) == (8, 10)
    assert found.unscored.model_dump() == {"n": 4, "of": 30, "reasons": {"ambiguous": 4}}
    rated = [v for v in found.values if v.metric == "win_rate"]
    assert {v.prompt_id: (v.num, v.den) for v in rated} == {
        "81": (2, 2), "101": (2, 2), "111": (2, 2), "131": (0, 2)}  # fmt: skip


def test_pairs_are_sent_and_written_as_upstream_does(world: World) -> None:
    world.evaluate(judge=fair, place="base", pairwise=True)
    found = world.evaluate(shorter, fair, "m", "base", pairwise=True)
    (ours, theirs) = (question(111, 1).upper()[:-1] + "!", question(111, 1).upper())
    shown = [
        PROMPTS["pair-math-v1"].format(
            question=question(111, 1), ref_answer_1="first 111", answer_a=a, answer_b=b
        )
        for a, b in ((ours, theirs), (theirs, ours))
    ]
    line = next(r for r in world.upstream("pair") if (r["question_id"], r["turn"]) == (111, 1))
    assert [line["g1_user_prompt"], line["g2_user_prompt"]] == shown
    assert line["judge"] == ["openai:judge", "pair-math-v1"]
    assert (line["g1_winner"], line["g2_winner"]) == ("model_1", "model_1")
    for text in shown:
        sent = world.sent(world.judge, json.dumps(text)[1:-1])
        assert sent == [[("system", "You judge by pair-math-v1."), ("user", text)]]
    two = next(r for r in world.upstream("pair") if (r["question_id"], r["turn"]) == (81, 2))
    texts = {f"answer_{side}_{t}": question(81, t).upper()[:-1] + "!?"[side == "b"]
             for side in "ab" for t in (1, 2)}  # fmt: skip
    assert two["g1_user_prompt"] == PROMPTS["pair-v2-multi-turn"].format(
        question_1=question(81, 1), question_2=question(81, 2), **texts
    )
    rows = stored_pairs.rows(world.folder / "m/fastchat/pair.jsonl", baseline="baseline")
    assert [row["model"] for row in rows] == ["fake:model m"]
    for name in ("win_rate", "loss_rate", "win_rate_adjusted"):
        kept = rows[0]["metrics"][name].model_dump()
        assert kept == found.metrics[name].model_dump()


def test_a_pair_s_retry_is_asked_for_under_its_own_draw(world: World) -> None:
    world.evaluate(judge=fair, place="base", pairwise=True)
    (world.folder / "m").mkdir()
    again = Retry(prompt_id="81/turn-1", response_id="BA", draw=0, asked_as=7)
    RecordFile(world.folder / "m" / "retries.jsonl", Retry).replace([again])
    world.evaluate(shorter, fair, "m", "base", pairwise=True)
    assert [call.draw for call in world.judge.calls if call.draw] == [7]


def test_a_pair_without_an_answer_is_not_judged(world: World) -> None:
    world.evaluate(model=too_long, judge=fair, place="base", pairwise=True)
    found = world.evaluate(shorter, fair, "m", "base", pairwise=True)
    assert not world.sent(world.judge, "pair", "of 81?")
    assert found.unscored.reasons == {"no_answer": 6, "ambiguous": 4}
    assert (found.metrics["win_rate"].n, found.metrics["win_rate"].of) == (5, 10)
    file = RecordFile(world.folder / "m" / "pair_judgments.jsonl", PairJudgment)
    assert [(j.prompt_id, j.order) for j in file.read()][:3] == [
        ("81/turn-1", "AB"), ("81/turn-1", "BA"), ("81/turn-2", "AB")]  # fmt: skip


def test_the_judged_as_judge_is_marked(world: World) -> None:
    assert world.evaluate(is_judged=True).judge_is_judged


def test_without_a_judge_nothing_is_asked(world: World) -> None:
    engine = FakeEngine()
    with CallCache(world.folder / "c.sqlite") as cache, pytest.raises(UsageError, match="no judge"):
        MtBench(**world.options).evaluate(Caller(engine, cache), None, None, world.folder, 0)
    assert not engine.calls


def test_held_out_and_smaller(world: World) -> None:
    benchmark = MtBench(**world.options)
    assert benchmark.held_out(f"  {question(141, 2)} ") and not benchmark.held_out("another")
    assert dict(benchmark.prompt_texts())["81/turn-2"] == question(81, 2)
    few = benchmark.smaller(2)
    assert [q.id for q in few.questions] == ["81", "111"] and few.held_out(question(141, 2))
    assert len(benchmark.smaller(50).questions) == len(benchmark.questions) == 5


BAD_QUESTIONS = [
    ({"question_id": 81, "category": "math", "turns": ["a"]},
     ":1: found category 'math' for question 81, expected 'writing' as in MT-Bench"),
    ({"question_id": 1, "category": "c", "turns": []}, ":1: turns: found [], expected a Question"),
    ({"question_id": 1, "category": "c", "turns": ["a", "b", "c"]}, ":1: turns: found"),
    ({"question_id": 1, "category": "c", "turns": [""]}, ":1: turns.0: found '', expected"),
    ({"question_id": 1, "category": "", "turns": ["a"]}, ":1: category: found ''"),
    ({"question_id": 1, "turns": ["a"]}, ":1: category: found no such key"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "told"), BAD_QUESTIONS)
def test_bad_questions_are_told(bad: dict[str, Any], told: str, world: World) -> None:
    path = lines(world.folder / "q.jsonl", bad)
    with pytest.raises(SrlmError, match=re.escape(f"{path}{told}")):
        MtBench(**world.options | {"questions": str(path)})


def test_files_that_lack_something_are_told(world: World) -> None:
    def told(**options: Any) -> str:
        with pytest.raises(SrlmError) as error:
            MtBench(**world.options | options)
        assert "\n" not in str(error.value)
        return str(error.value)

    gone = str(world.folder / "gone.jsonl")
    where = "of FastChat's repository (its wheel does not have it)"
    for option, name in (("questions", "mt_bench/question.jsonl"),
                         ("references", "mt_bench/reference_answer/gpt-4.jsonl"),
                         ("judge_prompts", "judge_prompts.jsonl")):  # fmt: skip
        text = told(**{option: gone})
        assert text.startswith(f"{gone}: no such file") and where in text
        assert f"get {name} from fastchat/llm_judge/data" in text
    assert "2 questions need a reference answer" in told(references=None)
    twice = lines(world.folder / "twice.jsonl", QUESTIONS[0], QUESTIONS[0])
    assert "twice.jsonl:2: found question 81 again" in told(questions=str(twice))
    half = lines(world.folder / "half.jsonl", answer(101, "one", "two"), answer(111, "one"))
    assert "to every turn of question 111, expected" in told(references=str(half))
    prompts = Path(world.options["judge_prompts"]).read_text().splitlines()
    few = lines(world.folder / "few.jsonl", *prompts[:2])
    assert "no judge 'single-v1-multi-turn'" in told(judge_prompts=str(few))


def test_questions_without_a_reference_need_no_file(world: World) -> None:
    path = lines(world.folder / "q.jsonl", QUESTIONS[0], {"question_id": "own", "category": "c",
                                                          "turns": ["only one turn?"]})  # fmt: skip
    found = world.evaluate(questions=str(path), references=None)
    assert len(world.model.calls) == len(world.judge.calls) == 3
    assert math.isclose(found.metrics["average"].value or 0, 7)
    assert (found.metrics["second_turn"].n, found.metrics["second_turn"].of) == (1, 1)


def test_ratings_by_gpt_4_of_fastchats_own_files_stand_with_published_ones(
    world: World, cache: CallCache
) -> None:
    folder = real_data("mt_bench", "fastchat")
    files = {
        "questions": str(folder / "mt_bench" / "question.jsonl"),
        "references": str(folder / "mt_bench" / "reference_answer" / "gpt-4.jsonl"),
        "judge_prompts": str(folder / "judge_prompts.jsonl"),
    }

    def judge(identity: str) -> Judge:
        engine = FakeEngine("x")
        engine.identity = identity
        return Judge(load_spec("additive5"), Caller(engine, cache), "openai:gpt-4-0613", False)

    official = judge(f"openai:{OPENAI}:gpt-4-0613")
    assert MtBench(**files)._as_published(official)
    assert not MtBench(**files)._as_published(judge("openai:http://localhost/v1:gpt-4-0613"))
    assert not MtBench(**files).smaller(40)._as_published(official)
    assert not MtBench(**files | {"questions": world.options["questions"]})._as_published(official)
