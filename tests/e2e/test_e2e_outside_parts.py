"""A user's own prompts, and an engine, trainer, judge, benchmark and source from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_server import FakeServer, last_text

ROOT = Path(__file__).parents[2]

PARTS = '''
"""A stranger's package: parts of its own for srlm."""
import hashlib, json, shutil
from pathlib import Path
from backends.engines.engine import Completion, Usage
from backends.trainers.trainer import TrainReport
from benchmarks.benchmark import Evaluation
from benchmarks.registry import SeedData
from results.records import Example, Value
from results.stats import ratio_metric


class Engine:
    startup_seconds = 0.0

    def __init__(self, model, loud=False):
        self.identity = f"outside:{Path(model, 'model.safetensors').read_text()}"
        self.level = int(Path(model, "model.safetensors").read_text())

    def plan(self, requests):
        return [[i] for i in range(len(requests))]

    def generate(self, requests, seeds, config):
        return [self._one(r, s) for r, s in zip(requests, seeds)]

    def _one(self, request, seed):
        text = request.prompt[-1].content
        if text.startswith("Rate:"):
            answer = f"Because of its length.\\nVerdict: {min(9, len(text) % 10)}"
        else:
            answer = "word " * (1 + seed % 7 + self.level)
        return Completion(answer.strip(), "stop", Usage(1, 1))

    def close(self):
        pass


class Trainer:
    def check(self, kind, settings):
        return settings

    def train(self, job, progress):
        shutil.copytree(job.model, job.out)
        level = int(Path(job.out, "model.safetensors").read_text()) + 1
        Path(job.out, "model.safetensors").write_text(str(level))
        rows = job.data.read_text().splitlines()
        return TrainReport(len(rows), 0, 1, 0.0, 0.0, {})


class Benchmark:
    name = "words"

    def metrics(self, baseline):
        return ["level"]

    def held_out(self, text):
        return text == "A held-out prompt"

    def evaluate(self, model, judge, baseline, folder, seed):
        values = [Value(prompt_id="a", metric="level", num=model.engine.level, cluster="a"),
                  Value(prompt_id="b", metric="level", num=model.engine.level, cluster="b")]
        metrics = {"level": ratio_metric("level", values, 2, "level")}
        return Evaluation(n=2, judge=None, metrics=metrics, values=values, data="words")


def source(seed, note="x"):
    return SeedData([Example(id="1", prompt="Say hello", completion="hello", kind="ift")], [])


def judge():
    return str(Path(__file__).with_name("length.yaml"))
