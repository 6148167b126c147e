"""Every part that a name leads to loads and has what its Protocol asks for."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from backends.engines.engine import Engine
from backends.registry import ENGINES, TRAINERS, open_engine, open_trainer
from backends.trainers.trainer import Trainer
from benchmarks.benchmark import Benchmark, Evaluation, HasVerifier
from benchmarks.registry import BENCHMARKS, SOURCES, SeedData, open_benchmark
from judges.pairwise import JudgedPair, render_pair
from judges.parsers.parsed import Reason
from judges.parsers.table import PARSERS, parser_options, read
from judges.pointwise import render
from judges.spec import JudgeSpec, list_specs, load_spec
from results.errors import UsageError
from results.records import Metric, Unscored
from results.stats import ratio_metric
from tests.alpaca_files import baseline_row, write
from tests.mt_bench_files import write_files

# What a part needs to be opened; a new part without an entry here fails, and gets one.
OPTIONS: dict[str, dict[str, Any]] = {
    "trl": {},
    "micro_world": {"items": 3, "rankings": 1},
    "alpaca_eval2": {"baseline_outputs": "baseline.json"},
    "judge_agreement": {"rankings": "rankings.jsonl"},
    "safety": {"prompts": "micro_world", "by": "phrases"},
    "mt_bench": {
        "questions": "question.jsonl",
        "references": "reference.jsonl",
        "judge_prompts": "judge_prompts.jsonl",
    },
    "nlp": {"tasks": ["arc_easy"]},
}
SOURCE_OPTIONS: dict[str, dict[str, Any]] = {
    "micro_world": {"ift": 3, "eft": 6},
    "guarded_world": {"ift": 3, "eft": 6},
}


def methods(protocol: type) -> dict[str, Any]:
    return {n: f for n, f in vars(protocol).items() if inspect.isfunction(f) and n[0] != "_"}


def attributes(protocol: type) -> set[str]:
    return set(get_type_hints(protocol))


def check(part: object, protocol: type) -> None:
    assert methods(protocol)
    for name, asked in methods(protocol).items():
        given = getattr(part, name)
        assert callable(given), name
        ours = [p for p in inspect.signature(asked).parameters if p != "self"]
        theirs = inspect.signature(given).parameters
        inspect.signature(given).bind(*ours)  # by place
        assert list(theirs)[: len(ours)] == ours, name  # and by name
    for name in attributes(protocol):
        assert hasattr(part, name), name


@pytest.mark.parametrize("name", ENGINES.names())
def test_engines(name: str, tiny_llama: Path) -> None:
    engine = open_engine(name, str(tiny_llama), {})
    check(engine, Engine)
    assert engine.identity.startswith(f"{name}:") and engine.startup_seconds >= 0
    assert open_engine(name, str(tiny_llama), {}).identity == engine.identity
    assert engine.plan([]) == []
    engine.close()
    with pytest.raises(UsageError, match="has no option 'no_such_option'"):
        open_engine(name, str(tiny_llama), {"no_such_option": 1})


@pytest.mark.parametrize("name", TRAINERS.names())
def test_trainers(name: str) -> None:
    trainer = open_trainer(name, OPTIONS[name])
    check(trainer, Trainer)
    for kind in ("sft", "dpo"):
        trainer.check(kind, {"learning_rate": 1e-5})
        with pytest.raises(UsageError, match=f"{kind}.*no_such_setting"):
            trainer.check(kind, {"learning_rate": 1e-5, "no_such_setting": 1})


@pytest.mark.parametrize("name", BENCHMARKS.names())
def test_benchmarks(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answers = [{"id": str(i), "text": "x", "rank": i} for i in range(2)]
    ranked = {"id": "p", "prompt": "q", "responses": answers}
    Path("rankings.jsonl").write_text(json.dumps(ranked) + "\n")
    write_files(tmp_path)
    write(tmp_path / "baseline.json", [baseline_row("q")])
    benchmark = open_benchmark(name, OPTIONS[name])
    check(benchmark, Benchmark)
    if isinstance(benchmark, HasVerifier):
        check(benchmark, HasVerifier)
    assert benchmark.name == name
    with pytest.raises(UsageError, match="has no option 'no_such_option'"):
        open_benchmark(name, {**OPTIONS[name], "no_such_option": 1})


@pytest.mark.parametrize("name", SOURCES.names())
def test_sources(name: str) -> None:
    source = SOURCES.load(name)
    assert next(iter(inspect.signature(source).parameters)) == "seed"
    if name in SOURCE_OPTIONS:
        data = source(0, **SOURCE_OPTIONS[name])
        assert isinstance(data, SeedData) and data.ift
        assert {e.kind for e in data.ift} == {"ift"} and {e.kind for e in data.eft} <= {"eft"}
        assert source(0, **SOURCE_OPTIONS[name]) == data


@pytest.mark.parametrize("name", list_specs())
def test_judges(name: str) -> None:
    spec = load_spec(name)
    assert isinstance(spec, JudgeSpec) and spec.name == name and spec.description
    question, answer, other = "the question {response}", "the answer {prompt}", "another {first}"
    if spec.kind == "pointwise":
        shown = [render(spec, question, answer, other if "reference" in spec.slots else None)]
        texts = [question, answer] + [other] * ("reference" in spec.slots)
        assert spec.scale[0] < spec.scale[1]
    else:
        pair = JudgedPair("p", question, answer, other)
        shown = [render_pair(spec, pair, order) for order in ("AB", "BA")]
        texts = [question, answer, other]
        assert [text.index(answer) < text.index(other) for text in shown] == [True, False]
    assert all(it.count(text) == 1 for it in shown for text in texts)
    assert all(f"{spec.parser.label}:" in it for it in shown)
    # The example is read when a spec is loaded; here that it is there, and in the rubric's form.
    assert spec.example is not None
    assert f"\n{spec.parser.label}: " in spec.example.text
    assert JudgeSpec.model_validate(spec.model_dump()) == spec


@pytest.mark.parametrize("name", PARSERS.names())
def test_parsers(name: str) -> None:
    """Every parser reads any text in the same way, and names its reasons."""
    parser = PARSERS.load(name)
    assert list(inspect.signature(parser).parameters)[:3] == ["text", "cut", "scale"]
    assert (parser.__doc__ or "").startswith("Reads ")
    options = parser_options(name, {})
    for text in ("", " ", "Score: 3", "[[A]]", "<think>", "\ud800"):
        for finish in ("stop", "length", "error"):
            found = read(text, finish, name, options, (0, 5))
            assert [found.score, found.verdict, found.reason].count(None) == 2
            assert found.reason in (None, *get_args(Reason))


@pytest.mark.parametrize("table", [ENGINES, TRAINERS, BENCHMARKS, SOURCES], ids=lambda t: t.kind)
def test_no_module_is_named_like_a_dependency(table) -> None:
    for target in table.names().values():
        last = target.partition(":")[0].rpartition(".")[2]
        assert last not in {"trl", "vllm", "nemo", "openai", "lm_eval", "alpaca_eval", "datasets"}


def test_an_evaluation_is_data() -> None:
    metric = ratio_metric("m", [], 0, "none")
    found = Evaluation(0, None, {"m": metric}, [])
    assert isinstance(metric, Metric) and dataclasses.asdict(found)["unscored"] == Unscored()
