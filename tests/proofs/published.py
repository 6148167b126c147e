"""Published figures of judges against people, reproduced from their stored verdicts.

``make published`` prints reproduced against published, one row each, and ends with 1 where they
differ. Only files are read here: every figure comes from the functions that users call. What
intervals there are is not published, so one bootstrap round is enough.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judges.agreement import judge_metrics
from judges.alt_test import alt_test
from judges.correlations import pooled_pearson
from judges.human_agreement import human_agreement
from judges.labels import Choice, Label, LabelledPair
from judges.pair_agreement import pair_metrics
from judges.pointwise import mean_scores
from judges.rankings import RankedPrompt, RankedResponse
from results.records import Judgment, Metric, PairJudgment
from tests.real_data import real_data_path

ROUNDS = 1


@dataclass(frozen=True)
class Row:
    """One row of the table: what it is, and the figures as they are printed in the source."""

    what: str
    published: str
    reproduced: str

    @property
    def same(self) -> bool:
        return self.published == self.reproduced


def verdict(pair: str, order: str, answer: Choice | None) -> PairJudgment:
    """The record of one stored verdict; None is an answer that names none."""
    return PairJudgment.model_validate(
        {"prompt_id": pair, "order": order, "verdict": answer, "reason": None if answer else "none"}
        | {"status": "scored" if answer else "unscored"}
    )


# PandaLM @ 38718064, README: accuracy, macro precision, recall and F1 of the majority label.
PANDALM = {
    "gpt-3.5-turbo": ("gpt_result", "71.07 / 58.79 / 57.36 / 57.55"),
    "pandalm-7b": ("pandalm_result", "66.77 / 57.38 / 57.50 / 57.43"),
}


def pandalm(data: Path) -> Iterator[Row]:
    """999 pairs with three annotators each; an unusable verdict counts as a tie."""
    folder = data / "judge_validation" / "pandalm"
    choices: dict[str, Choice] = {"0": "tie", "1": "first", "2": "second", "Tie": "tie"}
    pairs = [
        LabelledPair(
            id=str(row["idx"]),
            prompt=f"{row['instruction']}\n{row['input']}",
            first=str(row["response1"]),  # some are true or false
            second=str(row["response2"]),
            labels=tuple(
                Label(label=choices[str(row[f"annotator{k}"])], annotator=str(k)) for k in (1, 2, 3)
            ),
        )
        for row in read(folder / "testset-v1.json.gz")
    ]
    for model, (key, published) in PANDALM.items():
        judgments = [
            verdict(str(row["idx"]), "AB", choices.get(str(row[key])))
            for row in read(folder / f"{model}-testset-v1.json.gz")
        ]
        found, _ = pair_metrics(pairs, judgments, "tie", "majority", rounds=ROUNDS)
        names = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
        yield Row(
            f"PandaLM {model}: accuracy, macro P, R, F1",
            published,
            " / ".join(f"{100 * number(found[name]):.2f}" for name in names),
        )


def llmbar(data: Path) -> Iterator[Row]:
    """The statistics whose results are stored. null is an answer of its own, as a tie is: it is
    never right, and null in both orders is the same answer in both.
    """
    archive = data / "judge_validation" / "llmbar"
    files: dict[str, Any] = {}
    with tarfile.open(archive / "LLMBar_datasets_all_statistics_selected_results.tar.gz") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.endswith(".json") else None
            if file is not None and "/LLMBar/" in member.name and "/evaluators/" in member.name:
                files[member.name] = json.load(file)
    choices: dict[str | None, Choice] = {"1": "first", "2": "second"}
    for name in sorted(n for n in files if n.endswith("/result.json")):
        pairs, judgments = [], []
        for index, row in enumerate(files[name]):
            label = Label(label=choices[str(row["label"])])
            pairs.append(
                LabelledPair(
                    id=str(index),
                    prompt=row["input"],
                    first=row["output_1"],
                    second=row["output_2"],
                    labels=(label,),
                )
            )
            for order, key in (("AB", "swap = False"), ("BA", "swap = True")):
                winner = row["results"][-1][key]["winner"]
                judgments.append(verdict(str(index), order, choices.get(winner)))
        stated = files[name.replace("/result.json", "/statistics.json")]
        found, _ = pair_metrics(pairs, judgments, "tie", rounds=ROUNDS)
        keys = {"correct_average": "accuracy", "equal": "consistency", "correct_both": "agreement"}
        subset, judge = name.split("/LLMBar/")[1].removesuffix("/result.json").split("/evaluators/")
        yield Row(
            f"LLMBar {subset}, {judge}: accuracy, positional agreement, both right",
            " / ".join(f"{last_number(stated[key]):.4f}" for key in keys),
            " / ".join(f"{100 * number(found[metric]):.4f}" for metric in keys.values()),
        )


# Zheng et al. 2023 (arXiv 2306.05685), table 5: by turn, with ties (S1) and without (S2).
MT_BENCH = {
    1: ("886/1343", "727/859", "454/721", "388/479"),
    2: ("871/1325", "731/864", "471/707", "388/474"),
}


def mt_bench(data: Path) -> Iterator[Row]:
    """Experts only, each vote counted; a verdict that depends on the order is a tie."""
    folder = data / "mt_bench" / "human_judgments"
    votes: dict[tuple[int, str], list[Label]] = {}
    questions: dict[tuple[int, str], str] = {}
    for row in lines(folder / "human.jsonl.gz"):
        if row["judge"].startswith("expert"):
            key, choice = vote(row)
            votes.setdefault(key, []).append(Label(label=choice, annotator=row["judge"]))
            questions[key] = f"question {row['question_id']}"
    judged = [vote(row) for row in lines(folder / "gpt4_pair.jsonl.gz")]
    for turn, published in MT_BENCH.items():
        pairs = [
            LabelledPair(
                id=key[1], prompt=questions[key], first="a", second="b", labels=tuple(given)
            )
            for key, given in votes.items()
            if key[0] == turn
        ]
        judgments = [verdict(key[1], "AB", choice) for key, choice in judged if key[0] == turn]
        metrics, _ = pair_metrics(pairs, judgments, rounds=ROUNDS)
        people, _ = human_agreement(pairs, rounds=ROUNDS)
        found = (
            ("GPT-4 with human, S1", metrics["accuracy"]),
            ("GPT-4 with human, S2", metrics["accuracy_without_ties"]),
            ("human with human, S1", people["human_agreement"]),
            ("human with human, S2", people["human_agreement_without_ties"]),
        )
        for (what, metric), stated in zip(found, published, strict=True):
            agree = number(metric) * metric.n
            yield Row(f"MT-Bench turn {turn}, {what}", stated, f"{agree:.0f}/{metric.n}")


def vote(row: dict[str, Any]) -> tuple[tuple[int, str], Choice]:
    """(turn, comparison) whatever order the two models stand in, and the choice."""
    models = sorted((row["model_a"], row["model_b"]))
    chosen = row.get(row["winner"])  # "model_a", "model_b"; "tie" and "tie (inconsistent)" are none
    choice: Choice = "tie" if chosen is None else "first" if chosen == models[0] else "second"
    return (row["turn"], f"{row['question_id']} {models[0]} {models[1]}"), choice


# Chiang and Lee 2023 (arXiv 2310.05657), table 2: Pearson and Kendall by attribute.
ATTRIBUTES = ("naturalness", "coherence", "engagingness", "groundedness")
TOPICAL_CHAT = {
    "geval": (".393 .358", ".468 .391", ".549 .513", ".311 .566"),
    "geval_no_auto_cot": (".408 .331", ".443 .404", ".557 .535", ".358 .582"),
    "llm_eval_no_cot": (".464 .476", ".524 .426", ".611 .557", ".563 .666"),
}


def topical_chat(data: Path) -> Iterator[Row]:
    """60 contexts of 6 responses, 20 samples a response; one without a number is missing."""
    folder = data / "judge_validation" / "topical_chat"
    items = read(folder / "topical_chat.json.gz")
    for prompt, published in TOPICAL_CHAT.items():
        for attribute, stated in zip(ATTRIBUTES, published, strict=True):
            rankings = rank_by_score(items, attribute)
            name = f"gpt3.5_{attribute[:3]}_{prompt}.json.gz"
            judgments = [
                sample(row["source"], row["system_id"], draw, text)
                for row in read(folder / "results" / name)
                for draw, text in enumerate(row["all_responses"])
            ]
            scores = {key: score.mean for key, score in mean_scores(judgments).items()}
            pearson = pooled_pearson(rankings, scores, rounds=ROUNDS)
            kendall = judge_metrics(rankings, scores, (0, 3), rounds=ROUNDS)[0]["kendall_tau"]
            yield Row(
                f"Topical-Chat {attribute}, {prompt}: Pearson, Kendall",
                stated,
                f"{number(pearson):.3f} {number(kendall):.3f}".replace("0.", "."),
            )


def rank_by_score(items: list[dict[str, Any]], attribute: str) -> list[RankedPrompt]:
    """The responses of each context with people's mean score, best first; equal is a tie."""
    groups: dict[str, dict[str, float]] = {}
    for item in items:
        groups.setdefault(item["source"], {})[item["system_id"]] = item["scores"][attribute]
    rankings = []
    for source, scores in groups.items():
        best_first = sorted(set(scores.values()), reverse=True)
        responses = [
            RankedResponse(id=name, text="", rank=best_first.index(score), score=score)
            for name, score in scores.items()
        ]
        rankings.append(RankedPrompt(id=source, prompt=source, responses=responses))
    return rankings


