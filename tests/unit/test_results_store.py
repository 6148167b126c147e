"""Record files, whole files and the lock: crashes, full disks, bad lines, two writers."""

from __future__ import annotations

import errno
import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import IO

import pytest

from results.errors import SrlmError
from results.records import Candidate, Judgment, Value
from results.store import (
    RecordFile,
    RunLock,
    read_json,
    read_json_lines,
    read_jsonl,
    write_json,
)

ROOT = Path(__file__).parents[2]


def value(index: int, num: float = 1.0) -> Value:
    return Value(prompt_id=f"p{index}", metric="m", num=num, cluster="c\u2028\x85 \u00e9")


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


def line_of(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def test_append_read_finalise_round_trip(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "new" / "values.jsonl", Value)
    assert (file.done, file.read()) == (False, [])
    file.append([value(0), value(1)])
    file.append([])
    file.append([value(2)])
    assert (file.done, file.read()) == (False, [value(0), value(1), value(2)])
    file.finalise()
    file.finalise()
    assert file.done and file.read() == [value(0), value(1), value(2)]
    assert not file.part.exists()
    with pytest.raises(SrlmError, match="is complete"):
        file.append([value(3)])


def test_no_records_is_a_complete_file_too(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "values.jsonl", Value)
    file.finalise()
    assert file.done and file.read() == []


def test_replace_writes_at_once_and_drops_the_part(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "values.jsonl", Value)
    file.append([value(0)])
    file.replace([value(7)])
    assert file.done and file.read() == [value(7)]
    assert [path.name for path in tmp_path.iterdir()] == ["values.jsonl"]


def test_torn_line_at_every_byte(tmp_path: Path) -> None:
    whole = RecordFile(tmp_path / "whole.jsonl", Value)
    whole.append([value(0), value(1), value(2)])
    data = whole.part.read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10]
    for cut in range(len(data) + 1):
        file = RecordFile(tmp_path / f"{cut}.jsonl", Value)
        file.part.write_bytes(data[:cut])
        kept = [value(index) for index, end in enumerate(ends) if end <= cut]
        assert file.read() == kept, cut
        file.append([value(9)])
        assert file.read() == [*kept, value(9)], cut


@pytest.mark.parametrize("tail", [b"\0\0\0\n", b"{\n", b"\xff\n", b"\n", b'{"v": NaN}\n'])
def test_last_line_that_is_not_json_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    file = RecordFile(tmp_path / "values.jsonl", Value)
    file.append([value(0)])
    good = file.part.read_bytes()
    file.part.write_bytes(good + tail)
    again = RecordFile(file.path, Value)
    assert again.read() == [value(0)]
    again.finalise()
    assert file.path.read_bytes() == good


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (b"{oops\n", "which is not JSON"),
        (b"[1]\n", "found [1]"),
        (b'{"prompt_id": "p", "metric": "m", "num": "x", "cluster": "c"}\n', "num: found 'x'"),
        (b"\xff\n", "expected UTF-8"),
        (b"\n", "which is not JSON"),
    ],
)
def test_bad_line_before_the_last_is_an_error(tmp_path: Path, bad: bytes, found: str) -> None:
    file = RecordFile(tmp_path / "values.jsonl", Value)
    file.append([value(0)])
    good = file.part.read_bytes()
    file.part.write_bytes(good + bad + good)
    before = file.part.read_bytes()
    again = RecordFile(file.path, Value)
    for act in (again.read, again.finalise, lambda: again.append([value(1)])):
        with pytest.raises(SrlmError) as caught:
            act()
        message = str(caught.value)
        assert f"{file.part}:2:" in message and found in message and "\n" not in message
    assert file.part.read_bytes() == before


def test_last_line_that_is_json_but_no_record_is_an_error(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "values.jsonl", Value)
    file.part.write_text('{"another": "record"}\n')
    with pytest.raises(SrlmError, match=r"jsonl\.part:1: .*expected a Value record.*remove"):
        file.append([value(0)])


def test_finalised_file_is_never_repaired(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "values.jsonl", Value)
    file.replace([value(0), value(1)])
    data = file.path.read_bytes()
    file.path.write_bytes(data[:-5])
    with pytest.raises(SrlmError, match=r"values\.jsonl:2: found a cut-off last line"):
        file.read()
    assert file.path.read_bytes() == data[:-5]


