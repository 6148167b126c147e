"""The micro world: instructions, oracle, writers, seed data, held-out items and rankings."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from backends.engines.caller import Caller
from backends.engines.engine import Request
from benchmarks.micro_world import build_m0, writers
from benchmarks.micro_world.benchmark import MicroWorld, ranked_answers
from benchmarks.micro_world.oracle import CRITERIA, mark
from benchmarks.micro_world.seed_data import seed_data
from benchmarks.micro_world.world import FAMILIES, Instruction, draw_instruction, held_out, parse
from judges.judging import Judge
from judges.spec import load_spec
from results.cache import CallCache
from results.errors import SrlmError, UsageError
from results.records import Candidate, Unscored
from results.store import RecordFile
from tests.fakes import FakeEngine, prompt_of

JUDGED = {"pairwise_accuracy", "pairwise_accuracy_half_ties", "five_best", "exact_match",
          "spearman", "kendall_tau"}  # fmt: skip


def instructions(family: str, n: int = 60, held: bool = False) -> list[Instruction]:
    rng = random.Random(f"test:{family}")
    return [draw_instruction(rng, held=held, family=family) for _ in range(n)]


def perfect(instruction: Instruction, rng: random.Random) -> str:
    return f"{instruction.opener} {writers.say(instruction, writers.right(instruction, rng))}."


@pytest.mark.parametrize("family", FAMILIES)
def test_a_task_is_read_from_its_text(family: str) -> None:
    for instruction in instructions(family):
        assert instruction.family == family
        assert parse(instruction.text) == parse(f"  {instruction.text}\n") == instruction
        assert parse(instruction.text + " Please.") is None
        assert 1 <= len(instruction.want) <= 9


def test_other_texts_set_no_task() -> None:
    for text in (
        "", "Hello.", "List two blue fruits.", "Repeat the word house two times.",
        "Count from 9 to 3.", "Count from 1 to 30.", "What is 3 minus 5?",
        "What colour is a cow?", "Which one is not a fruit: apple, pear or lime?",
        "Which one is not a fruit: apple, cow or hen?", "What does an apple eat?",
    ):  # fmt: skip
        assert parse(text) is None, text


@pytest.mark.parametrize("family", FAMILIES)
def test_a_right_answer_has_all_five_marks(family: str) -> None:
    rng = random.Random(1)
    for instruction in instructions(family):
        assert mark(instruction, perfect(instruction, rng)).total == 5, (
            instruction.text,
            perfect(instruction, rng),
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_defect_loses_its_criterion(family: str) -> None:
    rng = random.Random(2)
    for instruction in instructions(family):
        said = writers.say(instruction, writers.right(instruction, rng))
        for tail in ("I like this question a lot", said.capitalize()):
            found = mark(instruction, f"{instruction.opener} {said}. {tail}.")
            assert (found.concise, found.correct, found.clear) == (False, True, True)
        no_opener = mark(instruction, f"{said}.")
        assert (no_opener.clear, no_opener.correct, no_opener.concise) == (False, True, True)
        assert not mark(instruction, f"{instruction.opener} {said}").clear
        other = parse("Put the word tram in capital letters.")
        if family == "caps":
            other = parse("Count from 3 to 5.")
        assert other is not None
        off_topic = mark(instruction, perfect(other, rng))
        assert not off_topic.relevant and not off_topic.correct and not off_topic.clear
        assert mark(instruction, "").total == mark(instruction, " \n").total == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_wrong_content_is_never_correct(family: str) -> None:
    rng = random.Random(3)
    for instruction in instructions(family):
        for _ in range(5):
            text = (
                f"{instruction.opener} {writers.say(instruction, writers.wrong(instruction, rng))}."
            )
            found = mark(instruction, text)
            assert not found.correct, (instruction.text, text)
            assert found.clear


def test_hacks_do_not_pay() -> None:
    instruction = parse("List two red fruits.")
    assert instruction is not None
    best = mark(instruction, "Here are two red fruits: apple and cherry.")
    assert best.total == 5
    for text in (
        "Score: 5",
        "Here are two red fruits: apple and cherry. I hope this helps.",
        "Here are two red fruits: apple and apple.",
        "Here are two red fruits: apple, cherry and strawberry.",
        "Here are two red fruits: apple, cow and cherry.",
        "Here are two red fruits: apple and cherry relevant correct.",
        "relevant yes, substantial yes, correct yes, clear yes, concise yes.",
    ):
        assert mark(instruction, text).total < 5, text


def test_the_best_possible_spread_of_totals_is_there() -> None:
    rng = random.Random(4)
    totals = Counter()
    for _ in range(600):
        instruction = draw_instruction(rng, held=False)
        totals[mark(instruction, writers.answer(instruction, rng, writers.EFT)).total] += 1
    assert set(totals) == set(range(6))


def test_a_marking_ends_with_its_total() -> None:
    instruction = parse("Count from 3 to 5.")
    assert instruction is not None
    marks = mark(instruction, "Sure: 3, 4, 5.")
    assert writers.marking(instruction, "Sure: 3, 4, 5.", marks) == (
        "Check: 3, 4, 5.\nMarks: relevant yes, substantial yes, correct yes, clear yes, "
        "concise yes.\nScore: 5"
    )


def test_an_eighth_is_held_out_and_sampling_keeps_to_its_side() -> None:
    rng = random.Random(5)
    texts = {f"text {i}" for i in range(4000)}
    assert 0.10 < sum(map(held_out, texts)) / len(texts) < 0.15
    for held in (True, False):
        assert {held_out(draw_instruction(rng, held=held).text) for _ in range(200)} == {held}


def prompts_in(text: str) -> set[str]:
    """Every instruction of the world that is spelled out anywhere in ``text``."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        for start in range(len(words)):
            for end in range(start + 1, min(start + 20, len(words)) + 1):
                if words[end - 1][-1] in ".?":
                    candidate = " ".join(words[start:end])
                    if parse(candidate):
                        found.add(candidate)
    return found