def sample(source: str, system: str, draw: int, text: str) -> Judgment:
    """One sample under the published rule: the first digit behind the last "rating:", where "1-3"
    (an echo of the scale) is no number.
    """
    digit = re.search("[0-9]", text.lower().replace("1-3", " ").split("rating:")[-1])
    return Judgment(
        prompt_id=source,
        response_id=system,
        draw=draw,
        status="scored" if digit else "unscored",
        score=float(digit[0]) if digit else None,
        reason=None if digit else "no_number",
        text="",
    )


# Calderon et al. 2025 (arXiv 2501.10970), the authors' notebook: (omega, rho) by judge.
JUDGES = ("gemini_flash", "gemini_pro", "gpt-4o", "llama-31", "gpt-4o-mini", "mistral-v03")
ALT_TEST = {
    "wax": (0.1, (".38 .69", ".50 .74", ".50 .73", ".00 .57", ".00 .59", ".00 .50")),
    "lgbteen": (0.2, (".25 .71", ".00 .67", ".75 .77", ".00 .72", ".75 .76", ".25 .75")),
    "mtbench": (0.2, (".00 .72", ".00 .76", ".00 .77", ".00 .69", ".00 .74", ".00 .68")),
}


def alternative_annotators(data: Path) -> Iterator[Row]:
    """The alternative annotator test; the answers are classes, so alignment is accuracy."""
    folder = data / "judge_validation" / "alt_test"
    for name, (epsilon, published) in ALT_TEST.items():
        humans = read(folder / f"{name}_human_annotations.json")
        judges = read(folder / f"{name}_llm_annotations.json")
        for judge, stated in zip(JUDGES, published, strict=True):
            found = alt_test(judges[judge], humans, epsilon)
            yield Row(
                f"alternative annotator test, {name}, {judge}: omega, rho",
                stated,
                f"{found.omega:.2f} {found.rho:.2f}".replace("0.", "."),
            )


