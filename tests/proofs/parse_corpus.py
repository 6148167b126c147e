"""Every stored raw judge text through the parsers, beside what was published for it.

``python -m tests.proofs.parse_corpus`` prints, for each corpus, how many texts are read as
published, how many otherwise for a written reason (``tests/golden/parse_exceptions.json``: places
where the published reading is wrong), and how many otherwise without one, which must be none.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import random
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.engines.engine import Completion, TokenLogprobs, Usage
from judges.expected import expected_verdict
from judges.parsers.parsed import Parsed
from judges.parsers.table import read

EXCEPTIONS = Path(__file__).parents[1] / "golden" / "parse_exceptions.json"
FOLDER = Path(os.environ.get("SRLM_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data")
ADDITIVE = "raw_judge_outputs/self_rewarding_prompt_mistral7b/EFT_seed_data_3.jsonl.gz"
LLMBAR = "judge_validation/llmbar/LLMBar_datasets_all_statistics_selected_results.tar.gz"
SHOWN = {"A": "first", "B": "second", "tie": "tie"}


@dataclass(frozen=True)
class Read:
    """One text: what our parser reads in it, why it reads nothing, and what was published."""

    corpus: str
    id: str
    ours: object
    reason: str | None
    published: object


def corpora(folder: Path) -> Iterator[tuple[str, Callable[[], Iterator[Read]]]]:
    """The corpora whose files are in ``folder``, by name."""
    if (path := folder / ADDITIVE).is_file():
        yield "additive", lambda path=path: additive(path)
    for path in sorted((folder / "mt_bench" / "judgments").glob("*_single*.jsonl.gz")):
        yield "mt_bench", lambda path=path: mt_bench(path)
    if (path := folder / LLMBAR).is_file():
        yield "llmbar", lambda path=path: llmbar(path)
    for path in sorted((folder / "alpaca_eval" / "annotations").glob("*.json.gz")):
        yield "alpaca_eval", lambda path=path: alpaca_eval(path)


def additive(path: Path) -> Iterator[Read]:
    """Texts under the additive prompt. How they ended is not stored; ids are lines from 1."""
    for number, row in enumerate(_lines(path), 1):
        found = read(row["response"], "stop", "first_score", {"label": "Score"}, (0, 5))
        yield Read("additive", str(number), found.score, found.reason, float(row["score"]))


def mt_bench(path: Path) -> Iterator[Read]:
    """GPT-4's ratings; -1 is MT-Bench's failure."""
    for row in _lines(path):
        found = read(row["judgment"], "stop", "bracket_rating", {}, (1, 10))
        published = None if row["score"] == -1 else float(row["score"])
        where = f"{row['model']}/{row['question_id']}/{row['turn']}"
        yield Read("mt_bench", where, found.score, found.reason, published)


def llmbar(path: Path) -> Iterator[Read]:
    """Verdicts (a text for each order) and ratings (a text for each output) of 35 result files.

    An id is judge/prompt/subset/item/step/order: ``Swap_CoT`` decides contradictions in a second
    step. For a rating, what is compared is the winner that follows from both texts.
    """
    with tarfile.open(path) as tar:
        for member in sorted(tar.getmembers(), key=lambda it: it.name):
            parts = Path(member.name).parts
            if parts[-1] != "result.json" or (file := tar.extractfile(member)) is None:
                continue
            where = f"{parts[-3]}/{parts[-2]}/{parts[-5]}"
            for index, item in enumerate(json.load(file)):
                # A list is a step before the verdict: metrics, or a reference answer.
                steps = [step for step in item["results"] if isinstance(step, dict)]
                for step, result in enumerate(steps):
                    yield from _llmbar_item(f"{where}/{index}/{step}", result)


def _llmbar_item(where: str, result: dict[str, Any]) -> Iterator[Read]:
    winners = {"1": "first", "2": "second", None: None}
    ratings = [_llmbar_rating(result[key]) for key in ("score_1", "score_2") if key in result]
    for order, shown in (("AB", "swap = False"), ("BA", "swap = True")):
        published = winners[result[shown]["winner"]]
        if ratings:
            yield Read("llmbar", f"{where}/{order}", _higher(ratings, order), None, published)
            continue
        text, finish = result[shown]["completion"]
        found = read(text, finish or "stop", "output_verdict", {}, (0, 1))
        ours = None if found.verdict is None else SHOWN[found.verdict]
        if order == "BA" and ours is not None:
            ours = "second" if ours == "first" else "first"
        yield Read("llmbar", f"{where}/{order}", ours, found.reason, published)


def _llmbar_rating(said: list[str]) -> float | None:
    return read(said[0], said[1], "final_score_line", {"label": ""}, (0, 9)).score


def _higher(ratings: list[float | None], order: str) -> str | None:
    """The winner by two ratings. LLMBar breaks a tie for what is shown second."""
    first, second = ratings
    if first is None or second is None:
        return None
    if first == second:
        return "second" if order == "AB" else "first"
    return "first" if first > second else "second"


def alpaca_eval(path: Path) -> Iterator[Read]:
    """Annotations with a raw completion: rankings, or the probabilities of one token.

    What is compared is AlpacaEval's preference, 1 (baseline) to 2 (model), to 1e-7: stored
    log-probabilities are rounded.
    """
    data = json.loads(gzip.decompress(path.read_bytes()))
    name = path.name.removesuffix(".json.gz")
    for index, row in enumerate(data):
        raw = row.get("raw_completion")
        if not isinstance(raw, dict):
            continue  # equal outputs are not judged
        if "ordered_models" in raw:
            found, shares = _ranking(raw), {}
            first_is_baseline = not _swapped(row["instruction"])
        elif raw.get("logprobs"):
            found, shares = _weighted(raw)
            first_is_baseline = not _swapped(row["instruction"])
        else:
            continue
        ours: float | None = None
        if found.verdict is not None:
            first = shares.get("A", 0.0) if shares else float(found.verdict == "A")
            ours = 2 - first if first_is_baseline else 1 + first
        published = row["preference"]
        if (
            ours is not None
            and published is not None
            and math.isclose(ours, published, abs_tol=1e-7)
        ):
            ours = published
        yield Read("alpaca_eval", f"{name}/{index}", ours, found.reason, published)


def _ranking(raw: dict[str, Any]) -> Parsed:
    options = {"first": "m", "second": "M", "key": "ordered_models"}
    return read(json.dumps(raw), "stop", "ranking", options, (0, 1))


def _weighted(raw: dict[str, Any]) -> tuple[Parsed, dict[Any, float]]:
    tokens = tuple(
        TokenLogprobs(at["token"], tuple((t["token"], t["logprob"]) for t in at["top_logprobs"]))
        for at in raw["logprobs"]["content"]
    )
    said = Completion(raw["text"], "length", Usage(1, len(tokens)), tokens)
    options = {"first": "m", "second": "M"}
    return expected_verdict(said, lambda text: read(text, "length", "last_word", options, (0, 1)))


def _swapped(instruction: str) -> bool:
    """Whether AlpacaEval showed the model's output first."""
    drawn = random.Random(f"is_switched_outputs{instruction}0")
    return bool(drawn.choices([False, True], k=1)[0])


