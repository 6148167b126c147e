"""Open Assistant's exports, in small made-up rows of their shape."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.human_data import read_human_data
from benchmarks.human_data.opening import HUB_ID
from results.errors import SrlmError, UsageError
from results.records import Message
from tests.unit.test_benchmarks_human_data_formats import read, told


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
