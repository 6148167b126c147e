"""The paper's steps on real human data and a small model made here: ``make own-model``.

Needs the real data (SRLM_REAL_DATA). A Llama of two million parameters is pre-trained for a few
minutes on Open Assistant's questions and answers, and on what a real judge wrote about some of
them, so that it knows what a judgment looks like. Then ``srlm run paper-small`` is run on it. Its
texts are poor; every step is the real one, and every count is in what it prints.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from pathlib import Path

from backends.fresh_model import fresh_llama, train_tokenizer
from backends.pretraining import packed, pretrain, texts_of
from benchmarks.oasst import read_any_rankings
from judges.pointwise import prompt_text, render
from judges.spec import load_spec
from tests.proofs.real_judge import FOLDER, judged
from tests.real_data import real_data_path

OUT = Path("runs/proofs/own-model")
RUN = Path("runs/proofs/paper-small")
VOCAB, HIDDEN, LAYERS, HEADS, KV_HEADS, POSITIONS = 3000, 192, 3, 6, 1, 2048
ROWS, LENGTH, STEPS, PEAK = 4, 1024, 350, 3e-3
JUSTIFIED = 40  # characters of a judge's text: the start of what it wrote


def documents(trees: Path, judge: str) -> list[str]:
    """Question and answer texts, and rendered judge prompts with a judgment, in turn.

    The scores come in turn too: the real judge gave 4 to more than half, and a model that has seen
    little says what it saw most.
    """
    spec = load_spec(judge)
    plain = [
        f"{prompt_text(r.prompt)} {response.text}"
        for r in read_any_rankings(trees)
        for response in r.responses
    ]
    marked: dict[float, list[str]] = {}
    for row in judged(real_data_path(FOLDER)):
        score = row["score"]
        if score is None or not 0 <= score <= 5:
            continue
        words = row["response"].replace(f"Score: {score}", " ").replace("Justification:", " ")
        why = " ".join(words.split())[:JUSTIFIED]
        prompt = render(spec, row["question"], row["answer"])
        marked.setdefault(score, []).append(f"{prompt} {why}\nScore: {score:g}")
    by_score = [itertools.cycle(marked[score]) for score in sorted(marked)]
    turns = itertools.cycle(by_score)
    return [text for answer in plain for text in (answer, next(next(turns)))]


def make_model(trees: Path, judge: str, steps: int) -> None:
    """Writes the small model to ``OUT``."""
    texts = documents(trees, judge)
    tokenizer = train_tokenizer(texts, VOCAB)
    model = fresh_llama(tokenizer, HIDDEN, LAYERS, HEADS, POSITIONS, 0, KV_HEADS)
    pretrain(model, packed(tokenizer, texts_of(texts), ROWS, LENGTH), steps, PEAK)
    tokenizer.save_pretrained(OUT)
    model.save_pretrained(OUT)
    print(f"{OUT}: {model.num_parameters():,} parameters, {len(texts):,} documents")


def main() -> None:
    """Command line; what follows the options goes to ``srlm run``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="of pre-training")
    parser.add_argument("--judge", default="additive5")
    arguments, overrides = parser.parse_known_args()
    trees = real_data_path(
        "judge_validation", "oasst", "oasst2_evaluation_fine_tuning_quality.jsonl.gz"
    )
    if not trees.exists():
        raise SystemExit(f"{trees}: the real data is not here (set SRLM_REAL_DATA)")
    begun = time.monotonic()
    if not (OUT / "model.safetensors").exists():
        make_model(trees, arguments.judge, arguments.steps)
    made = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", "paper-small", "--out", str(RUN),
         f"model.base={OUT}", f"data.options.path={trees}",
         f"evaluation.options.rankings={trees}", f"judge.spec={arguments.judge}", *overrides],
        check=False,
    )  # fmt: skip
    ended = time.monotonic()
    print(
        f"exit code {done.returncode}; {made - begun:.0f} s to make the model, "
        f"{ended - made:.0f} s for the run"
    )


if __name__ == "__main__":
    main()