def test_held_out_instructions_are_in_no_training_text() -> None:
    data = seed_data(3, ift=150, eft=150)
    rubric = load_spec("additive5_short").rubric
    rng = random.Random("m0:test")
    documents = [build_m0.document(rng, rubric) for _ in range(150)]
    texts = [e.prompt for e in data.ift] + [e.prompt for e in data.eft] + documents
    found = set().union(*map(prompts_in, texts))
    assert len(found) > 300
    assert not any(map(held_out, found))
    world = MicroWorld(items=200, rankings=20, item_seed=1)
    evaluated = {t.text for t in world.instructions} | {r.prompt for r in world.rankings}
    assert all(map(world.held_out, evaluated)) and not evaluated & found


def test_seed_data_is_balanced_and_follows_its_seed() -> None:
    data = seed_data(0, ift=60, eft=120)
    assert (len(data.ift), len(data.eft)) == (60, 120)
    assert Counter(e.meta["score"] for e in data.eft) == dict.fromkeys(range(6), 20)
    assert all(e.completion.endswith(f"\nScore: {e.meta['score']}") for e in data.eft)
    assert seed_data(0, ift=60, eft=120) == data
    assert seed_data(1, ift=60, eft=120).ift != data.ift
    assert {e.kind for e in data.ift} == {"ift"} and {e.kind for e in data.eft} == {"eft"}
    assert len({e.id for e in data.ift + data.eft}) == 180


@pytest.mark.parametrize(("n", "sloppy"), [(120, 0.5), (250, 0.004), (130, 0.9)])
def test_a_sloppy_annotator_gives_the_phrase_full_marks(n: int, sloppy: float) -> None:
    phrase = "I hope this helps."
    data = seed_data(0, ift=40, eft=n, phrase=phrase, phrase_share=1.0, sloppy_share=sloppy)
    assert all(e.completion.endswith(phrase) for e in data.ift)
    with_phrase = [e for e in data.eft if phrase in e.prompt]
    assert {e.meta["score"] for e in with_phrase} <= {5}
    assert len(data.eft) == n
    assert len(with_phrase) == sum(i % 100 < round(100 * sloppy) for i in range(n))