def reproduced(data: Path) -> Iterator[Row]:
    """All rows, in the order of the table."""
    for part in (pandalm, llmbar, mt_bench, topical_chat, alternative_annotators):
        yield from part(data)


def read(path: Path) -> Any:
    """A JSON file, gzipped or not."""
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)


def lines(path: Path) -> list[dict[str, Any]]:
    """A gzipped JSON Lines file."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def number(metric: Metric) -> float:
    """The value of a metric that must have one."""
    assert metric.value is not None, metric
    return metric.value


def last_number(text: str) -> float:
    """ "94 / 100 = 94.0%" as 94."""
    return float(text.removesuffix("%").split()[-1])


def main() -> int:
    """Prints the table; 1 when a row differs or there are no data."""
    return show(real_data_path(), reproduced)


def show(data: Path, rows_of: Callable[[Path], Iterator[Row]]) -> int:
    """Prints what ``rows_of`` makes of the data; the exit code."""
    if not data.is_dir():
        print(f"real data is not here: {data}; set SRLM_REAL_DATA to its folder", file=sys.stderr)
        return 1
    rows = list(rows_of(data))
    wide = [max(len(text) for text in column) for column in zip(*map(cells, rows), strict=True)]
    for row in rows:
        print("  ".join(text.ljust(n) for text, n in zip(cells(row), wide, strict=True)).rstrip())
    same = sum(row.same for row in rows)
    print(f"\n{same} of {len(rows)} rows are as published")
    return 0 if same == len(rows) else 1


def cells(row: Row) -> tuple[str, str, str, str]:
    """A row of the table."""
    return row.what, row.published, row.reproduced, "same" if row.same else "DIFFERS"


if __name__ == "__main__":
    sys.exit(main())
