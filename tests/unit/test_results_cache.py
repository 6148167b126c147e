"""The call cache: who shares an answer, what is never stored, damage, rebuilding."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

import results.cache
from results.cache import Cached, CallCache, Lost, call_key
from results.errors import SrlmError
from results.records import Candidate, Judgment, Message, Prompt
from results.store import RecordFile

CONFIG = {"temperature": 1.0, "top_p": 0.9, "max_tokens": 8, "stop": (), "seed": 1}
ANSWER = Cached("four \x00 \u00e9", "stop", 12, 3)


def records(run: Path) -> None:
    """Writes a run with answers in finalised, unfinished and evaluation files."""
    RecordFile(run / "iter_2" / "candidates.jsonl", Candidate).replace(
        [
            Candidate(prompt_id="p", response_id=f"r{i}", draw=i, text=f"t{i}",
                      finish_reason=reason, tokens=i, call=f"c{i}")
            for i, reason in enumerate(["stop", "length", "error"])
        ]
    )  # fmt: skip
    judgments = RecordFile(run / "iter_2" / "judgments.jsonl", Judgment)
    judgments.append(
        [
            Judgment(prompt_id="p", response_id="r", draw=0, status="unscored", score=None,
                     reason="no score", text="hm", finish_reason="stop", tokens=2, call="j0"),
            Judgment(prompt_id="p", response_id="r", draw=1, status="scored", score=1,
                     reason=None, text="from a file"),
        ]
    )  # fmt: skip
    with judgments.part.open("ab") as file:
        file.write(b'{"call": "torn", "text": "x", "finish_reason": "stop", "tok')
    prompts = RecordFile(run / "iter_2" / "evaluation" / "x" / "prompts.jsonl", Prompt)
    prompts.replace([Prompt(id="1", prompt="q", source="self", call="p0", text="whole",
                            finish_reason="stop", tokens=5)])  # fmt: skip
    (run / "iter_2" / "other.jsonl").write_text('["call"]\n{"call": 1}\n\xff"call"\n')


REBUILT = {
    "c0": Cached("t0", "stop", None, 0),
    "c1": Cached("t1", "length", None, 1),
    "j0": Cached("hm", "stop", None, 2),
    "p0": Cached("whole", "stop", None, 5),
}
KEYS = ["c0", "c1", "c2", "j0", "p0", "torn", "absent"]


def test_round_trip_over_many_keys(tmp_path: Path) -> None:
    rows = {f"k{i}": Cached(f"t{i}", "stop", i, i) for i in range(1203)}
    with CallCache(tmp_path / "new" / "calls.sqlite") as cache:
        cache.put_many({**rows, "odd": ANSWER})
        assert cache.get_many([]) == {}
    with CallCache(tmp_path / "new" / "calls.sqlite") as cache:
        assert cache.get_many([*rows, "missing"]) == rows
        assert cache.get_many(["odd"]) == {"odd": ANSWER}


def test_first_answer_stays(tmp_path: Path) -> None:
    with CallCache(tmp_path / "c") as cache:
        cache.put_many({"k": ANSWER})
        cache.put_many({"k": Cached("another", "stop", 1, 1)})
        assert cache.get_many(["k"]) == {"k": ANSWER}


def test_failures_are_refused_whole(tmp_path: Path) -> None:
    with CallCache(tmp_path / "c") as cache:
        with pytest.raises(ValueError, match="never cached"):
            cache.put_many({"a": ANSWER, "b": Cached("HTTP 500", "error", 0, 0)})
        with pytest.raises(ValueError, match="surrogates"):
            cache.put_many({"a": ANSWER, "b": Cached("\ud800", "stop", 0, 0)})
        assert cache.get_many(["a", "b"]) == {}


def test_two_models_never_share_an_answer(tmp_path: Path) -> None:
    first, second = (call_key(name, CONFIG, "2 + 2 =", 0) for name in ("weights-1", "weights-2"))
    with CallCache(tmp_path / "c") as cache:
        cache.put_many({first: ANSWER})
        assert cache.get_many([first, second]) == {first: ANSWER}


def test_every_part_is_in_the_key() -> None:
    chat = [Message(role="user", content="hi")]
    keys = [
        call_key("m", CONFIG, chat, 0),
        call_key("m", CONFIG, chat, 1),
        call_key("m2", CONFIG, chat, 0),
        call_key("m", CONFIG, "hi", 0),
        call_key("m", CONFIG, json.dumps([{"role": "user", "content": "hi"}]), 0),
        call_key("m", CONFIG, [Message(role="system", content="hi")], 0),
        call_key("m", CONFIG, [*chat, *chat], 0),
        *(call_key("m", {**CONFIG, name: 0.5}, chat, 0) for name in CONFIG),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 for key in keys)


def test_key_is_the_same_in_every_form_and_version() -> None:
    chat = [Message(role="user", content="hi")]
    same = call_key("m", dict(reversed(CONFIG.items())), [{"content": "hi", "role": "user"}], 0)
    assert same == call_key("m", {**CONFIG, "stop": []}, tuple(chat), 0)
    # A golden value: a change here would throw away every user's cache.
    assert same == "0aa945c198ed6aea9cc229af19c19360fed28ea800b6de3aaddcda483dab73be"


def test_rebuilt_when_missing(tmp_path: Path) -> None:
    records(tmp_path / "run")
    said: list[str] = []
    with CallCache(tmp_path / "scratch" / "c", tmp_path / "run", said.append) as cache:
        assert cache.get_many(KEYS) == REBUILT
        assert cache.made() == len(REBUILT) + 1  # a call that failed has a record too
        assert cache.rebuild(tmp_path / "run") == 0
        assert cache.made() == len(REBUILT) + 1
    with CallCache(tmp_path / "empty" / "c", tmp_path / "no such run") as cache:
        assert cache.get_many(KEYS) == {}
    assert said == []


def test_existing_cache_is_not_rebuilt(tmp_path: Path) -> None:
    CallCache(tmp_path / "c").close()
    records(tmp_path / "run")
    with CallCache(tmp_path / "c", tmp_path / "run") as cache:
        assert cache.get_many(KEYS) == {}
        assert cache.rebuild(tmp_path / "run") == len(REBUILT)
        assert cache.get_many(KEYS) == REBUILT


def test_killed_rebuild_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records(tmp_path / "run")

    def dies(db: sqlite3.Connection, folder: Path) -> int:
        db.execute(results.cache.INSERT, ("c0", "half", "stop", None, 1, None, None, None))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(results.cache, "_fill", dies)
        with pytest.raises(KeyboardInterrupt):
            CallCache(tmp_path / "c", tmp_path / "run")
    with CallCache(tmp_path / "c", tmp_path / "run") as cache:
        assert cache.get_many(KEYS) == REBUILT


def damage_header(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)


def damage_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : 2 * 4096] = b"\xee" * 4096
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def foreign(path: Path) -> None:
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE calls (key TEXT)")
    db.commit()
    db.close()


@pytest.mark.parametrize("damage", [damage_header, damage_page, cut, foreign])
def test_damaged_file_is_moved_aside_and_rebuilt(
    tmp_path: Path,
    damage: object,
) -> None:
    assert callable(damage)
    records(tmp_path / "run")
    path = tmp_path / "calls.sqlite"
    said: list[str] = []
    for number in (1, 2):
        with CallCache(path, tmp_path / "run", said.append) as cache:
            cache.put_many({f"k{i}": Cached("x" * 500, "stop", 1, 1) for i in range(100)})
        damage(path)
        before = path.read_bytes()
        with CallCache(path, tmp_path / "run", said.append) as cache:
            assert cache.get_many([*KEYS, "k1"]) == REBUILT
        aside = tmp_path / f"calls.sqlite.corrupt-{number}"
        assert aside.read_bytes() == before
        assert len(said) == number and aside.name in said[-1] and "4 answers" in said[-1]


def test_journal_goes_aside_with_its_file(tmp_path: Path) -> None:
    # Left behind, SQLite would play it into the new file.
    with CallCache(tmp_path / "c") as cache:
        (tmp_path / "c-journal").write_bytes(b"pages")
        aside = cache._move_aside()
    assert aside.name == "c.corrupt-1"
    assert (tmp_path / "c.corrupt-1-journal").read_bytes() == b"pages"
    assert not (tmp_path / "c-journal").exists()


def test_locked_file_is_an_error_not_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"
    CallCache(path).close()
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda name, timeout: connect(name, timeout=0))
    with pytest.raises(SrlmError, match=r"locked.*local disk"):
        CallCache(path)
    other.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["c"]


def test_unopenable_path_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    with pytest.raises(SrlmError, match="c: the cache cannot be used"):
        CallCache(tmp_path / "c")
    (tmp_path / "file").write_text("")
    with pytest.raises(SrlmError, match="cannot be written"):
        CallCache(tmp_path / "file" / "c")


def test_full_disk(tmp_path: Path) -> None:
    with CallCache(tmp_path / "c") as cache:
        pages = cache._db.execute("PRAGMA page_count").fetchone()[0]
        cache._db.execute(f"PRAGMA max_page_count={pages + 1}")  # SQLite's own SQLITE_FULL
        with pytest.raises(SrlmError, match="c: the disk is full; free space"):
            cache.put_many({str(i): Cached("x" * 1000, "stop", 1, 1) for i in range(100)})
        assert cache.get_many(["0"]) == {}


@pytest.mark.parametrize("version", [2, 3])
def test_a_cache_of_a_version_before_keeps_what_was_paid(tmp_path: Path, version: int) -> None:
    db = sqlite3.connect(tmp_path / "c")
    db.execute(
        "CREATE TABLE calls (key TEXT PRIMARY KEY, text TEXT NOT NULL, finish_reason TEXT NOT NULL,"
        " prompt_tokens INTEGER, completion_tokens INTEGER NOT NULL, model TEXT, cost REAL)"
        " WITHOUT ROWID"
    )
    db.execute("INSERT INTO calls VALUES ('k', 'four', 'stop', 12, 3, 'm', 1.25)")
    db.execute(f"PRAGMA application_id={results.cache.APPLICATION_ID}")
    if version == 3:
        db.execute("ALTER TABLE calls ADD COLUMN logprobs TEXT")
    db.execute(f"PRAGMA user_version={version}")
    db.commit()
    db.close()
    said: list[str] = []
    for _ in range(2):
        with CallCache(tmp_path / "c", tmp_path, said.append) as cache:
            assert cache.get_many(["k"]) == {"k": Cached("four", "stop", 12, 3, "m", 1.25)}
            assert cache.cost() in (1.25, 1.75)
            cache.put_many({"l": Cached("t", "stop", 1, 1, "m", 0.5, '[["t", [["t", -0.1]]]]')})
            cache.lose([Lost("m", 7, 2, 0.0, "once")])
            assert cache.made() == 3
    assert not said