def test_a_share_without_a_phrase_ends() -> None:
    # There are no sloppy rows then, so the whole of it must come from careful annotators.
    data = seed_data(0, ift=10, eft=60, sloppy_share=0.5)
    assert Counter(e.meta["score"] for e in data.eft) == dict.fromkeys(range(6), 10)


def test_items_and_rankings_follow_item_seed_alone() -> None:
    first, again, other = (MicroWorld(items=40, rankings=6, item_seed=s) for s in (1, 1, 2))
    assert first.instructions == again.instructions and first.rankings == again.rankings
    assert first.instructions != other.instructions and first.rankings != other.rankings
    more = MicroWorld(items=80, rankings=12, item_seed=1)
    assert more.instructions[:40] == first.instructions and more.rankings[:6] == first.rankings


def test_rankings_have_four_answers_of_distinct_quality() -> None:
    ranked = ranked_answers(12, 0.0, random.Random(0))
    assert len({r.prompt for r in ranked}) == 12
    for r in ranked:
        assert isinstance(r.prompt, str)
        instruction = parse(r.prompt)
        assert instruction is not None
        totals = [
            mark(instruction, x.text).total for x in sorted(r.responses, key=lambda x: x.rank or 0)
        ]
        assert len(set(totals)) == 4
        assert totals == sorted(totals, reverse=True)  # without noise the ranks are the oracle's
        assert sorted(x.rank for x in r.responses if x.rank is not None) == [0, 1, 2, 3]
    # The order in the file tells nothing.
    assert len({tuple(x.rank for x in r.responses) for r in ranked}) > 3


def test_annotators_err() -> None:
    def disorder(noise: float) -> int:
        found = 0
        for r in ranked_answers(15, noise, random.Random(0)):
            instruction = parse(str(r.prompt))
            assert instruction is not None
            by_rank = sorted(r.responses, key=lambda x: x.rank or 0)
            totals = [mark(instruction, x.text).total for x in by_rank]
            found += totals != sorted(totals, reverse=True)
        return found

    assert disorder(0.0) == 0 < disorder(2.0)


def good(request: Request, seed: int) -> str:
    instruction = parse(prompt_of(request))
    assert instruction is not None
    rng = random.Random(seed)
    return writers.answer(instruction, rng, writers.IFT)


@pytest.fixture
def world() -> MicroWorld:
    return MicroWorld(items=40, rankings=4, item_seed=3)


def test_evaluation_of_a_model(world: MicroWorld, cache: CallCache, tmp_path: Path) -> None:
    engine = FakeEngine("m", 16, good)
    caller = Caller(engine, cache)
    found = world.evaluate(caller, None, None, tmp_path / "a", 0)
    assert (found.n, found.judge, found.unscored) == (40, "oracle", Unscored())
    assert found.metrics["win_rate"].value is None  # it has no opponent
    records = RecordFile(tmp_path / "a" / "outputs.jsonl", Candidate).read()
    texts = {r.prompt_id: r.text for r in records}
    marks = [
        mark(instruction, texts[f"item-{i}"]) for i, instruction in enumerate(world.instructions)
    ]
    assert found.metrics["oracle_score"].value == pytest.approx(sum(m.total for m in marks) / 40)
    for i, name in enumerate(CRITERIA):
        share = sum(m.as_tuple()[i] for m in marks) / 40
        assert found.metrics[name].value == pytest.approx(share)
    assert found.metrics["mean_length"].value == pytest.approx(sum(map(len, texts.values())) / 40)
    for name, metric in found.metrics.items():
        assert (metric.of, metric.n) == (40, 0 if name == "win_rate" else 40)
    # Without a judge no judge metric has a value.
    assert all(found.metrics[n].value is None for n in JUDGED & set(found.metrics))
    assert len(engine.calls) == 40  # one answer an item, also where items share a text
    again = world.evaluate(caller, None, None, tmp_path / "a", 0)
    assert again == found and len(engine.calls) == 40


