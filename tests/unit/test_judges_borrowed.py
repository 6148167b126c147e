"""Judges of AlpacaEval and MT-Bench, from files laid out as theirs; and from the real ones."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from judges.borrowed.alpaca_annotators import Published, published
from judges.pairwise import JudgedPair, render_pair
from judges.pointwise import judge_request, render
from judges.spec import load_spec
from results.errors import SrlmError, UsageError
from results.records import Message
from tests.real_data import real_data

CHAT = """<|im_start|>system
Rank well.
<|im_end|>
<|im_start|>user
Task: {instruction}
m: {output_1} {"literal": 1}
M: {output_2}
<|im_end|>"""
WEIGHTED: dict[str, Any] = {
    "prompt_template": "clf/clf.txt",
    "fn_completions": "openai_completions",
    "completions_kwargs": {"max_tokens": 1, "temperature": 1, "logprobs": True},
    "fn_completion_parser": "logprob_parser",
    "completion_parser_kwargs": {
        "numerator_token": "m",
        "denominator_tokens": ["m", "M"],
        "is_binarize": False,
    },
    "batch_size": 1,
}
RANKING: dict[str, Any] = {
    "prompt_template": "clf/clf.txt",
    "completions_kwargs": {
        "max_tokens": 300,
        "temperature": 0,
        "tools": [{"function": {"name": "rank_them", "parameters": {"type": "object"}}}],
    },
    "fn_completion_parser": "pipeline_meta_parser",
    "completion_parser_kwargs": {
        "parsers_to_kwargs": {
            "json_parser": {"annotation_key": "ordered"},
            "ranking_parser": {"model_1_name": "m"},
        }
    },
    "is_randomize_output_order": False,
}
PLAIN: dict[str, Any] = {
    "prompt_template": "plain/plain.txt",
    "completions_kwargs": {"max_tokens_to_sample": 50, "temperature": 0},
    "completion_parser_kwargs": {
        "outputs_to_match": {1: r"(?:^|\n) ?Output \(a\)", 2: r"(?:^|\n) ?Output \(b\)"}
    },
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package alpaca_eval on the path, with the annotators above."""
    folder = tmp_path / "alpaca_eval"
    configs = folder / "evaluators_configs"
    for name, config in {"weighted": WEIGHTED, "ranked": RANKING, "plain": PLAIN}.items():
        write(configs, name, config)
    (configs / "clf").mkdir()
    (configs / "clf" / "clf.txt").write_text(CHAT)
    (configs / "plain" / "plain.txt").write_text(
        "\n\nHuman: {instruction} {output_1} {output_2}\n\nAssistant:"
    )
    (folder / "__init__.py").write_text("raise RuntimeError('must not be imported')\n")
    monkeypatch.delitem(sys.modules, "alpaca_eval", raising=False)  # another test's, the real one
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return configs


def write(configs: Path, name: str, config: dict[str, Any]) -> None:
    (configs / name).mkdir(parents=True, exist_ok=True)
    (configs / name / "configs.yaml").write_text(yaml.safe_dump({name: config}))


def test_a_weighted_annotator(package: Path) -> None:
    spec = load_spec("alpaca_eval:weighted")
    assert (spec.name, spec.kind, spec.aggregation) == (
        "alpaca_eval:weighted", "pairwise", "expected")  # fmt: skip
    assert (spec.orders, spec.decoding.max_tokens, spec.decoding.temperature) == ("random", 1, 1)
    assert spec.system == "Rank well."
    assert spec.read("m", "length").verdict == "A"
    assert spec.read("M", "length").verdict == "B"
    shown = render_pair(spec, JudgedPair("p", "Why?", "one {output_2}", "two"), "BA")
    assert shown == 'Task: Why?\nm: two {"literal": 1}\nM: one {output_2}'


def test_a_ranking_annotator_is_asked_for_json(package: Path) -> None:
    spec = load_spec("alpaca_eval:ranked")
    assert (spec.orders, spec.aggregation) == ("AB", "mean")
    assert "arguments of rank_them" in spec.rubric and '{"type": "object"}' in spec.rubric
    answer = {"why": "x", "ordered": [{"model": "M", "rank": 2}, {"model": "m", "rank": 1}]}
    assert spec.read(json.dumps(answer)).verdict == "A"
    assert spec.read(json.dumps(answer["ordered"])).verdict == "A"
    assert spec.read("m is better").reason == "no_verdict"


def test_a_plain_annotator(package: Path) -> None:
    spec = load_spec("alpaca_eval:plain")
    assert (spec.system, spec.rubric) == ("", "{prompt} {first} {second}")
    assert spec.decoding.max_tokens == 50
    assert spec.read("\nOutput (b)").verdict == "B"


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("batch", {**WEIGHTED, "batch_size": 5}, "judges 5 pairs in one call"),
        ("lmsys", {**WEIGHTED, "fn_completion_parser": "lmsys_parser"}, "parser lmsys_parser"),
        ("three", {**WEIGHTED, "completion_parser_kwargs": {
            "numerator_token": "a", "denominator_tokens": ["a", "b", "c"]}}, "not an annotator"),
        ("names", {**RANKING, "completion_parser_kwargs": {"parsers_to_kwargs": {
            "json_parser": {"annotation_key": "x"}, "ranking_parser": {"model_1_name": "x"}}}},
         "not an annotator"),
        ("bare", {"prompt_template": "clf/clf.txt"}, "outputs_to_match"),
        ("cold", {**WEIGHTED, "completions_kwargs": {"temperature": -1}}, "decoding.temperature"),
    ],
)  # fmt: skip
def test_annotators_of_other_forms_are_refused_in_one_line(
    package: Path, name: str, config: dict[str, Any], message: str
) -> None:
    write(package, name, config)
    with pytest.raises(UsageError, match=message) as caught:
        load_spec(f"alpaca_eval:{name}")
    assert "\n" not in str(caught.value)
    assert "configs.yaml" in str(caught.value)


