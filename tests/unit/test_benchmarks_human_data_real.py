"""The real files: as many prompts, responses and labels as their descriptions say."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.human_data import HumanData, read_human_data
from benchmarks.human_data.split import check_disjoint, split_prompts
from tests.real_data import real_data

SIZES = {2: 57, 3: 116, 4: 27, 5: 3, 6: 6, 8: 1, 9: 1}  # fully ranked reply groups


def sizes(data: HumanData) -> Counter[int]:
    return Counter(len(p.responses) for p in data.ranked)


def rows_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def fully_ranked(message: dict[str, Any]) -> list[str]:
    """The ids of the prompts below all of whose two or more replies have a rank."""
    replies = message["replies"]
    ranked = [isinstance(r.get("rank"), int) for r in replies]
    here = [message["message_id"]] if len(ranked) > 1 and all(ranked) else []
    return here + [name for reply in replies for name in fully_ranked(reply)]


def test_open_assistant_trees_and_messages() -> None:
    path = real_data("judge_validation", "oasst", "en_100_tree.jsonl.gz")
    data = read_human_data(str(path), first_turn=False)
    full = [name for tree in rows_of(path) for name in fully_ranked(tree["prompt"])]
    assert len(full) == 211 == sum(SIZES.values())
    # One more group is ranked but for one reply, which is left out and told.
    (partly,) = (p for p in data.ranked if p.id not in full)
    assert sizes(data) - sizes_of(partly) == Counter(SIZES)
    assert len(data.ranked) == 212
    (note,) = data.notes
    assert "reply has no rank, left out" in note and "(6 times in all" in note
    first = read_human_data(str(path))
    assert len(first.ranked) == 99
    assert [p for p in data.ranked if isinstance(p.prompt, str)] == first.ranked
    messages = str(real_data("judge_validation", "oasst", "en_100_message.jsonl.gz"))
    again = read_human_data(messages, first_turn=False)
    assert (again.format, again.ranked) == ("oasst_messages", data.ranked)
    train, held_out = split_prompts(data.ranked, 0.3)
    check_disjoint(train, held_out)
    assert len(train) > 100 and len(held_out) > 40


def sizes_of(*prompts: Any) -> Counter[int]:
    return Counter(len(p.responses) for p in prompts)


def test_open_assistant_quality() -> None:
    path = real_data("judge_validation", "oasst", "oasst2_evaluation_fine_tuning_quality.jsonl.gz")
    data = read_human_data(str(path))
    scores = [r.score for p in data.ranked for r in p.responses]
    assert (len(data.ranked), len(scores), scores.count(None)) == (799, 2844, 56)
    assert all(0 <= score <= 1 for score in scores if score is not None)
    assert all((r.rank is None) == (r.score is None) for p in data.ranked for r in p.responses)
    assert "reply has no quality, kept without a rank" in data.notes[0]
    assert "(56 times in all" in data.notes[0]


def test_topical_chat() -> None:
    path = str(real_data("judge_validation", "topical_chat", "topical_chat.json.gz"))
    means = []
    for attribute in ("naturalness", "coherence", "engagingness", "groundedness", "overall"):
        data = read_human_data(path, f"topical_chat:{attribute}")
        assert sizes(data) == Counter({6: 60}) and data.of == 60
        scores = [r.score for p in data.ranked for r in p.responses]
        means.append(sum(score for score in scores if score is not None) / len(scores))
    assert len(set(means)) == 5  # each attribute has grades of its own
    assert read_human_data(path).ranked == data.ranked  # overall, unless said


def test_pandalm() -> None:
    path = str(real_data("judge_validation", "pandalm", "testset-v1.json.gz"))
    data = read_human_data(path)
    assert (data.format, data.of, len(data.pairs)) == ("pandalm", 999, 999)
    assert {len(p.labels) for p in data.pairs} == {3}
    assert {pair.id for pair in data.pairs} == {str(i) for i in range(999)}
    assert sum(pair.first == "True" for pair in data.pairs) == 4
    assert any("text is no text" in n and "(6 times in all" in n for n in data.notes)


def test_llmbar(tmp_path: Path) -> None:
    name = "LLMBar_datasets_all_statistics_selected_results.tar.gz"
    with tarfile.open(real_data("judge_validation", "llmbar", name)) as archive:
        members = [m for m in archive.getmembers() if m.name.endswith("/dataset.json")]
        archive.extractall(tmp_path, members, filter="data")
    found = [
        read_human_data(str(path)) for path in (tmp_path / "Dataset" / "LLMBar").rglob("*.json")
    ]
    assert sum(len(data.pairs) for data in found) == 419
    assert sorted(len(data.pairs) for data in found) == [46, 47, 92, 100, 134]
    assert {label.label for d in found for p in d.pairs for label in p.labels} == {
        "first", "second",
    }  # fmt: skip


def test_fastchat_votes(tmp_path: Path) -> None:
    """FastChat's layout, linked together from where its parts lie."""
    parts = {
        "human.jsonl.gz": ("human_judgments", "human.jsonl.gz"),
        "question.jsonl": ("fastchat", "mt_bench", "question.jsonl"),
        "model_answer": ("model_answer_six",),
        "reference_answer": ("fastchat", "mt_bench", "reference_answer"),
    }
    for name, place in parts.items():
        (tmp_path / name).symlink_to(real_data("mt_bench", *place).resolve())
    data = read_human_data(str(tmp_path))
    votes = rows_of(tmp_path / "human.jsonl.gz")
    assert (len(votes), data.format) == (3355, "fastchat_votes")
    assert sum(len(p.labels) for p in data.pairs) == 3355
    assert data.of == len(data.pairs) == 1814
    wins: Counter[str] = Counter()
    for pair in data.pairs:
        wins.update(label.label for label in pair.labels)
    by_name = Counter(
        "tie" if v["winner"] == "tie" else
        "first" if v[v["winner"]] == min(v["model_a"], v["model_b"]) else "second"
        for v in votes
    )  # fmt: skip
    assert wins == by_name and wins["tie"] == 780
    assert {p.category for p in data.pairs if p.reference} == {"math", "reasoning", "coding"}
    assert sum("labelled this pair before" in note for note in data.notes) == 1


def test_hhh_pairs() -> None:
    path = real_data("judge_validation", "prometheus", "hhh_alignment_eval.json.gz")
    data = read_human_data(str(path))
    assert (data.format, data.kind, data.of, data.notes) == ("hhh", "ranked", 221, [])
    kinds = Counter(p.category for p in data.ranked)
    assert kinds == {"harmless": 58, "helpful": 59, "honest": 61, "other": 43}
    assert all([r.rank for r in p.responses] == [0, 1] for p in data.ranked)
    assert not any("###" in f"{p.prompt}{r.text}" for p in data.ranked for r in p.responses)