'''

JUDGE = """
name: length
version: 1
description: rates by length
rubric: length.md
parser: {label: Verdict}
scale: [0, 9]
decoding: {temperature: 0.0, top_p: 1.0, max_tokens: 20}
draws: 1
"""

RUN = """
iterations: 3
model: {base: BASE}
engine: {name: outside_engine, loud: true}
trainer: {name: outside_trainer}
data: {source: outside_source, options: {note: y}}
judge: {spec: outside_judge, model: self, fit: {waived_by: the tests}}
prompts: {source: file, path: PROMPTS, count: [4]}
evaluation: {benchmark: outside_benchmark, baseline: none}
gate: {rules: [{metric: level, rule: improves}]}
"""


@pytest.fixture
def outside(tmp_path):
    """An installed-looking package on its own path, a model folder, and a run that uses them."""
    site = tmp_path / "site"
    package, info = site / "outside_parts", site / "outside_parts-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(PARTS)
    (package / "length.yaml").write_text(JUDGE)
    (package / "length.md").write_text("Rate:\n{prompt}\n{response}\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-parts\nVersion: 1.0\n")
    points = {"engines": "Engine", "trainers": "Trainer", "benchmarks": "Benchmark",
              "sources": "source", "judges": "judge"}  # fmt: skip
    names = {group: f"outside_{group[:-1]}" for group in points}
    (info / "entry_points.txt").write_text(
        "".join(f"[srlm.{g}]\n{names[g]} = outside_parts:{a}\n" for g, a in points.items())
    )
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_text("0")
    prompts = tmp_path / "prompts.jsonl"
    texts = ["Tell me a joke", "A held-out prompt", "Name a river", "Name a river",
             "What is tea?", "Count sheep", "Draw a cat", "Sing"]  # fmt: skip
    prompts.write_text("".join(json.dumps({"prompt": t}) + "\n" for t in texts))
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(RUN.replace("BASE", str(base)).replace("PROMPTS", str(prompts)))
    return site, recipe, tmp_path / "run"


def srlm(site: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(site), **environment},
    )  # fmt: skip


def test_a_loop_of_outside_parts_on_own_prompts(outside):
    site, recipe, folder = outside
    done = srlm(site, "run", str(recipe), "--json", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["model"] for row in rows] == ["M0", "M1", "M2", "M3"]
    assert [row["metrics"]["level"]["value"] for row in rows] == [0, 1, 2, 3]
    prompts = [
        json.loads(x) for x in (folder / "iter_2" / "prompts.jsonl").read_text().splitlines()
    ]
    assert [p["reason"] for p in prompts] == [None, "held_out", None, "duplicate"]
    later = [json.loads(x) for x in (folder / "iter_3" / "prompts.jsonl").read_text().splitlines()]
    assert [p["prompt"] for p in later] == ["What is tea?", "Count sheep", "Draw a cat", "Sing"]


def test_a_judge_that_is_not_the_policy(outside):
    site, recipe, folder = outside
    words = ["run", str(recipe), "--json", "--out", str(folder), "judge.draws=2"]
    words += [f"judge.model=outside_engine:{recipe.parent / 'base'}"]
    done = srlm(site, *words)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["metrics"]["level"]["value"] for row in rows] == [0, 1, 2, 3]
    hashes = json.loads((folder / "manifest.json").read_text())["hashes"]
    assert "judge.model" in hashes
    again = srlm(site, *words)
    assert (again.returncode, json.loads(again.stdout)["rows"]) == (0, rows)


def test_a_judge_at_a_server_and_its_key_is_nowhere(outside):
    site, recipe, folder = outside
    key = "sk-very-secret-0123456789abcdef"
    faults = {1: "500", 4: "429 0", 6: "cut", 8: "html"}
    faults |= {10: f"other_model proxy for {key}", 12: f"ends as {key} wants"}
    seen = []

    def fault(body, attempt):
        seen.append(body)
        return faults.get(len(seen)) if attempt == 0 else None

    # Like some real ones, this server repeats the key in what it says.
    with FakeServer(key=key, reply=lambda body: f"As {key} says.\nVerdict: {len(seen) % 10}",
                    fault=fault) as server:  # fmt: skip
        words = ["run", str(recipe), "--out", str(folder), "judge.model=openai:m"]
        words += [f"judge.options.base_url={server.url}", "judge.options.api_key_env=MY_KEY"]
        wrong = srlm(site, *words, MY_KEY=key + "-wrong")
        assert wrong.returncode == 1, wrong.stderr
        assert "refuses the key" in wrong.stderr and "MY_KEY, which is set" in wrong.stderr
        done = srlm(site, "--debug", *words, MY_KEY=key)
        assert done.returncode == 0, done.stderr
    calls = len(server.answered)
    assert len(seen) > max(faults) and all(n == 1 for n in server.answered.values())
    said = [x.stdout + x.stderr for x in (wrong, done)]
    said.append(srlm(site, "leaderboard", str(folder), "--json", MY_KEY=key).stdout)
    assert '"calls": ' in said[-1]
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert {"calls.sqlite", "manifest.json", "config.yaml"} <= {p.name for p in files}
    for text in [*(t.encode() for t in said), *(p.read_bytes() for p in files)]:
        assert key.encode() not in text
    manifest = json.loads((folder / "manifest.json").read_text())
    (asked,) = [part for part in manifest["spent"] if part["model"].startswith("openai:")]
    # What the other model said was thrown away, and may be on the bill.
    assert asked["calls"] == calls + 1 and asked["cost"] is None
    assert asked["prompt_tokens"] == 7 * (calls + 1)


def test_retry_asks_again_for_what_has_no_answer_and_nothing_else(outside):
    site, recipe, folder = outside
    ill = [True]
    asked = []

    def reply(body):
        asked.append(last_text(body))
        return "I cannot say." if ill[0] and len(asked) % 5 else f"So.\nVerdict: {len(asked) % 10}"

    def fault(body, attempt):  # one call fails for good
        return "400" if ill[0] and "Draw a cat" in last_text(body) else None

    with FakeServer(reply=reply, fault=fault) as server:
        words = ["run", str(recipe), "--json", "--out", str(folder), "judge.model=openai:m"]
        words += [f"judge.options.base_url={server.url}", "judge.options.max_retries=1"]
        first = srlm(site, *words)
        assert first.returncode == 4, first.stderr
        before = records(folder / "iter_2" / "judgments.jsonl")
        unscored = [(j["response_id"], j["reason"]) for j in before if j["score"] is None]
        assert len(before) / 2 < len(unscored) < len(before)
        still = srlm(site, "retry", "--failed", str(folder))  # no better yet
        assert still.returncode == 4 and "judge.max_unscored" in still.stderr
        left = [j for j in records(folder / "iter_2" / "judgments.jsonl") if j["score"] is None]
        ill[0] = False
        asked.clear()
        done = srlm(site, "retry", "--failed", str(folder))
        assert done.returncode == 0, done.stderr
        assert f"{len(left)} made again, 0 without an answer" in done.stderr
        texts = {c["response_id"]: c["text"] for c in records(folder / "iter_2/candidates.jsonl")}
        equal = {(j["prompt_id"], texts[j["response_id"]]) for j in left}  # asked for once
        assert len(asked) == len(equal)
        after = records(folder / "iter_2" / "judgments.jsonl")
        kept = [j for j in before if j["score"] is not None]
        assert [j for j in after if j in kept] == kept
        assert {(j["response_id"], j["draw"]) for j in after} == {
            (j["response_id"], j["draw"]) for j in before
        }
        nothing = srlm(site, "retry", "--failed", str(folder))
        assert nothing.returncode == 0 and "nothing failed" in nothing.stderr
        assert len(asked) == len(equal)
        last = srlm(site, *words)
        assert last.returncode == 0, last.stderr
        models = [row["model"] for row in json.loads(last.stdout)["rows"]]
        assert models == ["M0", "M1", "M2", "M3"]
    wrong = srlm(site, "retry", "--failed", str(folder.parent))
    assert wrong.returncode == 2 and "not a run folder" in wrong.stderr


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_outside_parts_are_listed(outside):
    for kind, name in {"engines": "outside_engine", "judges": "outside_judge"}.items():
        listed = json.loads(srlm(outside[0], "ls", kind, "--json").stdout)
        assert name in [row["name"] for row in listed]


def test_prompts_that_run_out_are_refused_before_anything_is_made(outside):
    site, recipe, folder = outside
    recipe.write_text(recipe.read_text().replace("iterations: 3", "iterations: 4"))
    done = srlm(site, "run", str(recipe), "--json", "--out", str(folder))
    assert done.returncode == 2 and not (folder / "config.yaml").exists()
    assert "M4 gets what is left of it, 0 prompts" in done.stderr


def test_too_few_pairs_stop_instead_of_training(outside):
    site, recipe, folder = outside
    more_than_can_be = "pairs.min_pairs=50"
    done = srlm(site, "run", str(recipe), "--json", "--out", str(folder), more_than_can_be)
    assert done.returncode == 2 and not (folder / "config.yaml").exists()
    assert "4 prompts, which give 4 pairs at most; pairs.min_pairs needs 50" in done.stderr
    done = srlm(site, "run", str(recipe), "--json", "--out", str(folder), "pairs.min_pairs=4",
                "pairs.min_margin=1000")  # fmt: skip
    assert done.returncode == 3
    assert "0 preference pairs, pairs.min_pairs needs 4" in done.stderr
    assert json.loads((folder / "iter_2" / "gate.json").read_text())["decision"] == "stop"
    assert not (folder / "iter_2" / "checkpoint").exists()


def test_a_judge_that_answers_nonsense_stops_with_code_4(outside):
    site, recipe, folder = outside
    spec = site / "outside_parts" / "length.yaml"
    spec.write_text(spec.read_text().replace("Verdict", "Rating"))
    done = srlm(site, "run", str(recipe), "--json", "--out", str(folder))
    assert done.returncode == 4
    assert "judge.max_unscored" in done.stderr
    records = (folder / "iter_2" / "judgments.jsonl").read_text()
    assert all(json.loads(x)["score"] is None for x in records.splitlines())
