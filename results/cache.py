"""The cache of model calls: an answer that was paid for is never computed again.

It is derived from the records and may be deleted: it rebuilds itself from them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any

from results.calls import Cached, Lost, Spent, call_key, stored_calls
from results.errors import SrlmError
from results.files import full_disk, writing
from results.text import excerpt

__all__ = ["Cached", "CallCache", "Lost", "call_key"]

APPLICATION_ID = 0x53524C4D  # "SRLM" in the file's header: tells our file from any other SQLite
VERSION = 4
CHUNK = 500  # keys a query; SQLite allows 999 and more
CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# The first answer to a call stays.
INSERT = "INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
LOST = (
    "CREATE TABLE lost (model TEXT, prompt_tokens INTEGER NOT NULL,"
    " completion_tokens INTEGER NOT NULL, cost REAL, name TEXT UNIQUE)"
)
INSERT_LOST = "INSERT OR IGNORE INTO lost VALUES (?, ?, ?, ?, ?)"


class CallCache:
    """Answers by call key, in an SQLite file at ``path``. One process and thread at a time.

    Args:
        path: the file; made with its folders. Choose a local disk: SQLite needs file locks.
        records: the run folder from which a missing or damaged file is rebuilt; None = empty.
        notice: told one line when a damaged or foreign file was moved to ``<name>.corrupt-N``.

    Raises SrlmError when the file cannot be opened or locked, or the disk is full.
    """

    def __init__(
        self,
        path: Path,
        records: Path | None = None,
        notice: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.path = path
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = self._open(records)[0]
        except _Unusable as why:
            aside = self._move_aside()
            self._db, count = self._open(records)
            notice(
                f"{path}: not a usable cache ({why}); moved to {aside.name}, "
                f"rebuilt with {count} answers from the records"
            )

    def __enter__(self) -> CallCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; safe to call twice."""
        self._db.close()

    def get_many(self, keys: Sequence[str]) -> dict[str, Cached]:
        """Returns the stored answers of those ``keys`` that have one."""
        found = {}
        with _errors(self.path):
            for at in range(0, len(keys), CHUNK):
                part = keys[at : at + CHUNK]
                marks = ",".join("?" * len(part))
                query = f"SELECT * FROM calls WHERE key IN ({marks})"
                for key, *answer in self._db.execute(query, part):
                    found[key] = Cached(*answer)
        return found

    def count(self) -> int:
        """Returns the number of stored answers."""
        with _errors(self.path):
            found: int = self._db.execute("SELECT count(*) FROM calls").fetchone()[0]
            return found

    def made(self) -> int:
        """Returns the number of calls that were made, those without an answer included."""
        query = "SELECT (SELECT count(*) FROM calls) + (SELECT count(*) FROM lost)"
        with _errors(self.path):
            found: int = self._db.execute(query).fetchone()[0]
            return found

    def lose(self, calls: Sequence[Lost]) -> None:
        """Notes calls that took something and have no answer to be kept."""
        if calls:
            with _errors(self.path), self._db:
                self._db.executemany(INSERT_LOST, map(astuple, calls))

    def spent(self) -> list[Spent]:
        """Returns what all calls took, by model."""
        query = (
            "SELECT model, count(*),"
            " iif(count(prompt_tokens) = count(*), sum(prompt_tokens), null),"
            " sum(completion_tokens),"
            " iif(count(cost) = count(*), sum(cost), null)"
            " FROM (SELECT model, prompt_tokens, completion_tokens, cost FROM calls UNION ALL"
            " SELECT model, prompt_tokens, completion_tokens, cost FROM lost)"
            " GROUP BY model ORDER BY model"
        )
        with _errors(self.path):
            return [Spent(*row) for row in self._db.execute(query)]

    def cost(self) -> float:
        """Returns what all calls cost in US dollars, as far as it is known."""
        query = "SELECT (SELECT total(cost) FROM calls) + (SELECT total(cost) FROM lost)"
        with _errors(self.path):
            found: float = self._db.execute(query).fetchone()[0]
            return found

    def put_many(self, rows: Mapping[str, Cached]) -> None:
        """Stores answers by key, all or none; a key that has an answer keeps it.

        Raises ValueError for an answer with finish_reason ``error`` (failures are never cached)
        and for text with lone surrogates (an engine replaces them).
        """
        for key, answer in rows.items():
            if answer.finish_reason == "error":
                raise ValueError(f"call {key}: a failure is never cached ({answer.text[:80]!r})")
        with _errors(self.path), self._db:
            self._db.executemany(INSERT, (_row(key, answer) for key, answer in rows.items()))

    def rebuild(self, folder: Path) -> int:
        """Adds the answers that the records under ``folder`` hold; returns how many were new."""
        with _errors(self.path), self._db:
            return _fill(self._db, folder)

    def _open(self, records: Path | None) -> tuple[sqlite3.Connection, int]:
        """Returns an open cache and the number of answers rebuilt. Raises _Unusable, SrlmError."""
        with _errors(self.path, opening=True):
            db = sqlite3.connect(self.path, timeout=5)
            try:
                db.execute("PRAGMA synchronous=FULL")
                if _is_ours(db):
                    return db, 0
                with db:
                    # One transaction: a killed rebuild leaves an empty file, not a half one.
                    db.execute("BEGIN IMMEDIATE")
                    db.execute(
                        "CREATE TABLE calls (key TEXT PRIMARY KEY, text TEXT NOT NULL,"
                        " finish_reason TEXT NOT NULL, prompt_tokens INTEGER,"
                        " completion_tokens INTEGER NOT NULL, model TEXT, cost REAL,"
                        " logprobs TEXT) WITHOUT ROWID"
                    )
                    db.execute(LOST)
                    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version={VERSION}")
                    count = _fill(db, records) if records is not None else 0
                return db, count
            except BaseException:
                db.close()
                raise

    def _move_aside(self) -> Path:
        """Renames the file and its journal, which must not be played into the new one."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.corrupt-{number}")).exists():
            number += 1
        with writing(self.path):
            self.path.replace(aside)
            for suffix in ("-journal", "-wal", "-shm"):
                side = self.path.with_name(self.path.name + suffix)
                if side.exists():
                    side.replace(aside.with_name(aside.name + suffix))
        return aside


class _Unusable(Exception):
    """The file is damaged or is not ours."""


def _is_ours(db: sqlite3.Connection) -> bool:
    """Returns whether the cache is there; False for a new file. Raises _Unusable on another."""
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return False
    marks = [
        db.execute(f"PRAGMA {key}").fetchone()[0] for key in ("application_id", "user_version")
    ]
    if marks in ([APPLICATION_ID, 2], [APPLICATION_ID, 3]):
        # What was paid for stays: version 3 only added the log-probabilities, 4 the lost calls.
        with db:
            db.execute("BEGIN IMMEDIATE")
            if marks[1] == 2:
                db.execute("ALTER TABLE calls ADD COLUMN logprobs TEXT")
            db.execute(LOST)
            db.execute(f"PRAGMA user_version={VERSION}")
    elif marks != [APPLICATION_ID, VERSION]:
        raise _Unusable("it is the SQLite file of something else")
    check = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if check != "ok":
        raise _Unusable(excerpt(check))
    return True


@contextmanager
def _errors(path: Path, opening: bool = False) -> Iterator[None]:
    """Turns SQLite's errors into ours; a damaged file at opening into _Unusable."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in CORRUPT:
            if opening:
                raise _Unusable(str(error)) from None
            mend = "run the same command again: it is rebuilt from the records"
        elif code == sqlite3.SQLITE_FULL:
            raise full_disk(path) from error
        else:
            mend = (
                "end other programs that use it; SQLite needs file locks, so on a shared "
                "file system put the cache on a local disk"
            )
        raise SrlmError(f"{path}: the cache cannot be used ({error}); {mend}") from error


def _row(key: str, answer: Cached) -> tuple[Any, ...]:
    return (key, *astuple(answer))


def _fill(db: sqlite3.Connection, folder: Path) -> int:
    new = 0
    for key, answer in stored_calls(folder):
        if answer is None:
            db.execute(INSERT_LOST, astuple(Lost(None, 0, 0, None, f"record of {key}")))
        else:
            new += db.execute(INSERT, _row(key, answer)).rowcount
    return new
