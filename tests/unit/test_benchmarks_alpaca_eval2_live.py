"""AlpacaEval 2.0 asked of a model and judged: what is sent, what is kept, what failures leave."""

from __future__ import annotations

import csv
import gzip
import json
import math
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backends.engines.caller import Caller
from backends.engines.engine import (
    Completion,
    GenerateConfig,
    NoLogprobsError,
    Request,
    TokenLogprobs,
    Usage,
)
from backends.engines.openai_chat import OPENAI, OpenAIEngine
from benchmarks.alpaca_eval2 import stored
from benchmarks.alpaca_eval2.annotator import load_annotator, order
from benchmarks.alpaca_eval2.benchmark import AlpacaEval2
from benchmarks.alpaca_eval2.outputs import read_items
from benchmarks.benchmark import Evaluation
from judges.judging import Judge
from judges.pairwise import JudgedPair, pair_request
from judges.pointwise import cluster_of
from judges.spec import load_spec
from results.cache import CallCache
from results.errors import SrlmError, UsageError
from results.records import Candidate, PairJudgment, Retry
from results.stats import paired_difference
from results.store import RecordFile
from tests.alpaca_files import annotations_of, baseline_row, write
from tests.fake_server import FakeServer
from tests.fakes import FakeEngine, Killed, Reply, failed, mortal, prompt_of
from tests.real_data import real_data

PROMPTS = [f"question {i}" for i in range(6)]
PARTS = {prompt: "koala" if i % 2 else "oasst" for i, prompt in enumerate(PROMPTS)}
LOWER = {"m": math.log(0.6), "M": math.log(0.2), "The": math.log(0.1)}  # P(m) = 0.75
COT = "alpaca_eval_cot_gpt4_turbo_fn"


