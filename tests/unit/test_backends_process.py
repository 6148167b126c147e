"""Worker processes, for real: they die with their parent, and say why when they fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.process import run_worker
from results.errors import SrlmError

ROOT = Path(__file__).parents[2]
WORKER = "tests.workers.odd_worker"
# Workers start with PYTHONSAFEPATH, so the repository is named to them.
PATHS = {"PYTHONPATH": str(ROOT)}


def work(
    log: Path, *words: str, on_event: Callable[[dict[str, Any]], None] | None = None, silence=60.0
):
    events: list[dict[str, Any]] = []
    environment = {**PATHS, "MINE": "yes"}
    run_worker(WORKER, list(words), log, environment, on_event or events.append, silence)
    return events


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(what: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    return what()


def test_events_arrive_in_order(tmp_path: Path) -> None:
    events = work(tmp_path / "log", "count")
    assert [e["i"] for e in events] == list(range(200))
    assert {e["text"] for e in events} == {"a\nb \u00e9"}


def test_what_libraries_print_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "training.log"
    assert [e["i"] for e in work(log, "noisy")] == [0, 1]
    said = log.read_text()
    for line in ("a library prints", "{not json", "a child prints"):
        assert line in said


def test_a_worker_has_its_group_and_environment(tmp_path: Path) -> None:
    found = work(tmp_path / "log", "environment")[0]
    assert (found["safe"], found["mine"]) == ("1", "yes")
    assert found["group"] == found["pid"] != os.getpgrp()


def test_failure_names_the_code_the_last_line_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "training.log"
    seen: list[dict[str, Any]] = []
    with pytest.raises(SrlmError) as caught:
        work(log, "fail", on_event=seen.append)
    assert str(caught.value) == (
        f"{WORKER} ended with code 1: the disk is on fire (whole log: {log}); "
        "the same command goes on"
    )
    assert [e["i"] for e in seen] == [0]


def test_a_silent_failure_does_not_speak_with_an_old_log(tmp_path: Path) -> None:
    log = tmp_path / "training.log"
    with pytest.raises(SrlmError, match="on fire"):
        work(log, "fail")
    with pytest.raises(SrlmError, match="ended with code 7: it said nothing"):
        work(log, "silent")
    assert "on fire" in log.read_text()  # the log itself keeps both


def test_a_missing_module_is_a_failure_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SrlmError, match=r"No module named tests\.workers\.none"):
        run_worker("tests.workers.none", [], tmp_path / "log", PATHS, lambda e: None, 60)


def test_an_error_of_ours_ends_the_worker_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def stop(event: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(tmp_path / "log", "sleep", str(pids), on_event=stop)
    worker, child = map(int, pids.read_text().split())
    assert not alive(worker)
    assert wait_until(lambda: not alive(child), 5)


@pytest.mark.parametrize("pipe", ["open", "closed"])
def test_a_mute_worker_is_killed_with_its_children(tmp_path: Path, pipe: str) -> None:
    log = tmp_path / "training.log"
    seen: list[dict[str, Any]] = []
    start = time.monotonic()
    with pytest.raises(SrlmError) as caught:
        work(log, "mute", pipe, on_event=seen.append, silence=3)
    assert str(caught.value) == (
        f"{WORKER} gave no sign of life for 3 seconds and was killed (log: {log})"
    )
    assert time.monotonic() - start < 30
    assert wait_until(lambda: not alive(seen[0]["child"]), 5)


def test_only_silence_counts_not_the_whole_time(tmp_path: Path) -> None:
    events = work(tmp_path / "log", "slow", silence=3)
    assert [e["i"] for e in events] == list(range(8))


def test_a_worker_dies_with_its_killed_parent(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.workers.parent", str(pids), str(tmp_path / "log")],
        cwd=ROOT, env={**os.environ, **PATHS},
    )  # fmt: skip
    try:
        assert wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, 10)
        worker, child = map(int, pids.read_text().split())
        assert alive(worker) and alive(child)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert wait_until(lambda: not alive(worker) and not alive(child), 5)
