"""Seed data and rankings from files: Open Assistant trees and a user's own JSON Lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from backends.engines.caller import Caller
from benchmarks.judge_agreement import JudgeAgreement
from benchmarks.micro_world.world import held_out as world_held_out
from benchmarks.oasst import held_out_prompt, read_any_rankings, read_trees
from benchmarks.oasst import seed_data as oasst_data
from benchmarks.registry import load_seed_data
from judges.judging import Judge
from judges.spec import load_spec
from results.cache import CallCache
from results.errors import SrlmError, UsageError
from results.records import Message
from tests.fakes import FakeEngine, prompt_of
from tests.real_data import real_data


def reply(i: str, text: str, rank: int | None, **more: Any) -> dict[str, Any]:
    return {"message_id": i, "role": "assistant", "lang": "en", "text": text, "rank": rank,
            "deleted": False, "replies": [], **more}  # fmt: skip


def tree(i: str, text: str, replies: list[dict[str, Any]], lang: str = "en") -> dict[str, Any]:
    root = {"message_id": i, "role": "prompter", "lang": lang, "text": text, "replies": replies}
    return {"message_tree_id": i, "prompt": root}


THREE = [reply("a", "best", 0), reply("b", "middle", 1), reply("c", "worst", 2)]


def write(path: Path, rows: list[Any]) -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def test_only_ranked_replies_in_the_language_count(tmp_path: Path) -> None:
    path = write(tmp_path / "trees.jsonl.gz", [
        tree("1", "Why?", [*THREE, reply("d", "fr", 0, lang="fr"), reply("e", "gone", 0,
             deleted=True), reply("f", "unranked", None), reply("g", "me", 0, role="prompter")]),
        tree("2", "Pourquoi?", THREE, lang="fr"),
        tree("3", "Nobody answered", []),
        tree("4", "One answer", [reply("h", "only", 0)]),
    ])  # fmt: skip
    found = read_trees(Path(path))
    assert [r.id for r in found] == ["1", "4"]
    assert [(x.id, x.text, x.rank) for x in found[0].responses] == [
        ("a", "best", 0), ("b", "middle", 1), ("c", "worst", 2),
    ]  # fmt: skip
    assert [r.id for r in read_any_rankings(Path(path))] == ["1"]  # one answer orders nothing


def test_seed_data_takes_the_best_reply_and_spreads_the_scores(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [tree("1", "Why?", THREE), tree("2", "Alone?",
                 [reply("x", "yes", 0)])])  # fmt: skip
    data = load_seed_data("oasst", {"path": path, "held_out_share": 0.0}, 0)
    assert [(e.prompt, e.completion) for e in data.ift] == [("Why?", "best"), ("Alone?", "yes")]
    assert [e.meta["score"] for e in data.eft] == [5, 2, 0]
    for example, score in zip(data.eft, (5, 2, 0), strict=True):
        assert example.completion.endswith(f"\nScore: {score}")
        assert "Why?" in str(example.prompt) and example.kind == "eft"
    assert (
        load_seed_data("oasst", {"path": path, "held_out_share": 0.0, "eft": "none"}, 0).eft == []
    )
    one = load_seed_data("oasst", {"path": path, "held_out_share": 0.0, "limit": 1}, 0)
    assert len(one.ift) == 1


def test_gaps_in_the_ranks_are_no_places(tmp_path: Path) -> None:
    def judged(*ranks: int) -> list[str]:
        replies = [reply(f"r{i}", f"answer {i}", rank) for i, rank in enumerate(ranks)]
        path = write(tmp_path / "gaps.jsonl", [tree("1", "Why?", replies)])
        return [e.completion for e in oasst_data(0, path, held_out_share=0.0).eft]

    assert judged(0, 2) == [
        "Of 2 answers people put this one at place 1.\nScore: 5",
        "Of 2 answers people put this one at place 2.\nScore: 0",
    ]
    assert judged(1, 9, 4) == judged(0, 2, 1)
    # A gap above a tie does not move it nearer to the worst.
    assert [x[-1] for x in judged(0, 5, 5, 6)] == ["5", "2", "2", "0"]
    assert judged(3, 3) == []


def graded(i: str, text: str, rank: int, quality: float | None, hub: bool = False) -> Any:
    labels: Any = {"spam": {"value": 0.0}, "quality": {"value": quality, "count": 3}}
    if hub:
        labels = {"name": ["spam", "quality"], "value": [0.0, quality], "count": [3, 3]}
    return reply(i, text, rank, labels=labels)


def test_ift_of_a_given_size_is_the_best_by_human_quality(tmp_path: Path) -> None:
    qualities = [0.5, 0.9, None, 0.7, 0.7]
    path = write(tmp_path / "t.jsonl", [
        tree(str(i), f"Why {i}?", [graded(f"a{i}", f"best {i}", 0, q, hub=i % 2 == 1),
                                   graded(f"b{i}", f"worst {i}", 1, 0.99)])
        for i, q in enumerate(qualities)
    ])  # fmt: skip
    options = {"path": path, "held_out_share": 0.0}

    def taken(n: int | None) -> tuple[list[str], list[str]]:
        data = load_seed_data("oasst", {**options, "ift": n}, 0)
        assert len(data.ranked) == 5  # the pool is all that people ranked
        return [e.completion for e in data.ift], data.notes

    assert taken(None) == ([f"best {i}" for i in range(5)], [])
    found, (note,) = taken(2)
    assert found == ["best 1", "best 3"] and "the 2 of 5 best answers" in note
    assert "0.7 and above, 1 have none" in note
    assert taken(4)[0] == ["best 0", "best 1", "best 3", "best 4"]
    found, (note,) = taken(9)
    assert len(found) == 5 and "5 answered instructions to train on, 9 asked for" in note
    plain = write(tmp_path / "p.jsonl", [tree(str(i), f"Why {i}?", THREE) for i in range(3)])
    data = load_seed_data("oasst", {**options, "path": plain, "ift": 2}, 0)
    assert [e.id for e in data.ift] == ["ift-0", "ift-1"] and "no human quality" in data.notes[0]


def test_any_ranked_data_are_seed_data(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", [
        {"id": "p", "prompt": "Why?", "responses": [
            {"id": "a", "text": "worse", "rank": 3}, {"id": "b", "text": "better", "rank": 1},
            {"id": "c", "text": "as good", "rank": 1}]},
        {"id": "q", "prompt": "How?", "responses": [{"id": "a", "text": "alone", "rank": 5}]},
    ])  # fmt: skip
    data = load_seed_data("oasst", {"path": path, "held_out_share": 0.0, "eft": "none"}, 0)
    assert [e.completion for e in data.ift] == ["better", "alone"]
    assert [r.id for r in data.ranked] == ["p"] and data.eft == []
    rows = [{"id": "p", "prompt": "Why?", "responses": [
        {"id": "a", "text": "x", "rank": 0}, {"id": "b", "text": "y", "rank": 1},
        {"id": "c", "text": "nobody ranked this", "rank": None}]}]  # fmt: skip
    data = load_seed_data("oasst", {"path": write(tmp_path / "n.jsonl", rows),
                                    "held_out_share": 0.0}, 0)  # fmt: skip
    assert [e.id for e in data.eft] == ["eft-a", "eft-b"]
    pairs = write(tmp_path / "pairs.jsonl", [
        {"id": "p", "prompt": "Why?", "first": "a", "second": "b", "label": "first"}])  # fmt: skip
    with pytest.raises(UsageError, match="found pairwise labels"):
        load_seed_data("oasst", {"path": pairs}, 0)
    own = write(tmp_path / "ift.jsonl", [{"prompt": "Say hi", "completion": "hi"}])
    jsonl = load_seed_data("jsonl", {"ift": own, "ranked": path}, 0)
    assert [r.id for r in jsonl.ranked] == ["p"]
    jsonl = load_seed_data("jsonl", {"ift": own, "ranked": path, "held_out_share": 1.0}, 0)
    assert jsonl.ranked == []


def test_data_that_leave_nothing_are_refused_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [tree(str(i), f"Why {i}?", THREE) for i in range(3)])
    alone = write(tmp_path / "a.jsonl", [tree("1", "Why?", [reply("x", "yes", 0)])])
    for options, message in (
        ({"path": path, "language": "de"}, "no prompt with a ranked response in the language 'de'"),
        ({"path": path, "held_out_share": 1.0}, "all 3 prompts are held out"),
        ({"path": alone, "held_out_share": 0.0}, "each of 1 prompts has one ranked answer"),
        ({"path": "hub:what"}, "expected hub:owner/name"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            load_seed_data("oasst", options, 0)
        assert "\n" not in str(caught.value)
    data = load_seed_data("oasst", {"path": alone, "held_out_share": 0.0, "eft": "none"}, 0)
    assert len(data.ift) == 1 and data.ranked == []


def test_the_micro_worlds_ranked_prompts_are_for_training() -> None:
    options = {"ift": 3, "eft": 0, "ranked": 6}
    data = load_seed_data("micro_world", options, 1)
    assert len(data.ranked) == 6 and all(len(r.responses) == 4 for r in data.ranked)
    assert not any(world_held_out(str(r.prompt)) for r in data.ranked)
    assert data == load_seed_data("micro_world", options, 1)
    assert load_seed_data("micro_world", {**options, "ranked": 0}, 1).ift == data.ift


def test_real_quality_orders_the_ift() -> None:
    path = real_data("judge_validation", "oasst", "oasst2_evaluation_fine_tuning_quality.jsonl.gz")
    data = load_seed_data("oasst", {"path": str(path), "ift": 100, "eft": "none"}, 0)
    whole = load_seed_data("oasst", {"path": str(path), "eft": "none"}, 0)
    assert len(data.ift) == 100 < len(whole.ift) and len(data.ranked) > 300
    assert "highest human quality" in data.notes[0]
    assert {e.id for e in data.ift} <= {e.id for e in whole.ift}
    assert not any(held_out_prompt(e.prompt, 0.3) for e in [*data.ift, *data.ranked])


def test_bad_trees_are_one_line(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.jsonl", [tree("1", "Why?", THREE), {"message_tree_id": "2"}])
    with pytest.raises(UsageError, match=r"bad\.jsonl:2: not a message tree") as caught:
        oasst_data(0, bad)
    assert "\n" not in str(caught.value)
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(SrlmError, match=r"empty\.jsonl: the file is empty"):
        oasst_data(0, str(tmp_path / "empty.jsonl"))
    with pytest.raises(SrlmError, match="nowhere"):
        oasst_data(0, str(tmp_path / "nowhere.jsonl"))
    with pytest.raises(UsageError, match="eft is 'rank', expected 'ranks' or 'none'"):
        load_seed_data("oasst", {"path": bad, "eft": "rank"}, 0)
    no_id = tree("1", "Why?", [{k: v for k, v in THREE[0].items() if k != "text"}])
    with pytest.raises(SrlmError, match=r"gap\.jsonl:1: responses\.0\.text: found None"):
        oasst_data(0, write(tmp_path / "gap.jsonl", [no_id]))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_held_out_share(share: float) -> None:
    held = sum(held_out_prompt(f"prompt {i}", share) for i in range(2000)) / 2000
    assert held == pytest.approx(share, abs=0.04)
    turns = [Message(role="user", content="prompt 1")]
    assert held_out_prompt(turns, share) == held_out_prompt("prompt 1", share)


def test_real_trees_keep_ift_and_evaluation_apart() -> None:
    path = real_data("judge_validation", "oasst", "en_100_tree.jsonl.gz")
    for share in (0.1, 0.3, 0.6):
        data = load_seed_data("oasst", {"path": str(path), "held_out_share": share}, 0)
        bench = JudgeAgreement(str(path), held_out_share=share)
        ranked = {r.prompt for r in bench.rankings}
        trained = {str(e.prompt) for e in data.ift}
        assert len(trained) > 20 and len(ranked) > 5

        def bare(texts: set[Any]) -> set[str]:
            return {" ".join(str(t).split()).lower() for t in texts}

        assert not bare(trained) & bare(ranked)
        assert not any(bench.held_out(t) for t in trained)
        assert all(bench.held_out(str(t)) for t in ranked)
        assert not any(
            str(t) in str(e.prompt) for e in data.eft for t in ranked if len(str(t)) > 20
        )


def test_a_held_out_prompt_is_known_in_other_spacing(tmp_path: Path) -> None:
    # The model that writes new prompts writes them in one line.
    path = write(tmp_path / "t.jsonl", [tree("1", "Why is\n\nthe sky blue?", THREE)])
    bench = JudgeAgreement(path)
    assert bench.held_out("Why is\n\nthe sky blue?") and bench.held_out("Why is the sky blue?")
    assert not bench.held_out("Why is the sea blue?")


def test_agreement_of_a_judge_with_people(cache: CallCache, tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [tree(str(i), f"Why {i}?", THREE) for i in range(4)])
    spec = load_spec("additive5")

    def reads_best(request: Any, seed: int) -> str:
        answer = prompt_of(request)
        score = 5 if "best" in answer else 3 if "middle" in answer else 1
        return f"Because.\nScore: {score}"

    caller = Caller(FakeEngine("j", reply=reads_best), cache)
    judge = Judge(spec, caller, "self", True)
    bench = JudgeAgreement(path)
    found = bench.evaluate(caller, judge, None, tmp_path / "e", 0)
    assert found.metrics["pairwise_accuracy"].value == 1.0
    assert (found.n, found.judge) == (4, "additive5")
    other = Judge(spec, caller, "hf:other", False)
    assert bench.evaluate(caller, other, None, tmp_path / "o", 0).judge == "additive5 on hf:other"
    with pytest.raises(UsageError, match="found no judge"):
        bench.evaluate(caller, None, None, tmp_path / "f", 0)
    assert len(JudgeAgreement(path, limit=2).rankings) == 2
    with pytest.raises(UsageError, match="no ranked prompt falls into the held-out share"):
        JudgeAgreement(path, held_out_share=0.0).evaluate(caller, judge, None, tmp_path / "g", 0)


def test_prompts_as_messages_are_judged_and_share_the_texts_cluster(
    cache: CallCache, tmp_path: Path
) -> None:
    turns = [{"role": "user", "content": "Why?"}]
    more = [*turns, {"role": "assistant", "content": "So."}, {"role": "user", "content": "How?"}]
    answers = [{"id": "a", "text": "best", "rank": 0}, {"id": "b", "text": "worst", "rank": 1}]
    path = write(tmp_path / "r.jsonl", [
        {"id": str(i), "prompt": prompt, "responses": answers}
        for i, prompt in enumerate(["Why?", turns, more])
    ])  # fmt: skip
    caller = Caller(FakeEngine("j", reply=lambda request, seed: "Fine.\nScore: 3"), cache)
    judge = Judge(load_spec("additive5"), caller, "self", True)
    found = JudgeAgreement(path).evaluate(caller, judge, None, tmp_path / "e", 0)
    clusters = {
        name: {v.prompt_id: v.cluster for v in found.values if v.metric == name}
        for name in ("unscored_rate", "pairwise_accuracy")
    }
    assert clusters["unscored_rate"] == clusters["pairwise_accuracy"]
    assert clusters["unscored_rate"]["0"] == clusters["unscored_rate"]["1"]
    assert len(set(clusters["unscored_rate"].values())) == 2


def test_own_files(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    ift = write(tmp_path / "ift.jsonl", [{"prompt": "Why?", "completion": "So."},
                {"id": 7, "prompt": turns, "completion": "Hello.", "extra": 1}])  # fmt: skip
    eft = write(tmp_path / "eft.jsonl.gz", [{"prompt": "Mark it", "completion": "Score: 5"}])
    data = load_seed_data("jsonl", {"ift": ift, "eft": eft}, 0)
    assert [(e.id, e.completion, e.kind) for e in data.ift] == [
        ("ift-1", "So.", "ift"), ("7", "Hello.", "ift"),
    ]  # fmt: skip
    assert data.ift[1].prompt == [Message(role="user", content="Hi")]
    assert [(e.id, e.kind) for e in data.eft] == [("eft-1", "eft")]
    assert load_seed_data("jsonl", {"ift": ift}, 0).eft == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "Why?"}, r"ift\.jsonl:2: no 'completion'; expected 'prompt' and 'completion'"),
        ({"prompt": 5, "completion": "x"}, r"ift\.jsonl:2: prompt\..*expected text or messages"),
        ({"prompt": "x", "completion": None}, r"ift\.jsonl:2: completion: "),
        ({"prompt": [{"role": "boss", "content": "x"}], "completion": "y"}, r"jsonl:2: prompt\."),
        ([1], r"ift\.jsonl:2: found \[1\]"),
        ({"prompt": [], "completion": "x"}, r"ift\.jsonl:2: prompt\."),
        ({"prompt": " ", "completion": "x"}, r"ift\.jsonl:2: 'prompt' is blank"),
        ({"prompt": "x", "completion": "\n"}, r"ift\.jsonl:2: 'completion' is blank"),
        ({"prompt": "x\ud800y", "completion": "x"}, r"ift\.jsonl:2: found \\ud800, half a char"),
    ],
)
def test_own_files_with_a_bad_line(tmp_path: Path, row: Any, message: str) -> None:
    path = write(tmp_path / "ift.jsonl", [{"prompt": "a", "completion": "b"}, row])
    with pytest.raises(SrlmError, match=message) as caught:
        load_seed_data("jsonl", {"ift": path}, 0)
    assert "\n" not in str(caught.value)


def test_own_files_empty_or_missing(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("\n\n")
    with pytest.raises(SrlmError, match="the file is empty"):
        load_seed_data("jsonl", {"ift": str(tmp_path / "e.jsonl")}, 0)
    with pytest.raises(SrlmError, match=r"none\.jsonl"):
        load_seed_data("jsonl", {"ift": str(tmp_path / "none.jsonl")}, 0)
    with pytest.raises(UsageError, match="needs the option 'ift'"):
        load_seed_data("jsonl", {}, 0)
    with pytest.raises(UsageError, match=r"unknown data source 'josnl'; did you mean 'jsonl'"):
        load_seed_data("josnl", {}, 0)