class Recording(FakeEngine):
    """Keeps the decoding of every call too."""

    def __init__(self, model: str, reply: Reply, batch_size: int) -> None:
        super().__init__(model, batch_size, reply)
        self.configs: list[GenerateConfig] = []

    def generate(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> list[Completion]:
        self.configs.append(config)
        return super().generate(requests, seeds, config)


def model_says(request: Request, seed: int) -> Completion | str:
    """Answers with the question in capitals."""
    return prompt_of(request).upper()


def token(text: str, top: dict[str, float]) -> Completion:
    """One token, and what stood beside it."""
    return Completion(text, "length", Usage(9, 1), (TokenLogprobs(text, tuple(top.items())),))


def judge_says(request: Request, seed: int) -> Completion | str:
    """Always takes what is shown first, with 0.75."""
    return token("m", LOWER)


def bare(request: Request, seed: int) -> str:
    """A judge without log-probabilities that always takes what is shown first."""
    return "m"


class World:
    """A folder with a small set, and evaluations in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.batch_size = 3
        rows = [baseline_row(p, dataset=PARTS[p]) for p in PROMPTS]
        self.options: dict[str, Any] = {
            "baseline_outputs": str(write(folder / "base.json", rows)),
        }

    def evaluate(
        self,
        model: Reply = model_says,
        judge: Reply = judge_says,
        place: str = "m",
        **options: Any,
    ) -> Evaluation:
        self.model = Recording("model", model, self.batch_size)
        self.judge = Recording("judge", judge, self.batch_size)
        self.notes: list[str] = []
        folder = self.folder / place
        folder.mkdir(exist_ok=True)
        with CallCache(folder / "calls.sqlite") as cache:
            caller = Caller(self.judge, cache, on_note=self.notes.append)
            who = Judge(load_spec("additive5"), caller, "openai:judge", False)
            benchmark = AlpacaEval2(**self.options | options)
            return benchmark.evaluate(Caller(self.model, cache), who, None, folder, 0)

    def stored(self, place: str = "m") -> dict[str, Any]:
        """What ``srlm eval --annotations`` makes of the written file."""
        folder = self.folder / place
        (row,) = stored.rows(folder / "annotations.json", folder / "model_outputs.json",
                             Path(self.options["baseline_outputs"]))  # fmt: skip
        return row

    def judgments(self, name: str = "pair_judgments", place: str = "m") -> list[PairJudgment]:
        return RecordFile(self.folder / place / f"{name}.jsonl", PairJudgment).read()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def swapped(prompt: str) -> bool:
    return random.Random(f"is_switched_outputs{prompt}0").choices([False, True], k=1)[0]


def test_what_is_asked_and_what_comes_out(world: World) -> None:
    found = world.evaluate(max_tokens=77, temperature=0.3, top_p=0.9)
    assert [prompt_of(r) for r in sorted(world.model.calls, key=prompt_of)] == PROMPTS
    (asked,) = set(world.model.configs)
    assert asked == GenerateConfig(0.3, 0.9, 77, (), 0)
    (judged,) = set(world.judge.configs)
    assert judged == GenerateConfig(1, 1, 1, (), 0, logprobs=5)
    assert {swapped(p) for p in PROMPTS} == {False, True}
    shares = [0.75 if swapped(p) else 0.25 for p in PROMPTS]
    figures = {name: metric.value for name, metric in found.metrics.items()}
    assert figures["win_rate"] == pytest.approx(sum(shares) / 6)
    assert figures["discrete_win_rate"] == sum(map(round, shares)) / 6
    assert figures["n_wins"] == sum(map(swapped, PROMPTS)) and figures["n_total"] == 6
    assert figures["avg_length"] == figures["mean_length"] == len(PROMPTS[0])
    assert figures["unscored_rate"] == 0 and found.unscored.n == 0
    assert figures["lc_win_rate"] is None
    assert "none of AlpacaEval's 805" in (found.metrics["lc_win_rate"].reason or "")
    odd = [s for p, s in zip(PROMPTS, shares, strict=True) if PARTS[p] == "koala"]
    assert figures["datasets.koala"] == pytest.approx(sum(odd) / 3)
    assert (found.metrics["datasets.koala"].n, found.metrics["datasets.koala"].of) == (3, 3)
    assert list(found.metrics) == AlpacaEval2(**world.options).metrics(False)
    assert (found.n, found.baseline, found.judge_is_judged) == (6, "base", False)


def test_values_pair_two_models(world: World) -> None:
    ours = world.evaluate()
    theirs = world.evaluate(judge=lambda r, s: token("M", {"M": -0.1}), place="other")
    for name, metric in ours.metrics.items():
        sides = [[v for v in e.values if v.metric == name] for e in (ours, theirs)]
        if not sides[0]:
            assert name[:2] in ("n_", "lc", "st", "av")
            continue
        gained = paired_difference(name, *sides)
        assert gained.value == pytest.approx(metric.value - theirs.metrics[name].value)
    assert {v.prompt_id for v in ours.values} == {cluster_of(p) for p in PROMPTS}
    assert ours.data == theirs.data != world.evaluate(place="c", max_tokens=9).data


def test_the_written_files_give_the_same_figures(world: World) -> None:
    def judge(request: Request, seed: int) -> Completion | str:
        return token("?", {"The": -0.1}) if "3" in prompt_of(request) else judge_says(request, seed)

    found = world.evaluate(judge=judge)
    row = world.stored()
    for name in ("win_rate", "standard_error", "discrete_win_rate", "n_wins", "n_total",
                 "avg_length", "lc_win_rate"):  # fmt: skip
        ours, theirs = found.metrics[name], row["metrics"][name]
        assert (ours.value, ours.low, ours.high, ours.n, ours.of) == (
            theirs.value, theirs.low, theirs.high, theirs.n, theirs.of)  # fmt: skip
    for part, metric in row["metrics"]["datasets"].items():
        assert found.metrics[f"datasets.{part}"].value == metric.value
    assert (row["model"], row["baseline"], row["judge"]) == ("fake:model", "base", found.judge)
    assert row["unscored"]["reasons"] == {"no_preference": 1}
    assert found.unscored.model_dump() == {"n": 1, "of": 6, "reasons": {"no_verdict": 1}}
    lines = json.loads((world.folder / "m" / "annotations.json").read_text())
    assert [line["instruction"] for line in lines] == PROMPTS
    at = lines[0]["raw_completion"]["logprobs"]["content"][0]["top_logprobs"]
    assert {t["token"]: t["logprob"] for t in at} == LOWER
    outputs = json.loads((world.folder / "m" / "model_outputs.json").read_text())
    assert outputs[1] == {"dataset": "koala", "instruction": PROMPTS[1],
                          "output": PROMPTS[1].upper(), "generator": "fake:model"}  # fmt: skip


@pytest.mark.parametrize(
    ("top", "share"),
    [
        ({"m": -0.2}, 1.0),
        ({"x": -0.1, "M": -30.0}, 0.0),
        ({"m": -800.0, "M": -801.0}, 1 / (1 + math.exp(-1))),
        ({" m": -0.1, "x": -0.2}, None),
        ({}, None),
    ],
)
def test_a_token_that_is_missing_counts_0(
    top: dict[str, float], share: float | None, world: World
) -> None:
    found = world.evaluate(judge=lambda r, s: token("x", top))
    if share is None:
        assert found.unscored.reasons == {"no_verdict": 6}
        assert found.metrics["win_rate"].value is None
        return
    expected = [share if swapped(p) else 1 - share for p in PROMPTS]
    assert found.metrics["win_rate"].value == pytest.approx(sum(expected) / 6)


def test_upstream_reads_the_probabilities_alike(world: World) -> None:
    parsers = pytest.importorskip("alpaca_eval.completion_parsers")
    tops = [{"m": -0.4, "M": -1.3}, {"M": -0.01, "The": -4.0}, {"m": -0.7, "M": -0.7}]

    def judge(request: Request, seed: int) -> Completion:
        return token("m", tops[len(prompt_of(request)) % 3])

    world.evaluate(judge=judge, model=lambda r, s: "x" * int(prompt_of(r)[-1]))
    for line in json.loads((world.folder / "m" / "annotations.json").read_text()):
        (theirs,) = parsers.logprob_parser(
            line["raw_completion"],
            numerator_token="m",
            denominator_tokens=["m", "M"],
            is_binarize=False,
        )
        theirs = 3 - theirs if swapped(line["instruction"]) else theirs
        assert line["preference"] == pytest.approx(theirs, abs=1e-12)


def test_identical_outputs_are_a_draw_without_a_call(world: World) -> None:
    found = world.evaluate(
        model=lambda r, s: f"the baseline on {prompt_of(r)}" if "4" in prompt_of(r) else "mine"
    )
    assert len(world.judge.calls) == 5 and found.metrics["n_draws"].value == 1
    assert found.metrics["n_total"].value == 6
    assert world.stored()["metrics"]["win_rate"].value == found.metrics["win_rate"].value
    line = json.loads((world.folder / "m" / "annotations.json").read_text())[4]
    assert line["preference"] == 1.5 and line["raw_completion"] is None


def too_long(request: Request, seed: int) -> Completion | str:
    """Does not take question 2."""
    said = failed("prompt of 999 tokens, the model takes 512")
    return said if "2" in prompt_of(request) else model_says(request, seed)


def test_a_prompt_that_failed_is_not_judged(world: World) -> None:
    found = world.evaluate(model=too_long)
    assert len(world.judge.calls) == 5
    assert not any(PROMPTS[2] in prompt_of(r) for r in world.judge.calls)
    record = RecordFile(world.folder / "m" / "outputs.jsonl", Candidate).read()[2]
    assert record.finish_reason == "error" and "999 tokens" in record.text
    assert found.unscored.model_dump() == {"n": 1, "of": 6, "reasons": {"no_answer": 1}}
    assert (found.metrics["win_rate"].n, found.metrics["win_rate"].of) == (5, 6)
    row = world.stored()
    assert row["metrics"]["win_rate"].value == found.metrics["win_rate"].value
    assert row["metrics"]["avg_length"].value == found.metrics["avg_length"].value
    assert row["note"].startswith("1 of 6 prompts are missing; no LC win rate: ")
    # What srlm run --retry does: failed records go, the rest stays.
    for name, kind in (("outputs", Candidate), ("pair_judgments", PairJudgment)):
        path = world.folder / "m" / f"{name}.jsonl"
        assert RecordFile(path, kind).reopen(lambda r: r.finish_reason != "error") == 1
    again = world.evaluate()
    assert [prompt_of(r) for r in world.model.calls] == [PROMPTS[2]]
    assert len(world.judge.calls) == 1 and again.unscored.n == 0
    assert again.metrics == world.evaluate(place="fresh").metrics


@pytest.mark.parametrize("judge", [judge_says, bare])
def test_a_retry_is_asked_for_under_its_own_draw(world: World, judge: Reply) -> None:
    (world.folder / "m").mkdir()
    first = world.evaluate(judge=judge, place="whole") and world.judge.calls[0]
    name = "pair_judgments_discrete" if judge is bare else "pair_judgments"
    (of,) = {j.prompt_id: j for j in world.judgments(name, "whole")[:1]}.values()
    again = Retry(prompt_id=of.prompt_id, response_id=of.order, draw=0, asked_as=7)
    RecordFile(world.folder / "m" / "retries.jsonl", Retry).replace([again])
    world.evaluate(judge=judge)
    assert first.draw == 0 and 7 in {call.draw for call in world.judge.calls}


def test_a_failed_judge_call_is_unscored(world: World) -> None:
    found = world.evaluate(judge=lambda r, s: failed() if "5" in prompt_of(r) else judge_says(r, s))
    assert found.unscored.reasons == {"error": 1}


def test_a_judge_without_logprobs_gives_the_discrete_figure(world: World) -> None:
    found = world.evaluate(judge=bare)
    share = sum(map(swapped, PROMPTS)) / 6
    assert found.metrics["discrete_win_rate"].value == share
    for name in ("win_rate", "standard_error", "lc_win_rate", "lc_standard_error",
                 "datasets.koala"):  # fmt: skip
        metric = found.metrics[name]
        assert metric.value is None and "the figure is discrete_win_rate" in str(metric.reason)
    assert not any(v.metric.startswith("win_rate") for v in found.values)
    assert found.judge == "weighted_alpaca_eval_gpt4_turbo by openai:judge (discrete)"
    assert sum("gives no log-probabilities" in note for note in world.notes) == 1
    assert [(c.temperature, c.logprobs) for c in world.judge.configs] == [(1, 5)] + [(0, 0)] * 2
    assert not world.judgments() and len(world.judgments("pair_judgments_discrete")) == 6
    row = world.stored()
    assert row["metrics"]["discrete_win_rate"].value == share and row["judge"] == found.judge
    assert row["metrics"]["win_rate"].value is None  # as here: a verdict is no preference
    # Known from now on: nothing is asked again.
    assert world.evaluate(judge=bare) == found and not world.judge.calls


def test_verdicts_and_probabilities_are_never_mixed(world: World) -> None:
    with pytest.raises(Killed):
        world.evaluate(judge=mortal(judge_says, 4))
    with pytest.raises(NoLogprobsError):
        world.evaluate(judge=refuses)
    assert not (world.folder / "m" / "pair_judgments_discrete.jsonl.part").exists()
    found = world.evaluate(judge=bare)  # an engine that does not say so
    assert found.unscored.reasons == {"no_logprobs": 3} and found.metrics["win_rate"].n == 3


def refuses(request: Request, seed: int) -> str:
    raise NoLogprobsError("refuses logprobs")


def test_a_killed_fall_to_verdicts_goes_on(world: World) -> None:
    with pytest.raises(Killed):
        world.evaluate(judge=mortal(bare, 3))  # after the batch that tells, before any verdict
    found = world.evaluate(judge=bare)
    assert len(world.judge.calls) == 6 and {c.logprobs for c in world.judge.configs} == {0}
    assert found.metrics == world.evaluate(judge=bare, place="whole").metrics


@pytest.mark.parametrize("survive", [0, 1, 3, 5])
@pytest.mark.parametrize("who", ["model", "judge"])
def test_an_interrupted_evaluation_goes_on(who: str, survive: int, world: World) -> None:
    reply = model_says if who == "model" else judge_says
    with pytest.raises(Killed):
        world.evaluate(**{who: mortal(reply, survive)})
    engines = (world.model, world.judge)
    done = {prompt_of(r) for engine in engines for r in engine.calls}
    done -= {prompt_of(r) for r in engines[who == "judge"].batches[-1]}  # it was cut
    found = world.evaluate()
    again = {prompt_of(r) for r in world.model.calls + world.judge.calls}
    assert not done & again and len(done) + len(again) == 12
    assert found == world.evaluate() and not world.judge.calls and not world.model.calls
    whole = world.evaluate(place="whole")
    assert (found.metrics, found.values) == (whole.metrics, whole.values)
    for name in ("annotations.json", "model_outputs.json"):
        texts = [(world.folder / place / name).read_bytes() for place in ("m", "whole")]
        assert texts[0] == texts[1]


def test_an_annotator_that_ranks(world: World) -> None:
    def ranks(request: Request, seed: int) -> str:
        best, other = ("m", "M") if "5" not in prompt_of(request) else ("M", "m")
        rows = [{"model": best, "rank": 1}, {"model": other, "rank": 2}]
        return json.dumps({"concise_explanation": "so", "ordered_models": rows})

    found = world.evaluate(judge=ranks, annotator=COT)
    wins = [swapped(p) != ("5" in p) for p in PROMPTS]
    assert found.metrics["win_rate"].value == found.metrics["discrete_win_rate"].value
    assert found.metrics["win_rate"].value == sum(wins) / 6
    assert found.judge == f"{COT} by openai:judge"
    assert {c.logprobs for c in world.judge.configs} == {0}
    assert world.stored()["metrics"]["win_rate"].value == sum(wins) / 6


def test_an_annotator_that_reads_the_last_token_and_takes_the_likelier(world: World) -> None:
    def thinks(request: Request, seed: int) -> Completion:
        tokens = tuple(TokenLogprobs(t, tuple(LOWER.items())) for t in ("So", " it", "m"))
        return Completion("So it m", "stop", Usage(9, 3), tokens)

    found = world.evaluate(judge=thinks, annotator="alpaca_eval_clf_cot_gpt4_turbo")
    assert found.metrics["win_rate"].value == sum(map(swapped, PROMPTS)) / 6
    found = world.evaluate(
        judge=thinks, annotator="weighted_alpaca_eval_cot_gpt4_turbo", place="weighted"
    )
    shares = [0.75 if swapped(p) else 0.25 for p in PROMPTS]
    assert found.metrics["win_rate"].value == pytest.approx(sum(shares) / 6)


def test_another_judge_than_the_published_one_is_said_before_it_is_paid(world: World) -> None:
    with pytest.raises(Killed):
        world.evaluate(model=mortal(model_says, 0))
    assert "is published for gpt-4-1106-preview, and here openai:judge judges" in world.notes[0]


def test_the_published_judge_has_the_published_name(world: World, tmp_path: Path) -> None:
    benchmark = AlpacaEval2(**world.options)
    with CallCache(tmp_path / "c.sqlite") as cache:
        engine = OpenAIEngine("gpt-4-1106-preview")
        judge = Judge(load_spec("additive5"), Caller(engine, cache), "openai:x", False)
        assert benchmark._judge_name(judge, False) == "weighted_alpaca_eval_gpt4_turbo"
        engine = OpenAIEngine("gpt-4-1106-preview", "http://127.0.0.1:9/v1")
        judge = Judge(load_spec("additive5"), Caller(engine, cache), "openai:x", False)
        assert benchmark._judge_name(judge, False).endswith("turbo by openai:x")


def test_a_missing_key_is_told_before_the_model_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = FakeEngine("model")
    with CallCache(world.folder / "c.sqlite") as cache:
        caller = Caller(OpenAIEngine("gpt-4-1106-preview"), cache)
        judge = Judge(load_spec("additive5"), caller, "openai:x", False)
        benchmark = AlpacaEval2(**world.options)
        with pytest.raises(SrlmError, match="OPENAI_API_KEY"):
            benchmark.evaluate(Caller(model, cache), judge, None, world.folder, 0)
        with pytest.raises(UsageError, match="no judge"):
            benchmark.evaluate(Caller(model, cache), None, None, world.folder, 0)
    assert not model.calls


def test_held_out_and_smaller(world: World) -> None:
    benchmark = AlpacaEval2(**world.options, limit=4)
    assert benchmark.held_out(" question  5\n") and not benchmark.held_out("another")
    assert [text for _, text in benchmark.prompt_texts()] == PROMPTS
    assert [i.instruction for i in benchmark.items] == [PROMPTS[i] for i in (0, 1, 3, 4)]
    few = benchmark.smaller(2)
    assert [i.instruction for i in few.items] == [PROMPTS[0], PROMPTS[3]]
    assert few.held_out(PROMPTS[5]) and few.metrics(False) == benchmark.metrics(True)
    assert len(benchmark.smaller(50).items) == 4
    found = world.evaluate(limit=1)
    assert found.n == 1 and found.metrics["datasets.koala"].value is None


def test_prompts_of_their_own_file(world: World) -> None:
    asked = [{"instruction": PROMPTS[4]}, {"instruction": PROMPTS[1], "dataset": "mine"}]
    path = write(world.folder / "prompts.json", asked)
    benchmark = AlpacaEval2(**world.options, prompts=str(path))
    assert [(i.instruction, i.dataset) for i in benchmark.items] == [
        (PROMPTS[4], "oasst"), (PROMPTS[1], "mine")]  # fmt: skip


@pytest.mark.parametrize(
    ("prompts", "told"),
    [
        ([{"instruction": "q"}], "row 0: the prompt 'q' is not in"),
        ([{"instruction": PROMPTS[0]}] * 2, "row 1: the prompt 'question 0' is in row 0 too"),
        ([{"instruction": " "}], "row 0: instruction: found no text"),
        ([{"prompt": "q"}], "row 0: instruction: Field required"),
        ([], "found an empty list, expected a JSON list of AlpacaEval instructions"),
    ],
)
def test_bad_prompts_are_told(prompts: Any, told: str, world: World) -> None:
    path = write(world.folder / "p.json", prompts)
    with pytest.raises(SrlmError, match=re.escape(f"{path}: {told}")):
        AlpacaEval2(**world.options, prompts=str(path))


def test_files_that_lack_something_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLM_DATA", str(world.folder / "data"))
    with pytest.raises(SrlmError, match=r"missing; get it with: srlm data fetch alpaca_eval_outp"):
        AlpacaEval2()
    with pytest.raises(SrlmError, match=r"gone.json: .*expected"):
        AlpacaEval2(str(world.folder / "gone.json"))
    rows = [baseline_row("a"), baseline_row("b", generator="other")]
    two = write(world.folder / "two.json", rows)
    with pytest.raises(SrlmError, match="found outputs of 2 models"):
        AlpacaEval2(str(two))
    gamed = world.folder / "gamed.csv"
    gamed.write_text("preference,index\n")
    with pytest.raises(SrlmError, match=r"gamed.csv:1: found the columns"):
        AlpacaEval2(**world.options, gamed=str(gamed))
    with pytest.raises(UsageError, match="no annotator 'wighted_alpaca_eval_gpt4_turbo'; did you"):
        AlpacaEval2(**world.options, annotator="wighted_alpaca_eval_gpt4_turbo")
    with pytest.raises(UsageError, match="not an annotator that is known here"):
        AlpacaEval2(**world.options, annotator="lmsys_gpt4")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SrlmError, match="python -m pip install 'alpaca-eval"):
        AlpacaEval2(**world.options)


def test_a_finished_folder_is_of_its_prompts(world: World) -> None:
    world.evaluate()
    with pytest.raises(SrlmError, match=r"outputs.jsonl: found 6 records that are not about"):
        world.evaluate(limit=2)


def serve(world: World, url: str) -> tuple[Evaluation, list[str]]:
    """The model and the judge behind one server, told apart by name, one call at a time."""
    notes: list[str] = []
    with CallCache(world.folder / "server.sqlite") as cache:
        engine = OpenAIEngine("judge", url, max_concurrency=1)
        judge = Judge(load_spec("additive5"), Caller(engine, cache, on_note=notes.append),
                      "openai:judge", False)  # fmt: skip
        model = Caller(OpenAIEngine("policy", url, max_concurrency=1), cache)
        found = AlpacaEval2(**world.options).evaluate(model, judge, None, world.folder / "m", 0)
    return found, notes


def answers(body: dict[str, Any]) -> str:
    """The policy answers in capitals; the judge takes what is shown first."""
    return body["messages"][-1]["content"].upper() if body["model"] == "policy" else "m"


def test_a_server_with_logprobs(world: World) -> None:
    with FakeServer(("policy", "judge"), answers, logprobs=lambda word: LOWER) as server:
        found, _ = serve(world, server.url)
        bodies = [body for body in server.bodies if body["model"] == "judge"]
        serve(world, server.url)
        assert len(server.bodies) == 12
    shares = [0.75 if swapped(p) else 0.25 for p in PROMPTS]
    assert found.metrics["win_rate"].value == pytest.approx(sum(shares) / 6)
    settings = [{k: v for k, v in b.items() if k not in ("messages", "seed")} for b in bodies]
    assert settings == [{"model": "judge", "max_tokens": 1, "temperature": 1, "top_p": 1,
                         "logprobs": True, "top_logprobs": 5}] * 6  # fmt: skip


@pytest.mark.parametrize("begun", ["outputs.jsonl.part", "pair_judgments.jsonl.part"])
def test_a_process_that_is_killed_goes_on(begun: str, world: World) -> None:
    """SIGKILL while the model answers, or the judge: no call that was kept is made again."""
    program = (
        "import sys, pathlib, tests.unit.test_benchmarks_alpaca_eval2_live as it; "
        "it.serve(it.World(pathlib.Path(sys.argv[1])), sys.argv[2])"
    )
    part = world.folder / "m" / begun
    with FakeServer(("policy", "judge"), answers, seconds=0.2,
                    logprobs=lambda word: LOWER) as server:  # fmt: skip
        command = [sys.executable, "-c", program, str(world.folder), server.url]
        with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
            while process.poll() is None and not (part.exists() and part.stat().st_size):
                time.sleep(0.01)
            process.kill()
        with CallCache(world.folder / "server.sqlite") as cache:
            kept = cache.count()
        time.sleep(0.5)  # what the dead process had sent still comes in
        asked = len(server.bodies)
        assert 1 + 6 * begun.startswith("pair") <= kept < 12
        found, _ = serve(world, server.url)
        assert len(server.bodies) - asked == 12 - kept
    assert found.metrics["n_total"].value == 6
    assert world.stored()["metrics"]["win_rate"].value == found.metrics["win_rate"].value


@pytest.mark.parametrize("refuses", [(), ("logprobs",)])
def test_a_server_without_logprobs(refuses: tuple[str, ...], world: World) -> None:
    with FakeServer(("policy", "judge"), answers, refuses=refuses) as server:
        found, notes = serve(world, server.url)
        judged = [body for body in server.bodies if body["model"] == "judge"]
        assert ["logprobs" in body for body in judged] == [True] + [False] * 6
        assert serve(world, server.url)[0] == found and len(server.bodies) == 13
    assert found.metrics["win_rate"].value is None and found.unscored.n == 0
    assert found.metrics["discrete_win_rate"].value == sum(map(swapped, PROMPTS)) / 6
    assert sum("no log-probabilities" in note for note in notes) == 1


def real_items() -> Any:
    reference = real_data("alpaca_eval", "reference", "gpt4_1106_preview_model_outputs.json.gz")
    return read_items(None, reference)[0]


def test_the_order_is_upstreams_on_the_real_prompts() -> None:
    processors = pytest.importorskip("alpaca_eval.processors")
    import pandas as pd

    items = real_items()
    assert len(items) == 805
    processor = processors.RandomSwitchTwoColumnsProcessor(
        ["output_1", "output_2"],
        random_seed_columns=["instruction"],
        _switch_column="is_switched_outputs",
        seed=0,
    )
    rows = [{"instruction": i.instruction, "output_1": "1", "output_2": "2"} for i in items]
    theirs = processor.preprocess(pd.DataFrame(rows))["is_switched_outputs"].tolist()
    spec = load_annotator("weighted_alpaca_eval_gpt4_turbo").spec
    assert [order(spec, i.instruction) == "BA" for i in items] == theirs


@pytest.mark.parametrize("name", ["weighted_alpaca_eval_gpt4_turbo", "gpt4_turbo_cot_clf"])
def test_the_messages_are_upstreams(name: str) -> None:
    """Of the pairs of claude-2.1's published annotations, as upstream's annotator sends them."""
    pytest.importorskip("alpaca_eval")
    import logging

    import pandas as pd

    level = logging.getLogger().level
    from alpaca_eval import utils
    from alpaca_eval.annotators import PairwiseAnnotator

    path = annotations_of("claude-2.1")
    rows = json.loads(gzip.decompress(path.read_bytes()))
    try:
        upstream = PairwiseAnnotator(annotators_config=name, caching_path=None, seed=0)
        (single,) = upstream.annotators.values()
        single.is_shuffle = False
        columns = ["instruction", "output_1", "output_2"]
        frame = single._preprocess(pd.DataFrame(rows)[columns])
        prompts, _ = single._make_prompts(frame)
    finally:
        logging.getLogger().setLevel(level)
    spec = load_annotator(name).spec
    for row, prompt in zip(rows, prompts, strict=True):
        theirs = [(m["role"], m["content"]) for m in utils.prompt_to_chatml(prompt.strip())]
        pair = JudgedPair("p", row["instruction"], row["output_1"], row["output_2"])
        ours = pair_request(spec, pair, order(spec, row["instruction"]), 0).prompt
        assert [(m.role, m.content) for m in ours] == theirs


def test_the_published_figure_comes_out_of_the_published_answers(world: World) -> None:
    """claude-2.1 and the official judge replayed: each says what it said when it was published."""
    rows = json.loads(gzip.decompress(annotations_of("claude-2.1").read_bytes()))
    said = {row["instruction"]: row for row in rows}
    spec = load_annotator("weighted_alpaca_eval_gpt4_turbo").spec
    judged = {}
    for row in rows:
        pair = JudgedPair("p", row["instruction"], row["output_1"], row["output_2"])
        judged[pair_request(spec, pair, order(spec, row["instruction"]), 0).prompt] = row

    def judge(request: Request, seed: int) -> Completion:
        raw = judged[request.prompt]["raw_completion"]
        (at,) = raw["logprobs"]["content"]
        return token(raw["text"], {t["token"]: t["logprob"] for t in at["top_logprobs"]})

    reference = real_data("alpaca_eval", "reference", "gpt4_1106_preview_model_outputs.json.gz")
    world.batch_size = 805
    found = world.evaluate(
        model=lambda r, s: said[prompt_of(r)]["output_2"],
        judge=judge,
        baseline_outputs=str(reference),
        gamed=str(real_data("alpaca_eval", "derived", "df_gamed_surrogate.csv")),
    )
    line = {r["instruction"]: r for r in json.loads(
        (world.folder / "m" / "annotations.json").read_text())}  # fmt: skip
    for prompt, row in said.items():
        assert line[prompt]["preference"] == pytest.approx(row["preference"], abs=1e-9)
    published = real_data("alpaca_eval", "leaderboards",
                          "weighted_alpaca_eval_gpt4_turbo_leaderboard.csv")  # fmt: skip
    table = csv.DictReader(published.read_text().splitlines())
    (theirs,) = (r for r in table if r[""] == "claude-2.1")
    for name in ("win_rate", "standard_error", "discrete_win_rate"):
        assert 100 * found.metrics[name].value == pytest.approx(float(theirs[name]), abs=1e-6)
    for name in ("n_wins", "n_wins_base", "n_draws", "n_total", "avg_length"):
        assert found.metrics[name].value == float(theirs[name])
    lc = found.metrics["lc_win_rate"]
    assert 100 * lc.value == pytest.approx(float(theirs["length_controlled_winrate"]), abs=0.16)
    assert lc.low < lc.value < lc.high


def test_whose_figures_stand_with_published_ones(cache: CallCache, tmp_path: Path) -> None:
    path = real_data("alpaca_eval", "reference", "gpt4_1106_preview_model_outputs.json.gz")

    def judge(identity: str) -> Judge:
        engine = FakeEngine("x")
        engine.identity = identity
        return Judge(load_spec("additive5"), Caller(engine, cache), "openai:judge", False)

    official = judge(f"openai:{OPENAI}:gpt-4-1106-preview")
    whole = AlpacaEval2(str(path))
    assert whole._as_published(official, False)
    assert not whole._as_published(official, True)  # verdicts alone
    assert not whole._as_published(judge("openai:x:gpt-4-1106-preview"), False)
    assert not AlpacaEval2(str(path), limit=804)._as_published(official, False)
    with gzip.open(path) as file:
        rows = json.load(file)
    strange = [{**rows[0], "instruction": "another"}, *rows[1:]]
    other = [{**rows[0], "output": "another"}, *rows[1:]]
    for changed in (strange, other):
        found = AlpacaEval2(str(write(tmp_path / "changed.json", changed)))
        assert not found._as_published(official, False)
