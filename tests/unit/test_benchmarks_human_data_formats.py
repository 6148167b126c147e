"""The field's own formats, in small made-up rows of their shape."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.human_data import HumanData, read_human_data
from benchmarks.human_data.formats import FORMATS, KEYS
from benchmarks.human_data.opening import HUB_ID
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


# --- Open Assistant


def message(name: str, role: str, text: str, replies: list[Any] | None = None, rank: Any = None,
            **more: Any) -> dict[str, Any]:  # fmt: skip
    return {"message_id": name, "parent_id": None, "role": role, "lang": "en", "text": text,
            "rank": rank, "deleted": False, "replies": replies or [], **more}  # fmt: skip


def conversation() -> dict[str, Any]:
    """Two ranked replies, under the second a prompt with three, one of them without a rank."""
    later = message("p2", "prompter", "And then?", [
        message("c", "assistant", "cc", rank=1),
        message("d", "assistant", "dd", rank=0),
        message("e", "assistant", "ee"),
    ])  # fmt: skip
    alone = message("p3", "prompter", "So?", [message("f", "assistant", "ff")])
    return message("p1", "prompter", "Why?", [
        message("a", "assistant", "aa", [alone], rank=1),
        message("b", "assistant", "bb", [later], rank=0),
    ])  # fmt: skip


def flat(root: dict[str, Any], parent: str | None = None) -> Iterator[dict[str, Any]]:
    yield {k: v for k, v in root.items() if k != "replies"} | {"parent_id": parent}
    for reply in root["replies"]:
        yield from flat(reply, root["message_id"])


def test_trees_and_messages_hold_the_same_groups(tmp_path: Path) -> None:
    root = conversation()
    shapes = {
        "oasst_trees": [{"message_tree_id": "p1", "prompt": root}],
        "oasst_messages": list(flat(root)),
    }
    nested = read(tmp_path, [root], first_turn=False)
    for name, rows in shapes.items():
        data = read(tmp_path, rows, first_turn=False)
        assert (data.format, data.of) == (name, 2)
        assert data.ranked == nested.ranked
        assert [p.id for p in data.ranked] == ["p1", "p2"]
        assert told(data)[0].endswith("reply has no rank")
        opening, later = data.ranked
        assert opening.prompt == "Why?"
        assert [(r.id, r.text, r.rank) for r in opening.responses] == [
            ("a", "aa", 1),
            ("b", "bb", 0),
        ]
        assert later.prompt == [
            Message(role="user", content="Why?"),
            Message(role="assistant", content="bb"),
            Message(role="user", content="And then?"),
        ]
        assert [r.id for r in later.responses] == ["c", "d"]
        first = read(tmp_path, rows)
        assert (first.ranked, first.notes) == ([opening], [])
    shuffled = read(tmp_path, list(flat(root))[::-1], first_turn=False)
    assert {p.id for p in shuffled.ranked} == {"p1", "p2"}


def test_messages_that_hang_in_the_air_are_told(tmp_path: Path) -> None:
    rows = list(flat(conversation()))
    again = {**rows[0], "text": "Other?"}
    orphan = message("x", "assistant", "?") | {"parent_id": "nowhere"}
    circle = [message("y", "assistant", "?") | {"parent_id": "y"}]
    data = read(tmp_path, [*rows, again, orphan, *circle])
    assert data.ranked[0].prompt == "Why?"
    assert told(data) == [
        f"{len(rows) + 1}: message id is there already",
        f"{len(rows) + 2}: parent of the message is not in the file",
    ]
    with pytest.raises(SrlmError, match=r"jsonl:2: not a message: no 'message_id' with a 'text'"):
        read(tmp_path, [rows[0], {"role": "prompter"}])


def test_languages_deleted_replies_and_odd_ranks(tmp_path: Path) -> None:
    def tree(name: str, lang: str, *replies: dict[str, Any]) -> dict[str, Any]:
        root = message(name, "prompter", "Why?", list(replies), lang=lang)
        return {"message_tree_id": name, "prompt": root}

    good = [message("a", "assistant", "aa", rank=0), message("b", "assistant", "bb", rank=1.0)]
    odd = [
        message("c", "assistant", "cc", rank=True),
        message("d", "assistant", "dd", rank=2, deleted=True),
        message("e", "assistant", "ee", rank=2, lang="de"),
    ]
    french = [m | {"lang": "fr"} for m in good]
    rows = [tree("en", "en", *good, *odd), tree("fr", "fr", *french)]
    data = read(tmp_path, rows)
    assert [(p.id, [r.rank for r in p.responses]) for p in data.ranked] == [("en", [0, 1])]
    assert told(data) == [
        "1: rank is no whole number",
        "1: reply has no rank",
        "1: reply is deleted",
        "1: reply is in another language",
        "2: prompt is in another language",
    ]
    assert [p.id for p in read(tmp_path, rows, language="fr").ranked] == ["fr"]
    every = read(tmp_path, rows, language=None)
    assert [(p.id, len(p.responses)) for p in every.ranked] == [("en", 3), ("fr", 2)]


def test_a_deep_conversation_needs_no_deep_stack(tmp_path: Path) -> None:
    rows = [message("0", "prompter", "0")]
    for i in range(1, 2000):
        role = "assistant" if i % 2 else "prompter"
        rows.append(message(str(i), role, str(i)) | {"parent_id": str(i - 1)})
    for i in range(2):
        rows.append(message(f"end{i}", "assistant", "end", rank=i) | {"parent_id": "1998"})
    (found,) = read(tmp_path, rows, first_turn=False).ranked
    assert (found.id, len(found.prompt)) == ("1998", 1999)


def test_parquet_exports(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{k: v for k, v in row.items() if k != "replies"} for row in flat(conversation())]
    path = tmp_path / "oasst.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    data = read_human_data(str(path), first_turn=False)
    assert data.ranked == read(tmp_path, rows, first_turn=False).ranked
    assert (data.format, len(data.sha256)) == ("oasst_messages", 64)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SrlmError, match="cannot be read as parquet") as it:
        read_human_data(str(path))
    assert "\n" not in str(it.value)


def fake_hub(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[Any]:
    """The hub is absent here: a stand-in for its client, and the calls that it got."""
    calls: list[Any] = []

    def load_dataset(name: str, revision: str | None, split: str | None) -> Any:
        calls.append((name, revision, split))
        if isinstance(answer, Exception):
            raise answer
        return answer[split] if split else answer

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    monkeypatch.setattr("benchmarks.human_data.opening.require", lambda *_: None)
    return calls


def test_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(flat(conversation()))
    calls = fake_hub(monkeypatch, {"train": rows[:5], "validation": rows[5:]})
    data = read_human_data("owner/some-set", first_turn=False)
    assert [p.id for p in data.ranked] == ["p1", "p2"]
    assert (data.name, data.format, data.notes[0].split(": ")[0]) == (
        "owner/some-set", "oasst_messages", "owner/some-set:1",
    )  # fmt: skip
    assert data.sha256 == read_human_data("owner/some-set", first_turn=False).sha256
    part = read_human_data("owner/some-set@v1.2:train")
    assert calls[-1] == ("owner/some-set", "v1.2", "train")
    assert part.sha256 != data.sha256
    fake_hub(monkeypatch, {"human": rows, "gpt4_pair": rows})
    with pytest.raises(UsageError, match=r"has the splits human, gpt4_pair; name one of them"):
        read_human_data("owner/some-set")


def test_a_hub_out_of_reach_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_hub(monkeypatch, ConnectionError("no net\nat all"))
    with pytest.raises(SrlmError, match=r"owner/set: no such file, and not to be had.*no net at"):
        read_human_data("owner/set")
    # A path that is merely mistyped does not go out to the hub.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for typo in ("data/rankings", "dta/rankings.jsonl", "a/b/c", "../x"):
        with pytest.raises(UsageError, match="no such file, expected human data"):
            read_human_data(typo)
    assert len(calls) == 1
    assert HUB_ID.fullmatch("a/b.c-d_e@refs/pr/1:train")


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