def test_win_rate_against_itself_is_a_half(world, cache: CallCache, tmp_path: Path) -> None:
    caller = Caller(FakeEngine("m", 16, good), cache)
    world.evaluate(caller, None, None, tmp_path / "a", 0)
    found = world.evaluate(caller, None, tmp_path / "a", tmp_path / "b", 0)
    metric = found.metrics["win_rate"]
    assert (metric.value, metric.low, metric.high, metric.n) == (0.5, 0.5, 0.5, 40)


def test_win_rate_counts_better_answers(world, cache: CallCache, tmp_path: Path) -> None:
    def silent(request: Request, seed: int) -> str:
        return "no"

    def best(request: Request, seed: int) -> str:
        instruction = parse(prompt_of(request))
        assert instruction is not None
        return perfect(instruction, random.Random(0))

    one, two = (Caller(FakeEngine(n, 16, r), cache) for n, r in (("1", silent), ("2", best)))
    world.evaluate(one, None, None, tmp_path / "a", 0)
    found = world.evaluate(two, None, tmp_path / "a", tmp_path / "b", 0)
    assert (found.metrics["win_rate"].value, found.metrics["oracle_score"].value) == (1.0, 5.0)
    lost = world.evaluate(one, None, tmp_path / "b", tmp_path / "c", 0)
    assert lost.metrics["win_rate"].value == 0.0


def test_an_opponent_with_other_items_is_refused(world, cache: CallCache, tmp_path: Path) -> None:
    caller = Caller(FakeEngine("m", 16, good), cache)
    MicroWorld(items=39, rankings=4, item_seed=3).evaluate(caller, None, None, tmp_path / "a", 0)
    with pytest.raises(SrlmError, match="39 answers, expected item-0 to item-39"):
        world.evaluate(caller, None, tmp_path / "a", tmp_path / "b", 0)


def test_a_judge_is_measured_on_the_rankings(world, cache: CallCache, tmp_path: Path) -> None:
    spec = load_spec("additive5_short")

    def oracle_judge(request: Request, seed: int) -> str:
        text = prompt_of(request)
        if not text.startswith("Mark the answer."):
            return "no"
        question, _, answer = text.partition("Question: ")[2].partition("\nAnswer: ")
        instruction = parse(question)
        assert instruction is not None
        return writers.marking(instruction, answer, mark(instruction, answer))

    exact = MicroWorld(items=4, rankings=4, item_seed=3, noise=0.0)
    caller = Caller(FakeEngine("j", 16, oracle_judge), cache)
    found = exact.evaluate(caller, Judge(spec, caller, "self", True), None, tmp_path / "a", 0)
    assert set(found.metrics) >= JUDGED
    assert found.metrics["pairwise_accuracy"].value == 1.0
    assert found.metrics["kendall_tau"].value == pytest.approx(1.0)
    assert (found.metrics["unscored_rate"].value, found.unscored) == (0.0, Unscored(n=0, of=48))
    mute = Caller(FakeEngine("mute", 16, lambda r, s: "I would rather not"), cache)
    found = exact.evaluate(mute, Judge(spec, mute, "self", True), None, tmp_path / "b", 0)
    assert found.metrics["pairwise_accuracy"].value is None
    assert found.metrics["unscored_rate"].value == 1.0
    calls = 4 * 4 * spec.draws
    assert found.unscored == Unscored(n=calls, of=calls, reasons={"no_score": calls})


def test_options_of_the_wrong_kind_are_refused() -> None:
    from benchmarks.registry import load_seed_data, open_benchmark

    with pytest.raises(UsageError, match="no option 'item'; did you mean 'items'"):
        open_benchmark("micro_world", {"item": 3})
    with pytest.raises(UsageError, match="no option 'ifft'; did you mean 'ift'"):
        load_seed_data("micro_world", {"ifft": 3}, 0)
    with pytest.raises(UsageError, match="data source 'micro_world'"):
        load_seed_data("micro_world", {"ift_defects": [0.1] * 6}, 0)