def test_nan_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "values.jsonl", Value)
    with pytest.raises(SrlmError, match="finite"):
        # model_construct, so that this holds whether or not the record itself refuses NaN
        file.append([value(0), value(1).model_copy(update={"num": float("nan")})])
    assert file.read() == []


def test_sigkill_during_append_loses_nothing_acknowledged(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from results.records import Value
        from results.store import RecordFile
        file = RecordFile(Path(sys.argv[1]), Value)
        at = len(file.read())
        while True:
            batch = [Value(prompt_id=str(at + i), metric="m" * 3000, num=1, cluster="c")
                     for i in range(20)]
            file.append(batch)
            at += 20
            print(at, flush=True)
    """
    path = tmp_path / "values.jsonl"
    for delay in (0.0, 0.011, 0.023):
        process = start(code, str(path))
        first = int(line_of(process.stdout))
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split("\n")[:-1]
        acknowledged = int(rest[-1]) if rest else first
        records = RecordFile(path, Value).read()
        assert len(records) >= acknowledged
        assert [record.prompt_id for record in records] == [str(i) for i in range(len(records))]


def test_full_disk_by_a_real_file_size_limit(tmp_path: Path) -> None:
    # The kernel writes what fits and then refuses, as a filling disk does.
    code = """
        import resource, sys
        from pathlib import Path
        from results.errors import SrlmError
        from results.records import Value
        from results.store import RecordFile, write_json
        folder = Path(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        file = RecordFile(folder / "values.jsonl", Value)
        file.append([Value(prompt_id="0", metric="m", num=1, cluster="c")])
        for act in (
            lambda: file.append([Value(prompt_id="1", metric="m" * 2000, num=1, cluster="c")]),
            lambda: file.replace([Value(prompt_id="1", metric="m" * 2000, num=1, cluster="c")]),
            lambda: write_json(folder / "new.json", "x" * 2000),
        ):
            try:
                act()
            except SrlmError as error:
                print(error, flush=True)
    """
    out = start(code, str(tmp_path)).communicate(timeout=60)[0].splitlines()
    mend = "the disk is full; free space, then run the same command again"
    names = ["values.jsonl.part", "values.jsonl", "new.json"]
    assert out == [f"{tmp_path / name}: {mend}" for name in names]
    assert [path.name for path in tmp_path.iterdir()] == ["values.jsonl.part"]
    part = tmp_path / "values.jsonl.part"
    assert part.read_bytes().endswith(b"}\n")  # what fitted of the second was taken back
    assert [v.prompt_id for v in RecordFile(tmp_path / "values.jsonl", Value).read()] == ["0"]


def test_full_disk_at_fsync_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SrlmError, match=r"a\.json: the disk is full; free space"):
        write_json(path, {"new": 1})
    monkeypatch.undo()
    assert read_json(path) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_json_keeps_order_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"z": 1, "a": [0.1, None, "\u00e9"]})
    assert path.read_bytes().endswith(b"}\n")
    assert list(read_json(path)) == ["z", "a"]
    with pytest.raises(SrlmError, match=r"a\.json: not written"):
        write_json(path, {"x": float("nan")})
    assert read_json(path)["z"] == 1


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "is empty"),
        (b"{\n 1}", ":2: not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"NaN", "NaN is not a JSON number"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_read_json_errors(tmp_path: Path, data: bytes, found: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(SrlmError, match=found) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for read in (read_json, lambda path: list(read_json_lines(path))):
        with pytest.raises(SrlmError, match="no such file"):
            read(tmp_path / "nothing")
        with pytest.raises(SrlmError, match="found a folder"):
            read(tmp_path)


LINE = {"prompt_id": "p", "response_id": "r", "draw": 0, "status": "scored", "score": 4}
JUDGMENT = json.dumps({**LINE, "reason": None, "text": "Score: 4"}).encode()


@pytest.mark.parametrize("name", ["j.jsonl", "j.jsonl.gz", "zipped-without-the-name.jsonl"])
def test_user_file_gz_crlf_mark_and_blank_lines(tmp_path: Path, name: str) -> None:
    data = b"\xef\xbb\xbf" + JUDGMENT + b"\r\n\r\n" + JUDGMENT
    zipped = "zip" in name or "gz" in name
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if zipped else data)
    judgments = read_jsonl(path, Judgment)
    assert [judgment.score for judgment in judgments] == [4.0, 4.0]
    assert [number for number, _ in read_json_lines(path)] == [1, 3]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b" \n\n", "the file is empty"),
        (JUDGMENT + b"\n[1]\n", ":2: found [1], expected one JSON object"),
        (JUDGMENT + b"\n\xe9\n", ":2: found byte 0xe9 at column 1, expected UTF-8"),
        (JUDGMENT + b"\n{'a': 1}\n", ":2: found \"{'a': 1}\", which is not JSON"),
        (b'{"draw": NaN}\n', ":1: found '{\"draw\": NaN}', which is not JSON (NaN"),
        (JUDGMENT.replace(b'"score": 4', b'"score": "good"'), ":1: score: found 'good'"),
        (JUDGMENT.replace(b'"score": 4', b'"score": null'), ":1: found {"),
        (JUDGMENT.replace(b'"score"', b'"scroe"'), ":1: score: found no such key"),
        (gzip.compress(JUDGMENT * 50)[:-9], ":1: damaged"),
        (b"\x1b[31m{\n", ":1: found '{'"),
    ],
)
def test_user_file_errors_name_file_and_line(tmp_path: Path, data: bytes, found: str) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(data)
    with pytest.raises(SrlmError) as caught:
        read_jsonl(path, Judgment)
    message = str(caught.value)
    assert message.startswith(str(path)) and found in message
    assert "\n" not in message and "\x1b" not in message


def test_long_bad_line_gives_a_short_message(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"prompt_id": ["x"] * 100_000}) + "\n")
    with pytest.raises(SrlmError) as caught:
        read_jsonl(path, Candidate)
    assert len(str(caught.value)) < len(str(path)) + 300


HOLD = """
    import os, sys
    from pathlib import Path
    from results.store import RunLock
    with RunLock(Path(sys.argv[1])):
        if "fork" in sys.argv:
            up, said = os.pipe()
            if os.fork() == 0:
                os.write(said, b"x")  # on a busy machine it may get its turn late
                sys.stdin.read(1)
                os._exit(0)
            os.read(up, 1)
        print(os.getpid(), flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["alone", "fork"])
def test_lock_refuses_a_second_process_until_sigkill(tmp_path: Path, mode: str) -> None:
    run = tmp_path / "runs" / "quick"
    holder = start(HOLD, str(run), mode)
    try:
        pid = line_of(holder.stdout)
        with pytest.raises(SrlmError) as caught, RunLock(run):
            pass
        assert str(run) in str(caught.value) and f"process {pid} " in str(caught.value)
        holder.kill()
        holder.wait()
        # In mode fork a child of the holder is still alive here; it must not hold the folder.
        with RunLock(run):
            pass
    finally:
        holder.kill()
        holder.communicate()


def test_lock_is_free_after_the_block_and_not_inherited(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        child = subprocess.Popen(["sleep", "30"], close_fds=False)
        with pytest.raises(SrlmError, match=f"process {os.getpid()} "), RunLock(tmp_path):
            pass
    try:
        with RunLock(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_folder_with_nothing_but_the_lock_goes_with_it(tmp_path: Path) -> None:
    with RunLock(tmp_path / "runs" / "empty"):
        assert (tmp_path / "runs" / "empty" / ".lock").exists()
    assert not (tmp_path / "runs").exists()  # made for it, so it goes with it
    (tmp_path / "theirs").mkdir()
    with RunLock(tmp_path / "theirs"):
        pass
    assert list((tmp_path / "theirs").iterdir()) == []  # a folder that was there stays
    with RunLock(tmp_path / "runs" / "used"):
        (tmp_path / "runs" / "used" / "config.yaml").touch()
    assert (tmp_path / "runs" / "used" / ".lock").exists()


def test_a_lock_file_removed_by_its_last_holder_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    flock = fcntl.flock

    def removed_meanwhile(fd: int, how: int) -> None:
        opened.append(fd)
        if len(opened) == 1:  # the holder before us ends between our open and our lock
            (tmp_path / "run" / ".lock").unlink()
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with RunLock(tmp_path / "run"):
        assert len(opened) == 2
        monkeypatch.setattr(fcntl, "flock", flock)
        with pytest.raises(SrlmError, match="is being written by"), RunLock(tmp_path / "run"):
            pass


def test_store_does_not_import_heavy_packages() -> None:
    code = """
        import sys
        import results.store, results.records, results.cache, results.manifest, results.weights
        import results.leaderboard
        print(sorted({"pandas", "numpy", "scipy", "rich", "torch"} & set(sys.modules)))
    """
    assert start(code).communicate(timeout=60)[0].strip() == "[]"
