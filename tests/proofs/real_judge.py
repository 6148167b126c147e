"""A real judge against real people: ``make real-judge``.

Mistral-7B under the additive five-point prompt scored 1,182 answers of Open Assistant, which people
had ranked. Its texts are read in three ways: as those who made them did, and by two of our parsers.
Everything from the files on goes the way of ``srlm judge agreement``.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.human_data import read_human_data
from benchmarks.human_data.notes import Notes
from benchmarks.judge_validation import Conventions, measure_ranked
from benchmarks.stored_judgments import pointwise_judgments
from judges.fitness_checks import Criterion
from judges.parsers.table import read
from results.records import Metric
from tests.real_data import real_data_path

FOLDER = "raw_judge_outputs/self_rewarding_prompt_mistral7b"
SCALE = (0, 5)
Row = dict[str, Any]
Reading = Callable[[Row], float | None]


def by_parser(parser: str) -> Reading:
    """Reads a text with one of our parsers. How the texts ended is not stored."""
    return lambda row: read(row["response"], "stop", parser, {"label": "Score"}, SCALE).score


READINGS: dict[str, Reading] = {
    "as published": lambda row: float(row["score"]),
    "first_score": by_parser("first_score"),
    "final_score_line": by_parser("final_score_line"),
}


def answers(folder: Path) -> list[Row]:
    """Every answer that people ranked: question, answer, rank."""
    return list(_lines(folder / "0_EFT_seed_data_input.jsonl.gz"))


def judged(folder: Path) -> list[Row]:
    """Every judge text with its question and answer, which stand in the prompt it was given."""
    found = []
    for row in _lines(folder / "EFT_seed_data_3.jsonl.gz"):
        question, rest = row["prompt"].split("\nUser: ", 1)[1].split("\n<response>", 1)
        found.append({**row, "question": question, "answer": rest.rsplit("</response>", 1)[0]})
    return found


def write_files(folder: Path, to: Path) -> None:
    """rankings.jsonl, and judgments-READING.jsonl for each way of reading.

    Answers to one question are one prompt, whatever conversation they come from.
    """
    groups: dict[str, list[Row]] = {}
    for row in answers(folder):
        groups.setdefault(row["question"], []).append(row)
    ids: dict[tuple[str, str, float], tuple[str, str]] = {}
    with (to / "rankings.jsonl").open("w", encoding="utf-8") as file:
        for number, (question, rows) in enumerate(groups.items()):
            responses = []
            for place, row in enumerate(rows):
                ids[question, row["answer"], row["rank"]] = (f"q{number}", f"a{place}")
                responses.append(
                    {"id": f"a{place}", "text": row["answer"], "rank": int(row["rank"])}
                )
            line = {"id": f"q{number}", "prompt": question, "responses": responses}
            file.write(json.dumps(line) + "\n")
    rows = judged(folder)
    for name, reading in READINGS.items():
        with (to / f"judgments-{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                prompt_id, response_id = ids[row["question"], row["answer"], row["rank"]]
                line = {"prompt_id": prompt_id, "response_id": response_id, "score": reading(row)}
                file.write(json.dumps(line) + "\n")


def measured(folder: Path, rounds: int = 2000) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way of reading with the figures of ``benchmarks.judge_validation``."""
    with tempfile.TemporaryDirectory(prefix="srlm-real-judge-") as name:
        to = Path(name)
        write_files(folder, to)
        data = read_human_data(str(to / "rankings.jsonl"))
        known = {(item.id, r.id) for item in data.ranked for r in item.responses}
        for reading in READINGS:
            path = to / f"judgments-{reading}.jsonl"
            found = pointwise_judgments(path, known, SCALE, Notes(path.name))
            yield (
                reading,
                measure_ranked(
                    data.ranked, found, SCALE, by=Conventions(rounds=rounds), criterion=Criterion()
                )[0],
            )


def _lines(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def cell(metric: Metric) -> str:
    """Value, interval and coverage."""
    value = "none" if metric.value is None else f"{metric.value:.3f}"
    ends = "" if metric.low is None else f" [{metric.low:.3f}, {metric.high:.3f}]"
    return f"{value}{ends}, {metric.n} of {metric.of}"


def main() -> int:
    """Prints the table; 1 where there are no data."""
    folder = real_data_path(FOLDER)
    if not folder.is_dir():
        print(f"real data is not here: {folder}; set SRLM_REAL_DATA", file=sys.stderr)
        return 1
    found = dict(measured(folder))
    print("| metric |" + "".join(f" {reading} |" for reading in found))
    print("|-|" + "-|" * len(found))
    for name in next(iter(found.values()))["metrics"]:
        row = (cell(figures["metrics"][name]) for figures in found.values())
        print(f"| {name} | " + " | ".join(row) + " |")
    shares = (f"{f['unscored'].n} of {f['unscored'].of}" for f in found.values())
    print("| unscored | " + " | ".join(shares) + " |")
    print("cells: value [95 % interval] coverage, in the metric's own unit")
    for reading, figures in found.items():
        print(f"{reading}: {figures['fitness'].verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
