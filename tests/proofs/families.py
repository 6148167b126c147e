"""``srlm run --smoke`` with tiny random models of five families: ``make families``.

Llama, Qwen, Mistral, Gemma and GPT-NeoX, each with its usual kind of chat template (GPT-NeoX has
none: it is refused, and passes with the plain one). Every stage is the real one.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.micro_world.benchmark import ranked_answers
from tests.tiny_models import KINDS, tiny_model

PROMPTS = 80


def rankings(path: Path) -> None:
    """Ranked answers as any team has them: JSON Lines."""
    found = ranked_answers(PROMPTS, 0.4, random.Random("families"))
    path.write_text("".join(prompt.model_dump_json() + "\n" for prompt in found))


def smoke(model: Path, data: Path, out: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and report of one smoke run."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", "paper-small", "--smoke", "--json", "--out",
         str(out), f"model.base={model}", f"data.options.path={data}",
         f"evaluation.options.rankings={data}", *words],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if not done.stdout:
        raise SystemExit(f"{model.name}: exit code {done.returncode}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def line(name: str, code: int, report: dict[str, Any]) -> str:
    """A row of the table: how many stages ended how, and the first line of what did not pass."""
    counts = Counter(stage["status"] for stage in report["stages"])
    listed = ", ".join(f"{n} {status}" for status, n in counts.items())
    said = next((s["line"] for s in report["stages"] if s["status"] == "failed"), "")
    return f"| {name} | {code} | {listed} | {said} |"


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(prefix="srlm-families-") as name:
        root = Path(name)
        data = root / "ranked.jsonl"
        rankings(data)
        print("| model | exit code | stages | what is missing |\n|-|-|-|-|", flush=True)
        for kind in KINDS:
            model = tiny_model(kind, root / kind)
            code, report = smoke(model, data, root / f"{kind}-run")
            print(line(kind, code, report), flush=True)
        code, report = smoke(
            root / "neox", data, root / "neox-plain-run", "model.chat_template=plain"
        )
        print(line("neox, model.chat_template=plain", code, report), flush=True)


if __name__ == "__main__":
    main()
