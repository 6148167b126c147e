"""GSM8K from solutions that lie in a file: scored as lm-eval scores what a model writes.

The pattern that finds an answer and what is left out before the comparison are read from lm-eval's
own task file, so they are those of the version that is installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.nlp import shipped
from results.errors import SrlmError, UsageError
from results.lines import read_json_lines
from results.records import Value
from results.stats import ratio_metric
from results.tables import leaderboard_row

TASK, FILTER, METRIC, NAME = "gsm8k", "flexible-extract", "exact_match", "gsm8k"
INVALID = "[invalid]"  # what lm-eval puts where the pattern finds nothing
FLAG = "is_correct"
ANSWER = "####"  # stands before the answer in GSM8K's own targets; lm-eval compares what follows
SHOWN = 3  # questions that a note names


def rows(solutions: Path, answers: Path | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """One leaderboard row for each model of a file, in the file's order.

    Args:
        solutions: JSON Lines (.gz too), one question a line: ``question``, ``ground_truth`` and,
            under each model's name, ``{"solution", "is_correct"?}``.
        answers: GSM8K's own ``test.jsonl``, whose answers count then; null = ``ground_truth``.
        seed: of the intervals.

    Returns:
        Rows with the metric ``gsm8k``; ``note`` says how many stored flags ours contradicts.

    Raises:
        SrlmError: a file cannot be read, or a line is not of this form.
    """
    extract, same, version = _scoring()
    targets = None if answers is None else _targets(answers)
    scored: dict[str, list[Value]] = {}
    differs: dict[str, list[str]] = {}
    seen: set[str] = set()
    for number, line in read_json_lines(solutions):
        question = line.get("question")
        if not isinstance(question, str) or question in seen:
            what = "no question" if not isinstance(question, str) else "a question again"
            raise SrlmError(f"{solutions}:{number}: found {what}, expected one question a line")
        seen.add(question)
        target = _target(line, targets, solutions, number)
        identity = f"gsm8k/{number - 1}"
        for model, told in line.items():
            if not isinstance(told, dict):
                continue
            text = told.get("solution")
            if not isinstance(text, str):
                raise SrlmError(
                    f"{solutions}:{number}: {model}.solution: expected a text, found {text!r}"
                )
            right = same(extract(text), target if ANSWER in target else extract(target))
            scored.setdefault(model, []).append(
                Value(prompt_id=identity, metric=NAME, num=float(right), cluster=identity)
            )
            if isinstance(told.get(FLAG), bool) and told[FLAG] != right:
                differs.setdefault(model, []).append(identity)
    if not scored:
        raise SrlmError(
            f"{solutions}: found no model, expected {{solution, {FLAG}}} under each model's name"
        )
    words = (
        f"{METRIC} after {FILTER}, stored solutions, {TASK} v{version}, "
        f"lm-eval {shipped.version()}, answers of {'ground_truth' if answers is None else 'GSM8K'}"
    )
    found = []
    for model, values in scored.items():
        metric = ratio_metric(NAME, values, len(seen), words, seed)
        note = ""
        if wrong := differs.get(model):
            note = (
                f"{len(wrong)} stored flags say otherwise ({', '.join(wrong[:SHOWN])}"
                f"{', ...' if wrong[SHOWN:] else ''})"
            )
        found.append(leaderboard_row(model, "nlp", None, len(seen), {NAME: metric}, note=note))
    return found


def _scoring() -> tuple[Callable[[str], str], Callable[[str, str], bool], str]:
    """What reads an answer out of a text, whether two are the same, and the task's version."""
    (_, path), *_ = shipped.leaves(TASK)
    task = shipped.settings(path)
    steps = next(f["filter"] for f in task["filter_list"] if f["name"] == FILTER)
    regex = next(step for step in steps if step["function"] == "regex")
    metric = next(m for m in task["metric_list"] if m["metric"] == METRIC)
    pattern, which = re.compile(regex["regex_pattern"]), int(regex.get("group_select", 0))
    ignored = [re.compile(p) for p in metric.get("regexes_to_ignore", [])]

    def extract(text: str) -> str:
        matches = list(pattern.finditer(text))
        if not matches:
            return INVALID
        groups = [g for g in matches[which].groups() if g] or [matches[which].group()]
        return groups[0].strip()

    def bare(text: str) -> str:
        for one in ignored:
            text = one.sub("", text)
        return text.lower() if metric.get("ignore_case") else text

    version = str((task.get("metadata") or {}).get("version", "?"))
    return extract, lambda a, b: bare(a) == bare(b), version


def _targets(answers: Path) -> dict[str, str]:
    found = {}
    for number, line in read_json_lines(answers):
        if not isinstance(line.get("question"), str) or not isinstance(line.get("answer"), str):
            raise SrlmError(f"{answers}:{number}: expected question and answer, as GSM8K has them")
        found[line["question"]] = line["answer"]
    return found


def _target(line: dict[str, Any], targets: dict[str, str] | None, path: Path, number: int) -> str:
    if targets is None:
        if not isinstance(line.get("ground_truth"), str):
            raise SrlmError(
                f"{path}:{number}: no ground_truth; add it, or give answers=test.jsonl of GSM8K"
            )
        return str(line["ground_truth"])
    if line["question"] not in targets:
        raise UsageError(f"{path}:{number}: its question is not among the answers; give its own")
    return targets[line["question"]]
