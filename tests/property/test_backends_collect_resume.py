"""However a stage was interrupted, the same command ends with the same file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from backends.collect import collect
from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from results.cache import CallCache
from results.records import Candidate
from results.store import RecordFile
from tests.fakes import FakeEngine

CONFIG = GenerateConfig()
REQUESTS = [Request("x" * (i % 4), draw=i // 6) for i in range(13)]  # some are equal


def record(answer: Answer) -> Candidate:
    done = answer.completion
    return Candidate(
        prompt_id=str(answer.index), response_id=str(answer.index), draw=0, text=done.text,
        finish_reason=done.finish_reason, tokens=done.usage.completion_tokens, call=answer.key,
    )  # fmt: skip


def run(folder: Path, engine: FakeEngine) -> RecordFile[Candidate]:
    file = RecordFile(folder / "candidates.jsonl", Candidate)
    with CallCache(folder / "calls.sqlite", records=folder) as cache:
        found = collect(file, Caller(engine, cache), REQUESTS, CONFIG, record)
    assert found == file.read()
    return file


def undisturbed() -> tuple[bytes, int]:
    with tempfile.TemporaryDirectory() as folder:
        engine = FakeEngine()
        return run(Path(folder), engine).path.read_bytes(), len(engine.calls)


WHOLE, CALLS = undisturbed()


class Killed(BaseException):
    pass


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 4), st.integers(0, len(WHOLE)), st.booleans())
def test_resumed_anywhere_the_file_is_the_same_and_no_call_is_made_twice(
    batches: int, cut: int, cache_lost: bool
) -> None:
    made: list[Request] = []

    class Mortal(FakeEngine):
        def generate(self, requests, seeds, config):
            if len(self.batches) == batches:
                raise Killed
            return super().generate(requests, seeds, config)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = Mortal()
        try:
            file = run(folder, first)
        except Killed:
            file = RecordFile(folder / "candidates.jsonl", Candidate)
        made += first.calls
        if not file.done and file.part.exists():
            # Whatever the crash left: a cut anywhere, also inside a line.
            left = file.part.read_bytes()[:cut]
            file.part.write_bytes(left)
            if cache_lost:
                (folder / "calls.sqlite").unlink()
                made = []  # only records bring answers back then
        second = FakeEngine()
        assert run(folder, second).path.read_bytes() == WHOLE
        made += second.calls
        if not cache_lost:
            assert len(made) == len(set(made)) == CALLS
        third = FakeEngine()
        assert run(folder, third).path.read_bytes() == WHOLE
        assert third.batches == []


def test_a_finalised_file_is_read_without_an_engine() -> None:
    with tempfile.TemporaryDirectory() as name:
        run(Path(name), FakeEngine())
        (Path(name) / "calls.sqlite").unlink()
        engine = FakeEngine()
        run(Path(name), engine)
        assert engine.batches == []
