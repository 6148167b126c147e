"""srlm eval killed in the middle: the same command goes on, and ends as if it had not been."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from results.cache import CallCache
from tests import mt_bench_files
from tests.alpaca_files import baseline_row, write
from tests.fake_server import FakeServer, last_text

ROOT = Path(__file__).parents[2]
PROMPTS = 40


def says(body: dict[str, Any]) -> str:
    if body["model"] == "writer":
        return f"{last_text(body)[:40].upper()} {len(body['messages'])}"
    if body.get("logprobs"):
        return "m"
    return f"[[{1 + len(last_text(body)) % 10}]]"


def likeliest(word: str) -> dict[str, float]:
    return {"m": math.log(0.6), "M": math.log(0.3)}


def options(benchmark: str, folder: Path) -> list[str]:
    if benchmark == "alpaca_eval2":
        rows = [baseline_row(f"question {i}") for i in range(PROMPTS)]
        return [f"options.baseline_outputs={write(folder / 'base.json', rows)}"]
    return [f"options.{key}={value}" for key, value in mt_bench_files.write_files(folder).items()]


@pytest.mark.parametrize("benchmark", ["alpaca_eval2", "mt_bench"])
def test_killed_while_it_generates_and_while_it_judges(benchmark: str, tmp_path: Path) -> None:
    calls = {"alpaca_eval2": PROMPTS, "mt_bench": 10}[benchmark]
    with FakeServer(models=("writer", "judge"), reply=says, logprobs=likeliest,
                    seconds=0.05) as server:  # fmt: skip
        words = [
            "eval", "openai:writer", "--benchmark", benchmark, "--judge", "openai:judge", "--json",
            f"engine.base_url={server.url}", "engine.max_concurrency=2",
            f"judge.options.base_url={server.url}", "judge.options.max_concurrency=2",
            *options(benchmark, tmp_path), "--out",
        ]  # fmt: skip

        def run(out: str, until: int | None = None) -> bytes:
            command = [sys.executable, "-m", "harness.cli", *words, str(tmp_path / out)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
            while until is not None and process.poll() is None and len(server.bodies) < until:
                time.sleep(0.01)
            if until is not None:
                assert process.poll() is None, "it ended before it could be killed"
                process.send_signal(signal.SIGKILL)
            said, _ = process.communicate()
            assert process.returncode == (0 if until is None else -signal.SIGKILL)
            return said

        for until in (calls // 2, calls + calls // 2):
            run("killed", until)
            time.sleep(0.3)  # for what was under way at the server
            with CallCache(tmp_path / "killed" / "calls.sqlite") as cache:
                lost = server.answered.total() - cache.count()
        resumed = json.loads(run("killed"))
        again = sum(n - 1 for n in server.answered.values())
        assert again == lost  # no answer that was on the disk was asked for again
        assert len(server.answered) == 2 * calls
        whole = json.loads(run("whole"))
    for found in (resumed, whole):
        for row in found["rows"]:
            del row["run"], row["spent"]
    assert resumed == whole
    names = {p.name for p in (tmp_path / "whole").glob("*.json*")} - {"manifest.json"}
    assert len(names) > 3
    for name in names:
        ours, theirs = ((tmp_path / out / name).read_bytes() for out in ("killed", "whole"))
        assert ours == theirs, name
