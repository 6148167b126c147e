"""The field's own formats, in small made-up rows of their shape."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.human_data import HumanData, read_human_data
from benchmarks.human_data.formats import FORMATS, KEYS
from judges.labels import Label
from results.errors import SrlmError, UsageError
from results.records import Message


def write(path: Path, rows: list[Any]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def read(tmp_path: Path, rows: list[Any], format: str | None = None, **more: Any) -> HumanData:
    return read_human_data(write(tmp_path / "d.jsonl", rows), format, **more)


def labels(data: HumanData) -> list[list[str]]:
    return [[label.label for label in pair.labels] for pair in data.pairs]


def told(data: HumanData) -> list[str]:
    return [re.sub(r"^.*?:(\d+: [^,:]*).*", r"\1", note) for note in data.notes]


def test_every_format_can_be_loaded_and_told() -> None:
    assert set(KEYS) == set(FORMATS.entries)
    assert all(callable(FORMATS.load(name)) for name in FORMATS.names())


# --- graded responses


def test_open_assistant_quality(tmp_path: Path) -> None:
    def row(prompt: str, name: str, quality: Any, language: str = "en") -> dict[str, Any]:
        return {"prompt_id": prompt, "prompt_text": f"text {prompt}", "response_id": name,
                "response_text": f"answer {name}", "language": language,
                "quality_score": quality}  # fmt: skip

    rows = [row("p", "a", 0.25), row("q", "d", 0.5), row("p", "b", 1.0), row("p", "c", None),
            row("q", "e", 0.5), row("q", "f", 1.0, "de"), row("r", "g", 0.1)]  # fmt: skip
    data = read(tmp_path, rows)
    assert data.format == "oasst_quality"
    assert [(p.id, [(r.id, r.rank, r.score) for r in p.responses]) for p in data.ranked] == [
        ("p", [("a", 1, 0.25), ("b", 0, 1.0), ("c", None, None)]),
        ("q", [("d", 0, 0.5), ("e", 0, 0.5)]),
    ]
    assert sorted(told(data)) == [
        "2: all responses are tied",
        "4: reply has no quality",
        "6: reply is in another language",
        "7: fewer than two responses with a human rank",
    ]
    with pytest.raises(SrlmError, match=r"jsonl:2: prompt_text: found 'other', .*jsonl:1, which"):
        read(tmp_path, [rows[0], {**rows[2], "prompt_text": "other"}])


def test_topical_chat_takes_the_attribute_that_is_named(tmp_path: Path) -> None:
    def row(dialogue: str, writer: str, natural: Any, overall: Any) -> dict[str, Any]:
        return {"source": dialogue, "context": "a fact\n", "system_id": writer,
                "system_output": f"says {writer}",
                "scores": {"naturalness": natural, "overall": overall}}  # fmt: skip

    rows = [row("hi \n", "x", 1.5, 5), row("hi \n", "y", 3, 4), row("yo", "x", 2, 1),
            row("yo", "y", 2, 1.5)]  # fmt: skip
    data = read(tmp_path, rows, "topical_chat:naturalness")
    assert data.format == "topical_chat:naturalness"
    assert [[r.rank for r in p.responses] for p in data.ranked] == [[1, 0], [0, 0]]
    assert [r.score for r in data.ranked[0].responses] == [1.5, 3]
    assert data.ranked[0].prompt == "hi\n\nA fact that the next turn may use:\na fact"
    assert [[r.rank for r in p.responses] for p in read(tmp_path, rows).ranked] == [[0, 1], [1, 0]]
    with pytest.raises(UsageError, match=r"jsonl:1: no grade of 'natural'; did you mean 'natur"):
        read(tmp_path, rows, "topical_chat:natural")
    with pytest.raises(SrlmError, match=r"jsonl:1: scores: found 3"):
        read(tmp_path, [{**rows[0], "scores": 3}])


# --- pairs


def test_pandalm(tmp_path: Path) -> None:
    def row(number: int, *votes: Any, **more: Any) -> dict[str, Any]:
        votes_by_name = {f"annotator{i}": vote for i, vote in enumerate(votes, 1)}
        return {"idx": number, "motivation_app": "app", "instruction": "Do it.", "input": "",
                "response1": "A", "response2": "B", **votes_by_name, **more}  # fmt: skip

    data = read(tmp_path, [
        row(7, 0, 1, 2, input="This."),
        row(8, 2, 2, 3, response1=True),
        row(9, "1", None, True),
    ])  # fmt: skip
    assert (data.format, data.of) == ("pandalm", 3)
    assert labels(data) == [["tie", "first", "second"], ["second", "second"]]
    assert [label.annotator for label in data.pairs[1].labels] == ["annotator1", "annotator2"]
    assert [(p.id, p.prompt, p.first, p.category) for p in data.pairs] == [
        ("7", "Do it.\n\nThis.", "A", "app"), ("8", "Do it.", "True", "app"),
    ]  # fmt: skip
    assert sorted({re.sub(r"^\d+", "", note) for note in told(data)}) == [
        ": label is none of 1",
        ": pair has no label that can be used",
        ": text is no text",
    ]


def test_llmbar(tmp_path: Path) -> None:
    rows = [{"input": "Q", "output_1": "A", "output_2": "B", "label": v} for v in (1, 2, 3, 2)]
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(rows, indent=2))
    data = read_human_data(str(path))
    assert (data.format, data.of, labels(data)) == (
        "llmbar",
        4,
        [["first"], ["second"], ["second"]],
    )
    assert [p.id for p in data.pairs] == ["0", "1", "3"]  # the place, whatever is left out
    assert data.pairs[0].labels == (Label(label="first"),)


def test_judgebench(tmp_path: Path) -> None:
    def row(name: str, label: str) -> dict[str, Any]:
        return {"pair_id": name, "original_id": 1, "source": "sums", "question": "Q?",
                "response_model": "m", "response_A": "A", "response_B": "B",
                "label": label}  # fmt: skip

    data = read(tmp_path, [row("x", "A>B"), row("y", "B>A"), row("x", "B>A")])
    assert (data.format, data.of, labels(data)) == ("judgebench", 3, [["first"], ["second"]])
    assert (data.pairs[0].id, data.pairs[0].category) == ("x", "sums")
    assert told(data) == ["3: pair id is there already"]


def test_reward_bench_2(tmp_path: Path) -> None:
    def row(name: Any, chosen: Any, rejected: Any, subset: str) -> dict[str, Any]:
        return {"id": name, "prompt": "Q?", "chosen": chosen, "rejected": rejected,
                "num_correct": 1, "subset": subset, "additional_metadata": {}}  # fmt: skip

    data = read(tmp_path, [
        row("1", ["good"], ["bad", "worse", "worst"], "Math"),
        row("ties:0", ["red", "blue"], ["dog", "cat"], "Ties"),
        row(3, "good", "bad", "chat"),
    ])  # fmt: skip
    assert (data.format, data.notes) == ("rewardbench2", [])
    assert [[r.rank for r in p.responses] for p in data.ranked] == [
        [0, 1, 1, 1], [0, 0, 1, 1], [0, 1],
    ]  # fmt: skip
    assert [r.id for r in data.ranked[1].responses] == [
        "chosen-0", "chosen-1", "rejected-0", "rejected-1",
    ]  # fmt: skip
    assert [(p.id, p.category) for p in data.ranked] == [
        ("1", "Math"), ("ties:0", "Ties"), ("3", "chat"),
    ]  # fmt: skip
    with pytest.raises(SrlmError, match=r"jsonl:1: responses\.0\.text: found \{"):
        read(tmp_path, [row("1", [{"role": "user"}], ["bad"], "TRL")])


# --- FastChat votes


def vote(a: str, b: str, winner: str, turn: int = 1, judge: Any = "ann", **more: Any) -> Any:
    return {"question_id": 81, "model_a": a, "model_b": b, "winner": winner, "turn": turn,
            "judge": judge, **more}  # fmt: skip


def fastchat(folder: Path, votes: list[Any], models: str = "xyz") -> str:
    write(folder / "human.jsonl", votes)
    write(folder / "question.jsonl", [{"question_id": 81, "category": "math", "turns": ["Q", "R"]}])
    for m in models:
        answer = {"question_id": 81, "model_id": m, "choices": [{"turns": [f"{m}1", f"{m}2"]}]}
        write(folder / "model_answer" / f"{m}.jsonl.gz", [answer])
    return str(folder)


def test_votes_meet_whatever_order_the_models_stand_in(tmp_path: Path) -> None:
    folder = fastchat(tmp_path, [
        vote("x", "y", "model_a"),
        vote("y", "x", "model_a", judge="bob"),
        vote("y", "x", "model_b", judge=["gpt-4", "pair-v2"]),
        vote("x", "y", "tie (inconsistent)", judge=None),
        vote("x", "y", "tie", turn=2),
        vote("z", "y", "model_b"),
        vote("y", "x", "tie"),
    ])  # fmt: skip
    data = read_human_data(folder)
    assert (data.kind, data.format, data.of) == ("pairwise", "fastchat_votes", 3)
    assert labels(data) == [["first", "second", "first", "tie", "tie"], ["tie"], ["first"]]
    assert [label.annotator for label in data.pairs[0].labels] == [
        "ann", "bob", "gpt-4 pair-v2", None, "ann",
    ]  # fmt: skip
    first, later, other = data.pairs
    assert (first.prompt, first.first, first.second) == ("Q", "x1", "y1")
    assert later.prompt == [Message(role="user", content="Q"), Message(role="user", content="R")]
    assert later.first.index("x1") < later.first.index("x2") and "y" not in later.first
    assert (other.id, other.first) == ("81-turn1-y-z", "y1")
    assert {p.category for p in data.pairs} == {"math"} and first.reference is None
    assert told(data) == ["7: annotator has labelled this pair before"]
    reference = {"question_id": 81, "model_id": "gpt-4", "choices": [{"turns": ["42", "43"]}]}
    write(tmp_path / "reference_answer" / "gpt-4.jsonl", [reference])
    again = read_human_data(str(tmp_path / "human.jsonl"))
    assert again.pairs[0].reference == "42" and "43" in str(again.pairs[1].reference)
    assert again.sha256 != data.sha256  # the texts are part of the data


def test_votes_that_cannot_be_used(tmp_path: Path) -> None:
    folder = fastchat(tmp_path, [
        vote("x", "y", "model_a"),
        vote("x", "y", "both"),
        vote("x", "y", "tie", turn=3),
        vote("x", "x", "tie"),
        vote("x", "w", "tie"),
    ])  # fmt: skip
    data = read_human_data(folder)
    assert (labels(data), data.of) == ([["first"]], 2)
    assert told(data) == [
        *(
            f"{i}: vote is not on turn 1 or 2 of two models with a winner or a tie"
            for i in (2, 3, 4)
        ),
        "5: question or answer of the vote is not there",
    ]
    (tmp_path / "question.jsonl").unlink()
    with pytest.raises(UsageError, match=r"there is no question\.jsonl in .*lay FastChat's"):
        read_human_data(folder)
    fastchat(tmp_path, [vote("x", "y", "tie")])
    write(tmp_path / "model_answer" / "x.jsonl.gz", [{"question_id": 81}])
    with pytest.raises(SrlmError, match=r"x\.jsonl\.gz:1: expected a FastChat answer"):
        read_human_data(folder)


def test_votes_that_hold_the_conversations_need_nothing_beside(tmp_path: Path) -> None:
    def said(m: str) -> list[dict[str, str]]:
        texts = [("user", "Q"), ("assistant", f"{m}1"), ("user", "R"), ("assistant", f"{m}2")]
        return [{"role": role, "content": text} for role, text in texts]

    data = read(tmp_path, [
        vote("y", "x", "model_a", conversation_a=said("y"), conversation_b=said("x")),
        vote("y", "x", "model_a", turn=2, conversation_a=said("y"), conversation_b=said("x")),
    ])  # fmt: skip
    assert [(p.first[:2], p.second[-2:]) for p in data.pairs] == [("x1", "y1"), ("An", "y2")]
    assert labels(data) == [["second"], ["second"]]


def hhh_row(prompt: str, chosen: str, rejected: str, source: str = "harmless") -> dict[str, str]:
    def shown(response: str) -> str:
        return (
            f"###Task Description:\nRate it.\n\n###The instruction to evaluate:\n{prompt}\n\n"
            f"###Response to evaluate:\n{response}\n\n###Score Rubrics:\n[Safe?]\n\n###Feedback: "
        )

    return {"source": source, "chosen_instruction": shown(chosen),
            "rejected_instruction": shown(rejected)}  # fmt: skip


def test_hhh_pairs_are_taken_out_of_the_prompts_that_hold_them(tmp_path: Path) -> None:
    rows = [hhh_row("How?\n\nTell me.", "No.\n\nNever.", "So: ###Score"),
            hhh_row("Why?", "A", "B", "other")]  # fmt: skip
    data = read(tmp_path, rows)
    assert (data.format, data.of) == ("hhh", 2)
    first, second = data.ranked
    assert (first.prompt, first.category) == ("How?\n\nTell me.", "harmless")
    assert [(r.id, r.text, r.rank) for r in first.responses] == [
        ("chosen", "No.\n\nNever.", 0), ("rejected", "So: ###Score", 1)]  # fmt: skip
    assert (second.id, second.category) == ("1", "other")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chosen_instruction": "no layout"}, ":2: chosen_instruction: found 'no layout'"),
        ({"rejected_instruction": None}, ":2: rejected_instruction: found 'None'"),
        ({"rejected_instruction": hhh_row("Another?", "a", "b")["rejected_instruction"]},
         ":2: .* ask different things"),
    ],
)  # fmt: skip
def test_an_hhh_row_of_another_layout_is_named(tmp_path: Path, change: Any, said: str) -> None:
    rows = [hhh_row("Why?", "A", "B"), hhh_row("Who?", "A", "B") | change]
    with pytest.raises(SrlmError, match=said):
        read(tmp_path, rows)
