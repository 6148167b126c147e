"""A toy world in which training overshoots: parts of a loop that takes a second.

A model is a number x, its quality 10 - |10 - x| on every prompt. SFT adds 3, DPO its learning rate:
with 6 M2 is good (9), M3 is far beyond (15, quality 5); half the rate is still too far (12, 8), a
quarter (10.5, 9.5) better than M2. Recipes name the parts as ``tests.ladder:NAME``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml

from backends.engines.engine import Completion, Usage
from backends.trainers.trainer import TrainReport
from benchmarks.benchmark import Evaluation
from benchmarks.registry import SeedData
from results.records import Example, Value
from results.stats import ratio_metric

JUDGE = {
    "name": "length", "version": 1, "description": "rates by length", "rubric": "length.md",
    "parser": {"label": "Verdict"}, "scale": [0, 9], "draws": 1,
    "decoding": {"temperature": 0.0, "top_p": 1.0, "max_tokens": 20},
}  # fmt: skip
CALLS: list[str] = []  # what engines were asked in this process
SFT, DPO = 3.0, 6.0


def quality(x: float) -> float:
    return 10 - abs(10 - x)


class Engine:
    startup_seconds = 0.0

    def __init__(self, model: str) -> None:
        self.x = float(Path(model, "model.safetensors").read_text())
        self.identity = f"ladder:{self.x}"

    def plan(self, requests):
        return [list(range(len(requests)))]

    def generate(self, requests, seeds, config):
        return [self._one(r, s) for r, s in zip(requests, seeds, strict=True)]

    def _one(self, request, seed):
        text = request.prompt[-1].content
        CALLS.append(text)
        if text.startswith("Rate:"):
            answer = f"By its length.\nVerdict: {min(9, len(text.split()))}"
        else:
            answer = "word " * (1 + seed % 7)
        return Completion(answer.strip(), "stop", Usage(1, 1))

    def close(self):
        pass


class Trainer:
    def check(self, kind, settings):
        known = {"learning_rate": DPO if kind == "dpo" else SFT}
        return {key: float(value) for key, value in {**known, **settings}.items()}

    def train(self, job, progress):
        tmp = job.out.with_name("checkpoint.tmp")
        shutil.rmtree(tmp, ignore_errors=True)
        shutil.copytree(job.model, tmp)
        x = float((tmp / "model.safetensors").read_text()) + job.settings["learning_rate"]
        (tmp / "model.safetensors").write_text(str(x))
        tmp.rename(job.out)
        return TrainReport(len(job.data.read_text().splitlines()), 0, 1, 0.0, 0.0, {})


class Benchmark:
    """``noise``: how far the values of prompts lie apart, half above and half below; every other
    model has them the other way round, so that a paired difference has all of it.
    """

    name = "ladder"

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise

    def metrics(self, baseline):
        return ["quality"]

    def held_out(self, text):
        return False

    def evaluate(self, model, judge, baseline, folder, seed):
        x = getattr(model.engine, "x", 0.0)  # a plan measures a model that answers nothing
        turn = 1 if x in (0.0, SFT) else -1
        values = [
            Value(prompt_id=str(i), metric="quality", cluster=str(i),
                  num=quality(x) + self.noise * turn * (-1) ** i)
            for i in range(20)
        ]  # fmt: skip
        metrics = {"quality": ratio_metric("quality", values, 20, "quality")}
        return Evaluation(n=20, judge=None, metrics=metrics, values=values, data="ladder")


class Kept(Benchmark):
    """What models forget: each step up loses some of it."""

    name = "kept"

    def metrics(self, baseline):
        return ["kept"]

    def evaluate(self, model, judge, baseline, folder, seed):
        x = getattr(model.engine, "x", 0.0)
        CALLS.append(f"kept {x}")
        values = [
            Value(prompt_id=str(i), metric="kept", cluster=str(i), num=i >= x) for i in range(20)
        ]
        metrics = {"kept": ratio_metric("kept", values, 20, "kept")}
        return Evaluation(n=20, judge=None, metrics=metrics, values=values, data="kept")


class Verified(Benchmark):
    """Says of every pair that both answers are as good: no audit passes on that."""

    def verify(self, prompt, first, second):
        return "tie"


def source(seed):
    return SeedData([Example(id="1", prompt="Say hello", completion="hello", kind="ift")], [])


def write_recipe(folder: Path, **gate: object) -> Path:
    """A recipe of three iterations and the files that it names; ``gate`` adds to its gate."""
    base = folder / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_text("0")
    (folder / "length.md").write_text("Rate:\n{prompt}\n{response}\n")
    (folder / "length.yaml").write_text(yaml.safe_dump(JUDGE))
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": f"Say {i}"}) + "\n" for i in range(40)))
    here = "tests.ladder"
    tree = {
        "iterations": 3,
        "model": {"base": str(base)},
        "engine": {"name": f"{here}:Engine"},
        "trainer": {"name": f"{here}:Trainer"},
        "data": {"source": f"{here}:source"},
        "sft": {"settings": {"learning_rate": SFT}},
        "dpo": {"settings": {"learning_rate": DPO}},
        "judge": {"spec": str(folder / "length.yaml"), "model": "self",
                  "draws": 1, "fit": {"waived_by": "the tests"}},
        "prompts": {"source": "file", "path": str(prompts), "count": [4], "decontaminate": None},
        "evaluation": {"benchmark": f"{here}:Benchmark", "baseline": "none"},
        "gate": {"rules": [{"metric": "quality", "rule": "improves"}], **gate},
    }  # fmt: skip
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path
