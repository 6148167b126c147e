"""Head to head: sides, verdicts, figures, and how far two judges agree."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.head_to_head.disagreement import VERDICTS, disagreement
from benchmarks.head_to_head.figures import contest_metrics
from benchmarks.head_to_head.sides import Item, Match, Measured, Side, matched, side_of_file
from benchmarks.head_to_head.verdicts import Verdicts, by_metric
from harness.cli import main
from judges.pairwise import Verdict
from results.errors import SrlmError, UsageError
from tests.alpaca_files import baseline_row, write
from tests.fake_server import FakeServer, last_text

PROMPTS = ["one", "two", "three", "four"]


def matches(n: int, categories: Callable[[int], str] = lambda i: "x") -> list[Match]:
    return [Match(Item(f"i{i}", f"prompt {i}", categories(i)), "aa", "bbb") for i in range(n)]


def test_shares_add_up_and_a_tie_is_a_half() -> None:
    of = matches(10, lambda i: "odd" if i % 2 else "even")
    said: Verdicts = {m.item.id: "win" for m in of[:5]} | {m.item.id: "tie" for m in of[5:7]}
    said |= {m.item.id: "loss" for m in of[7:9]} | {of[9].item.id: None}
    found = contest_metrics(of, said, 0)
    assert [found[k].value for k in ("win_share", "tie_share", "loss_share")] == [
        5 / 9,
        2 / 9,
        2 / 9,
    ]
    assert found["win_rate"].value == pytest.approx(6 / 9)
    assert (found["win_rate"].n, found["win_rate"].of) == (9, 10)
    assert found["by_category"]["odd"].value == pytest.approx((2 + 0.5 + 0) / 4)  # i1 i3, i5, i7
    assert (found["by_category"]["odd"].n, found["by_category"]["odd"].of) == (4, 5)
    assert (found["mean_length"].value, found["baseline_mean_length"].value) == (2, 3)
    assert found["win_rate"].low < found["win_rate"].value < found["win_rate"].high


def test_disagreement_by_hand() -> None:
    of = matches(8)
    one: list[Any] = ["win", "win", "win", "tie", "loss", "loss", "tie", None]
    two: list[Any] = ["win", "win", "loss", "win", "loss", "win", None, "win"]
    found = disagreement(
        ("a", "b"),
        of,
        {m.item.id: v for m, v in zip(of, one, strict=True)},
        {m.item.id: v for m, v in zip(of, two, strict=True)},
        0,
    )
    assert (found.n, found.of) == (6, 8)
    assert found.table["win"] == {"win": 2, "tie": 0, "loss": 1}
    assert found.table["loss"] == {"win": 1, "tie": 0, "loss": 1}
    values = {name: metric.value for name, metric in found.metrics.items()}
    chance = (3 * 4 + 1 * 0 + 2 * 2) / 36
    assert values == pytest.approx(
        {"agreement": 3 / 6, "cohen_kappa": (3 / 6 - chance) / (1 - chance), "opposed": 2 / 6,
         "lean": (-1 + 0.5 + 1) / 6}
    )  # fmt: skip


def test_kappa_is_that_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    import random

    rng = random.Random(1)
    of = matches(200)
    one: list[Verdict] = [rng.choice(VERDICTS) for _ in of]
    two = [v if rng.random() < 0.6 else rng.choice(VERDICTS) for v in one]
    first: Verdicts = {m.item.id: v for m, v in zip(of, one, strict=True)}
    second: Verdicts = {m.item.id: v for m, v in zip(of, two, strict=True)}
    found = disagreement(("a", "b"), of, first, second, 0)
    expected = sklearn.cohen_kappa_score(one, two)
    assert found.metrics["cohen_kappa"].value == pytest.approx(expected)


def test_sides_are_joined_by_id_or_by_text() -> None:
    first = Side("A", [Item("1", "x"), Item("2", "y")], {"1": "ax", "2": "ay"})
    same = Side("B", [Item("2", "y"), Item("1", "x")], {"1": "bx", "2": "by"})
    other = Side("C", [Item("q", "y"), Item("r", "x")], {"r": "cx", "q": None})
    assert [(m.first, m.second) for m in matched(first, same)] == [("ax", "bx"), ("ay", "by")]
    assert [(m.first, m.second) for m in matched(first, other)] == [("ax", "cx"), ("ay", None)]
    lacking = Side("D", [Item("q", "y")], {"q": ""})
    with pytest.raises(SrlmError, match="A has 1 of 2 prompts that D lacks"):
        matched(first, lacking)
    twice = Side("E", [Item("q", "y"), Item("r", "y")], {"q": "", "r": ""})
    with pytest.raises(SrlmError, match="E answers 'y' 2 times"):
        matched(first, twice)
    # Under the same ids a text may be there twice.
    assert len(matched(twice, twice)) == 2


def test_the_category_is_that_of_whoever_has_one() -> None:
    first = Side("A", [Item("1", "x"), Item("2", "y", "p")], {"1": "", "2": ""})
    second = Side("B", [Item("q", "y"), Item("r", "x", "k")], {"q": "", "r": ""})
    assert [m.item.category for m in matched(first, second)] == ["k", "p"]
    assert [m.item.category for m in matched(second, first)] == ["p", "k"]


def test_by_metric() -> None:
    items = [Item("1", "x"), Item("2", "y"), Item("3", "z")]
    answers: dict[str, str | None] = {"1": "", "2": "", "3": ""}
    same = Measured("b", "j", "d", None)
    ours, theirs = {"1": 2.0, "2": 0.1 + 0.2, "3": 1.0}, {"1": 3.0, "2": 0.3}
    first = Side("A", items, answers, values={"score": ours}, measured=same)
    second = Side("B", items, answers, values={"score": theirs}, measured=same)
    of = matched(first, second)
    assert by_metric("score", first, second, of) == {"1": "loss", "2": "tie", "3": None}
    silent = replace(first, answers={**answers, "1": None})
    of = matched(silent, second)
    assert by_metric("score", silent, second, of)["1"] is None  # a failed call is no loss
    with pytest.raises(UsageError, match=r"no such figure by prompt; did you mean 'score'\?"):
        by_metric("scores", first, second, of)


def likes_short(body: dict[str, Any]) -> str:
    """Whoever is shorter; the model answers in capitals."""
    text = last_text(body)
    if "<response_a>" not in text:
        return text.upper()
    a, b = (text.split(f"<response_{x}>\n")[1].split("\n</")[0] for x in "ab")
    return f"So.\nVerdict: {'A' if len(a) < len(b) else 'B' if len(b) < len(a) else 'tie'}"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(models=("writer", "judge"), reply=likes_short) as up:
        yield up


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def files() -> tuple[str, str]:
    """A is shorter on one, longer on two, as long on three, the same on four."""
    ours = dict(zip(PROMPTS, ["s", "longer", "aaa", "same"], strict=True))
    theirs = dict(zip(PROMPTS, ["long", "l", "bbb", "same"], strict=True))
    return tuple(  # type: ignore[return-value]
        str(write(Path(f"{name}.json"), [
            baseline_row(p, text, generator=name) for p, text in said.items()
        ]))
        for name, said in (("A", ours), ("B", theirs))
    )  # fmt: skip


def words(server: FakeServer, *more: str) -> list[str]:
    return ["head-to-head", *more, "--json", "--judge", "openai:judge",
            f"judge.options.base_url={server.url}"]  # fmt: skip


def test_two_files(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    said = words(server, *files(), "--out", "h")
    assert main(said) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["rows"]
    assert (row["model"], row["baseline"], row["n"], row["judge"]) == (
        "A", "B", 4, "pairwise on openai:judge",
    )  # fmt: skip
    shares = [row["metrics"][key]["value"] for key in ("win_share", "tie_share", "loss_share")]
    assert shares == [0.25, 0.5, 0.25]
    assert "1 answers are the same" in row["note"]
    assert found["disagreements"] == []
    # Both orders of three pairs; the same answers are not asked about.
    asked = [last_text(body) for body in server.bodies]
    assert len(asked) == 6
    shown = [text.split("<response_a>\n")[1].split("\n</")[0] for text in asked]
    assert sorted(shown) == sorted(["s", "long", "longer", "l", "aaa", "bbb"])
    assert main(said) == 0
    assert json.loads(capsys.readouterr().out) == found and len(server.bodies) == 6
    for form in ("table", "md", "csv", "latex"):
        assert main([w for w in said if w != "--json"] + ["--format", form]) == 0
        assert "pairwise on openai:judge" in capsys.readouterr().out


@contextmanager
def breaking() -> Iterator[tuple[FakeServer, dict[str, bool]]]:
    """A server that refuses the prompt "two" as long as ``broken["is"]``."""
    broken = {"is": True}

    def fault(body: dict[str, Any], attempt: int) -> str | None:
        return "400" if broken["is"] and last_text(body) == "two" else None

    with FakeServer(models=("writer", "judge"), reply=likes_short, fault=fault) as server:
        yield server, broken


def test_models_are_asked_and_failed_calls_made_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a, _ = files()
    with breaking() as (server, broken):
        said = words(server, "openai:writer", a, f"a.base_url={server.url}", "--out", "h")
        assert main(said) == 0
        (row,) = json.loads(capsys.readouterr().out)["rows"]
        assert (row["model"], row["baseline"]) == ("openai:writer", "A")
        assert (row["metrics"]["win_rate"]["n"], row["metrics"]["win_rate"]["of"]) == (3, 4)
        assert "1 prompts lack an answer" in row["note"]
        broken["is"] = False
        assert main(said) == 0
        printed = capsys.readouterr()
        (row,) = json.loads(printed.out)["rows"]
        assert row["metrics"]["win_rate"]["n"] == 4 and "note" not in row
        assert "1 calls that failed are made again" in printed.err
        assert len(server.bodies) == 4 + 6 + 1 + 2


def evaluated(server: FakeServer, *more: str) -> None:
    said = ["eval", "openai:writer", "--benchmark", "micro_world", "options.items=8",
            "options.rankings=1", f"engine.base_url={server.url}", "--json", *more]  # fmt: skip
    assert main(said) == 0


def test_evaluations_by_their_figures_and_by_a_judge(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(server, "--out", "x", "--name", "X")
    evaluated(server, "--out", "y", "--name", "Y", "--seed", "1")
    capsys.readouterr()
    assert main(words(server, "x", "y", "--by", "oracle_score", "--out", "h")) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["judge"] for row in found["rows"]] == [
        "by oracle_score",
        "pairwise on openai:judge",
    ]
    assert {row["metrics"]["tie_share"]["value"] for row in found["rows"]} == {1.0}
    (one,) = found["disagreements"]
    assert one["table"]["tie"]["tie"] == one["n"] == 8
    assert one["metrics"]["cohen_kappa"]["reason"] == "a judge says one and the same of all"
    # An earlier comparison of the same answers stands in for its judge.
    assert main(["head-to-head", "x", "y", "--by", "mean_length", "--with", "h", "--json"]) == 0
    more = json.loads(capsys.readouterr().out)["disagreements"]
    assert [(d["first"], d["second"]) for d in more] == [
        ("by oracle_score", "pairwise on openai:judge"),
        ("by oracle_score", "by mean_length"),
        ("pairwise on openai:judge", "by mean_length"),
    ]
    assert main(["head-to-head", "x", "y", "--by", "oracle_score"]) == 0
    assert "first judge" not in capsys.readouterr().out


def test_a_judge_that_is_a_side_is_marked(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    a, _ = files()
    said = ["head-to-head", "openai:writer", a, "--judge", "openai:writer", "--json", "--out", "h",
            f"a.base_url={server.url}", f"judge.options.base_url={server.url}"]  # fmt: skip
    assert main(said) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["judge_is_judged"] is True


def test_what_is_refused(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = files()
    evaluated(server, "--out", "x")
    capsys.readouterr()
    asked = len(server.bodies)
    few = str(write(Path("few.json"), [baseline_row("one")]))
    cases = [
        (["head-to-head", a, b], "found no judge"),
        (words(server, a, "nothing.json"), "no such file or folder, and no engine:name"),
        (words(server, a, few), "A has 3 of 4 prompts that base lacks"),
        (words(server, a, b, "--by", "oracle_score"), "it is no evaluation folder"),
        (words(server, a, b, "--prompts", few), "both sides are stored answers"),
        (words(server, a, b, "a.base_url=x"), "options are of a MODEL's engine"),
        (words(server, "openai:writer", "openai:writer"), "need --prompts FILE"),
        (words(server, a, "openai:writer", "--by", "x"), "takes two evaluation folders"),
        (words(server, "x", "."), ".: no evaluation"),
        (words(server, a, b, "judge.spek=x"), "did you mean 'spec'?"),
        (words(server, a, b, "decoding.temperature=1"), "both are stored answers"),
        (["head-to-head", "x", "x", "--by", "oracle_score", "judge.draws=2"], "there is none"),
        (words(server, a, b, "--with", "x"), "no comparison"),
    ]
    for said, wrong in cases:
        assert main([*said, "--out", "h"]) in (1, 2), said
        printed = capsys.readouterr()
        assert wrong in printed.err and printed.out == "", said
        assert printed.err.count("\n") == 1
    assert len(server.bodies) == asked


def test_side_of_file_reads_what_upstream_writes() -> None:
    a, _ = files()
    side = side_of_file(Path(a))
    assert (side.name, len(side.items), side.items[0].category) == ("A", 4, "koala")


def test_one_setting_of_decoding_keeps_the_others(server: FakeServer) -> None:
    a, _ = files()
    said = words(server, "openai:writer", a, f"a.base_url={server.url}", "--out", "h")
    assert main([*said, "decoding.temperature=1.5"]) == 0
    asked = [b for b in server.bodies if b["model"] == "writer"]
    limits = {b.get("max_tokens") or b.get("max_completion_tokens") for b in asked}
    assert limits == {2048} and {b["temperature"] for b in asked} == {1.5}


def test_a_kill_while_failed_answers_are_opened_loses_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a, _ = files()
    with breaking() as (server, broken):
        said = words(server, "openai:writer", a, f"a.base_url={server.url}", "--out", "h")
        assert main(said) == 0
        broken["is"] = False

        def killed(folder: Path) -> int:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("harness.head_to_head.compare.reopen_failed", killed)
            assert main(said) == 130
        capsys.readouterr()
        assert main(said) == 0
        (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["metrics"]["win_rate"]["n"] == 4


def test_two_models_of_one_name_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    a, _ = files()
    with (
        FakeServer(models=("writer", "judge"), reply=likes_short) as one,
        FakeServer(models=("writer",), reply=lambda body: "no") as two,
    ):
        said = words(one, "openai:writer", "openai:writer", "--prompts", a, "--out", "h",
                     f"a.base_url={one.url}", f"b.base_url={two.url}")  # fmt: skip
        assert main(said) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["model"] != row["baseline"]
    assert {row["model"][:14], row["baseline"][:14]} == {"openai:writer "}
    assert row["metrics"]["loss_share"]["value"] == 1.0  # "no" is shorter than any question


def test_a_comparison_stands_in_a_leaderboard(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(server, "--out", "x", "--name", "X")
    evaluated(server, "--out", "y", "--name", "Y", "--seed", "1")
    assert main(words(server, "x", "y", "--by", "oracle_score", "--out", "h")) == 0
    capsys.readouterr()
    assert main(["leaderboard", "h", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["judge"] for row in rows] == ["by oracle_score", "pairwise on openai:judge"]
    for form in ("md", "csv", "latex", "html"):
        said = [w for w in words(server, "x", "y", "--by", "oracle_score", "--out", "h")
                if w != "--json"]  # fmt: skip
        assert main([*said, "--format", form]) == 0
        assert "against by oracle" in capsys.readouterr().out


def test_figures_by_another_measure_are_refused() -> None:
    items, answers = [Item("1", "x")], {"1": "same"}

    def side(name: str, **more: str) -> Side:
        told = {"benchmark": "b", "judge": "j", "data": "d", "baseline": "o", **more}
        values = {"win_rate": {"1": 0.2}, "score": {"1": 0.2}}
        return Side(name, items, dict(answers), values=values, measured=Measured(**told))

    def by(metric: str, **other: str) -> Verdicts:
        first, second = side("A"), side("B", **other)
        return by_metric(metric, first, second, matched(first, second))

    assert by("win_rate") == {"1": "tie"}
    assert by("score", baseline="p") == {"1": "tie"}
    for metric, other in (
        ("win_rate", {"baseline": "p"}),
        ("score", {"judge": "k"}),
        ("score", {"data": "e"}),
        ("score", {"benchmark": "c"}),
    ):
        (key,) = other
        with pytest.raises(UsageError, match=f"measured with another {key}"):
            by(metric, **other)


def test_a_judge_of_one_order_is_asked_in_both(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = files()
    for spec in ("AB", "random"):
        Path(f"{spec}.yaml").write_text(
            f"name: {spec}\nversion: 1\nkind: pairwise\ndescription: x\norders: {spec}\n"
            "rubric: rubric.md\nparser: {name: verdict_line, label: Verdict}\ndraws: 1\n"
            "decoding: {temperature: 0, top_p: 1, max_tokens: 9}\naggregation: mean\n"
            'example: {text: "Verdict: A", verdict: A}\n'
        )
    Path("rubric.md").write_text(
        "{prompt}\n<response_a>\n{first}\n</response_a>\n<response_b>\n{second}\n</response_b>\n"
    )
    shares = []
    for spec, sides in (("AB", (a, b)), ("random", (a, b)), ("AB", (b, a))):
        said = words(server, *sides, f"judge.spec={spec}.yaml", "--out", f"{spec}{sides[0]}")
        assert main(said) == 0
        (row,) = json.loads(capsys.readouterr().out)["rows"]
        shares.append([row["metrics"][f"{n}_share"]["value"] for n in ("win", "tie", "loss")])
    assert shares[0] == shares[1] == shares[2][::-1]


def test_a_side_without_answers_ends_with_4(capsys: pytest.CaptureFixture[str]) -> None:
    a, _ = files()
    with FakeServer(models=("writer", "judge"), reply=likes_short,
                    fault=lambda body, attempt: "400" if body["model"] == "writer" else None
                    ) as server:  # fmt: skip
        said = words(server, "openai:writer", a, f"a.base_url={server.url}", "--out", "h")
        assert main(said) == 4
    assert "4 of 4 prompts are unscored" in capsys.readouterr().err


def test_a_comparison_that_is_opened_again_has_no_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a, _ = files()
    with breaking() as (server, broken):
        said = words(server, "openai:writer", a, f"a.base_url={server.url}", "--out", "h")
        assert main(said) == 0 and Path("h/head_to_head.json").exists()
        broken["is"] = False
        assert main([*said, "budget.max_calls=10"]) == 3
    assert not Path("h/head_to_head.json").exists()
    capsys.readouterr()
    assert main(["leaderboard", "h"]) == 2
    assert "no model has been evaluated there yet" in capsys.readouterr().err


def test_plan_calls_nothing(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = files()
    assert main(words(server, a, b, "--plan", "--out", "h")) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(s["stage"], s["calls"]) for s in found["steps"]] == [("judge", 6)]  # one is the same
    said = words(server, "openai:writer", a, f"a.base_url={server.url}", "--plan", "--out", "h")
    assert main(said) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(s["stage"], s["calls"]) for s in found["steps"]] == [("answers, A", 4), ("judge", 8)]
    assert found["prompts"]["answers, A"] == "one"
    assert server.bodies == [] and not Path("h").exists()