def test_what_a_judge_spec_has_no_place_for(package: Path) -> None:
    kwargs = {**WEIGHTED["completions_kwargs"], "model_name": "them", "top_logprobs": 5}
    write(package, "weighted", {**WEIGHTED, "completions_kwargs": kwargs})
    assert published("weighted") == Published("them", 5, None, False)
    last = {**WEIGHTED["completion_parser_kwargs"], "log_prob_index": -1, "is_binarize": True}
    write(
        package,
        "last",
        {**WEIGHTED, "completions_kwargs": kwargs, "completion_parser_kwargs": last},
    )
    assert published("last") == Published("them", 5, -1, True)
    write(package, "ranked", {**RANKING, "completions_kwargs": {"model_name": "them"}})
    assert published("ranked") == Published("them")
    with pytest.raises(UsageError, match=r"plain/configs.yaml: not an annotator .*model_name"):
        published("plain")


def test_unknown_annotators_and_missing_files(package: Path) -> None:
    with pytest.raises(UsageError, match="no annotator 'wighted'; did you mean 'weighted'"):
        load_spec("alpaca_eval:wighted")
    write(package, "gone", {**WEIGHTED, "prompt_template": "gone/gone.txt"})
    with pytest.raises(SrlmError, match=r"gone\.txt: no such file"):
        load_spec("alpaca_eval:gone")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SrlmError, match="not installed; python -m pip install 'alpaca-eval"):
        load_spec("alpaca_eval:weighted")


PROMPTS = [
    {"name": "single-v1", "type": "single", "system_prompt": "Help.",
     "prompt_template": "{question} [[5]] {answer}"},
    {"name": "single-math-v1", "type": "single", "system_prompt": "Help.",
     "prompt_template": "{question} {ref_answer_1} {answer}"},
    {"name": "single-v1-multi-turn", "type": "single", "system_prompt": "Judge.\n",
     "prompt_template": "{question_1} {answer_1} {question_2} {answer_2}"},
    {"name": "pair-v2", "type": "pairwise", "system_prompt": "Judge.",
     "prompt_template": "{question} {answer_a} {answer_b}"},
    {"name": "pair-math-v1-multi-turn", "type": "pairwise", "system_prompt": "Judge.",
     "prompt_template": "{question_1} {ref_answer_1} {question_2} {ref_answer_2} "
     "{question_1} {answer_a_1} {question_2} {answer_a_2} "
     "{question_1} {answer_b_1} {question_2} {answer_b_2}"},
    {"name": "odd", "type": "triple", "system_prompt": "", "prompt_template": ""},
]  # fmt: skip
TWO = [
    Message(role="user", content="q1"),
    Message(role="assistant", content="a1"),
    Message(role="user", content="q2"),
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "judge_prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PROMPTS))
    return path


def test_graders(prompts: Path) -> None:
    spec = load_spec(f"{prompts}#single-v1")
    assert (spec.name, spec.kind, spec.scale) == ("mt_bench:single-v1", "pointwise", (1, 10))
    assert spec.decoding.temperature == 0
    assert render(spec, "q", "a") == "q [[5]] a"
    assert [m.role for m in judge_request(spec, "q", "a", 0).prompt if isinstance(m, Message)] == [
        "system", "user"]  # fmt: skip
    assert spec.read("Rating: [[8.5]]").score == 8.5
    assert load_spec(f"mt_bench:single-v1@{prompts}") == spec
    math = load_spec(f"{prompts}#single-v1,math")
    assert math.name == "mt_bench:single-math-v1"
    assert render(math, "q", "a", "g") == "q g a"
    turns = load_spec(f"{prompts}#single-v1,2-turn")
    assert render(turns, TWO, "a2") == "q1 a1 q2 a2"
    pair = load_spec(f"{prompts}#pair-v2")
    assert render_pair(pair, JudgedPair("p", "q", "a", "b"), "BA") == "q b a"
    assert pair.read("[[C]]").verdict == "tie"
    all_of_it = load_spec(f"{prompts}#pair-v2,math,2-turn")
    judged = JudgedPair("p", TWO, ("a1", "a2"), ("b1", "b2"), ("g1", "g2"))
    assert render_pair(all_of_it, judged, "AB") == (
        "q1 g1 q2 g2 q1 a1 q2 a2 q1 b1 q2 b2")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PATH#singel-v1", "no judge 'singel-v1'; did you mean 'single-v1'"),
        ("PATH#single-v1,maths", "found 'maths', expected math or 2-turn"),
        ("PATH#odd", r"jsonl:6: found type 'triple'"),
        ("mt_bench:single-v1", "expected mt_bench:NAME@PATH"),
        ("/no/such.jsonl#single-v1", "no such file"),
    ],
)
def test_graders_refused(prompts: Path, name: str, message: str) -> None:
    with pytest.raises(SrlmError, match=message) as caught:
        load_spec(name.replace("PATH", str(prompts)))
    assert "\n" not in str(caught.value)


def test_the_real_graders() -> None:
    path = real_data("mt_bench", "fastchat", "judge_prompts.jsonl")
    for base in ("single-v1", "pair-v2"):
        for covers in ("", ",math", ",2-turn", ",math,2-turn"):
            spec = load_spec(f"{path}#{base}{covers}")
            numbered = {slot for slot in spec.slots if "_" in slot}
            assert bool(numbered) == ("2-turn" in covers)
            assert any(slot.startswith("reference") for slot in spec.slots) == ("math" in covers)
            # No slot of theirs is left over.
            assert not any(word in spec.rubric for word in ("{question", "{answer", "{ref_answer"))