def exceptions() -> dict[str, dict[str, str]]:
    """The written reasons by corpus and id."""
    found: dict[str, dict[str, str]] = json.loads(EXCEPTIONS.read_text(encoding="utf-8"))
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def main(folder: Path = FOLDER) -> int:
    """Prints the counts; 1 where a text is read otherwise than published without a reason."""
    written = exceptions()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    wrong = []
    for name, reads in corpora(folder):
        for one in reads():
            known = one.id in written.get(name, {})
            same = one.ours == one.published
            kind = "as published" if same else "with a reason" if known else "without one"
            counts[name][kind] += 1
            counts[name]["unscored"] += one.ours is None
            if not same and not known:
                wrong.append(one)
    if not counts:
        print(f"real data is not here: {folder} (set SRLM_REAL_DATA)")
        return 1
    columns = ("as published", "with a reason", "without one", "unscored")
    print(f"{'corpus':12}{'texts':>8}" + "".join(f"{name:>15}" for name in columns))
    for name, found in counts.items():
        texts = sum(found[kind] for kind in columns[:3])
        print(f"{name:12}{texts:>8}" + "".join(f"{found[kind]:>15}" for kind in columns))
    for one in wrong[:20]:
        print(f"{one.corpus} {one.id}: {one.ours} ({one.reason}), published {one.published}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
