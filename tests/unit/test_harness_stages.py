"""The stages of the self-reward step on a fake engine: what they keep, drop, refuse and resume."""

from __future__ import annotations

import ast
import hashlib
import json
import random
from collections import Counter
from pathlib import Path

import pytest

import benchmarks.micro_world.benchmark
import benchmarks.micro_world.build_m0
import benchmarks.micro_world.oracle
import benchmarks.micro_world.writers
from backends.engines.engine import Completion, Request, Usage
from benchmarks.micro_world.world import draw_instruction, held_out
from harness.run import StopRun
from harness.smoke.scale import batch_tried
from harness.stages.audit import audit
from harness.stages.candidates import candidates
from harness.stages.judgments import judgments
from harness.stages.pairs import check_counts, least_pairs, pairs
from harness.stages.prompts import check_shots, most_prompts, prompts
from harness.stages.seed import keep_seed, read_seed
from results.errors import UsageError
from results.records import Candidate, Example, Message, Prompt
from tests.fake_run import FakeRun, fake_runs
from tests.fakes import Killed, failed, mortal, prompt_of

ROOT = Path(__file__).parents[2]
IFT = [Example(id=str(i), prompt=f"Say what animal {i} eats.", completion="x", kind="ift")
       for i in range(8)]  # fmt: skip


def reply(request: Request, seed: int) -> Completion | str:
    """Plays M0, the policy and the judge; the form of the request tells which."""
    rng = random.Random(seed)
    text = prompt_of(request)
    if isinstance(request.prompt, str):
        return draw_instruction(rng, held=rng.random() < 0.3).text
    if text.startswith("Mark the answer."):
        answer = int(hashlib.sha256(text.encode()).hexdigest(), 16)
        return "hm" if rng.random() < 0.1 else f"Check.\nScore: {answer % 6}"
    if rng.random() < 0.15:
        return Completion("endless", "length", Usage(3, 56))
    return f"answer {rng.randrange(1000)}"


def step(made: FakeRun, k: int = 2):
    asked = prompts(made.run, k, IFT)
    answers = candidates(made.run, k, asked)
    scored = judgments(made.run, k, asked, answers)
    return asked, answers, scored, pairs(made.run, k, asked, answers, scored)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = ["prompts.count=[24]", "prompts.shots=3", "candidates.n=3", "pairs.min_pairs=1"]
    yield from fake_runs(tmp_path, monkeypatch, reply, small)


def test_the_self_reward_step_never_asks_the_oracle(box, monkeypatch) -> None:
    """Audit labels alone are excepted: they come after the pairs and decide whether training
    starts, never which pairs are trained on (test_harness_audit.py compares every byte).
    """
    made = box("audit.by=verifier")

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the oracle took part in the self-reward step")

    for module in (
        benchmarks.micro_world.oracle, benchmarks.micro_world.benchmark,
        benchmarks.micro_world.writers, benchmarks.micro_world.build_m0,
    ):  # fmt: skip
        monkeypatch.setattr(module, "mark", asked)
    asked_prompts, answers, scored, found = step(made)
    kept = [p for p in asked_prompts if p.status == "kept"]
    assert len(kept) == 24 and len(answers) == 72 and scored and 5 < len(found) <= 24
    scores: dict[str, list[float]] = {}
    for judgment in scored:
        if judgment.score is not None:
            scores.setdefault(judgment.response_id, []).append(judgment.score)
    for pair in found:
        for side, score in (("chosen", pair.chosen_score), ("rejected", pair.rejected_score)):
            draws = scores[getattr(pair, f"{side}_id")]
            assert score == pytest.approx(sum(draws) / len(draws))
        assert pair.margin >= made.config.pairs.min_margin
    with pytest.raises(AssertionError, match="the oracle took part"):
        audit(made.run, 2)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_code_of_the_self_reward_step_imports_the_oracle() -> None:
    files = [p for name in ("harness", "judges", "backends") for p in (ROOT / name).rglob("*.py")]
    assert len(files) > 30
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not {i for i in imports(path) if i.startswith("benchmarks.micro_world")}, path
        # Nor by a name in a string, for importlib.
        assert "micro_world.oracle" not in text and "micro_world.writers" not in text, path
    world = ROOT / "benchmarks" / "micro_world" / "world.py"
    for imported in imports(world):
        assert "oracle" not in imported and "writers" not in imported and "seed" not in imported


def test_what_is_dropped_is_counted_with_its_reason(box) -> None:
    made = box("prompts.count=[40]", "prompts.rounds=3")
    asked = prompts(made.run, 2, IFT)
    kept = [p for p in asked if p.status == "kept"]
    assert len({p.prompt for p in kept}) == len(kept)
    assert not any(held_out(str(p.prompt)) for p in kept)
    dropped = Counter(p.reason for p in asked if p.status == "dropped")
    assert dropped["held_out"] > 0 and None not in dropped
    assert all(held_out(str(p.prompt)) for p in asked if p.reason == "held_out")
    assert [p.id for p in asked] == [f"m2-{i}" for i in range(len(asked))]
    assert "held_out" in made.said.getvalue() and f"{len(kept)} kept of" in made.said.getvalue()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (" ", "empty"),
        ("word " * 31, "too_long"),
        ("Say what  animal 3 eats.", "in_seed_data"),
        (Completion("Say wha", "length", Usage(1, 32)), "unterminated"),
        (failed(), "error"),
    ],
)
def test_every_reason(box, said: Completion | str, reason: str) -> None:
    made = box("prompts.rounds=2", "prompts.count=[2]")
    made.reply = lambda r, s: said
    with pytest.raises(StopRun, match="no prompt was kept of") as caught:
        prompts(made.run, 2, IFT)
    assert caught.value.exit_code == 3
    text = (made.folder / "iter_2" / "prompts.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    assert {p["reason"] for p in found} == {reason}


def test_a_copy_of_seed_data_in_other_spacing_is_no_new_prompt(box) -> None:
    made = box("prompts.rounds=1", "prompts.count=[2]")
    made.reply = lambda r, s: "Why is the sky blue?"
    spaced = [e.model_copy(update={"prompt": "Why is\n\nthe  sky blue?"}) for e in IFT[:1]]
    with pytest.raises(StopRun):
        prompts(made.run, 2, [*spaced, *IFT])
    text = (made.folder / "iter_2" / "prompts.jsonl").read_text()
    assert '"in_seed_data"' in text and '"kept"' not in text


def test_duplicates_and_surplus(box) -> None:
    made = box("prompts.rounds=1", "prompts.count=[4]")
    free = [text for i in range(20) if not held_out(text := f"Tell me about {i}.")]
    turns = iter([free[0], free[0], *free[1:5]])
    made.reply = lambda r, s: next(turns)
    asked = prompts(made.run, 2, IFT)
    assert [p.reason for p in asked] == [None, "duplicate", None, None, None]
    made = box("prompts.rounds=1", "prompts.count=[3]", name="more")
    more = iter(free)
    made.reply = lambda r, s: next(more)
    assert [p.reason for p in prompts(made.run, 2, IFT)] == [None, None, None, "surplus"]


def test_m0_writes_the_prompts_and_the_policy_the_answers(box) -> None:
    made = box()
    step(made, 3)
    by = {e.identity: e.calls for e in made.engines if e.calls}
    assert all(isinstance(r.prompt, str) for r in by["fake:m0"])
    policy = by["fake:iter_2/checkpoint"]
    assert all(not isinstance(r.prompt, str) for r in policy)
    assert any("Mark the answer" in prompt_of(r) for r in policy)  # judge.model is self


def test_a_judge_of_its_own_judges(box) -> None:
    made = box("judge.model=hf:/other/judge")
    step(made)
    judge = [e for e in made.engines if e.identity == "fake:/other/judge"]
    assert judge and all("Mark the answer" in prompt_of(r) for e in judge for r in e.calls)


def test_unterminated_and_blank_candidates_are_not_judged(box) -> None:
    made = box()
    asked = [Prompt(id="p", prompt="Why?", source="x")]
    shared = {"prompt_id": "p", "tokens": 1, "call": "c"}
    answers = [
        Candidate(response_id="a", draw=0, text="fine", finish_reason="stop", **shared),
        Candidate(response_id="b", draw=1, text="cut", finish_reason="length", **shared),
        Candidate(response_id="c", draw=2, text="  ", finish_reason="stop", **shared),
        Candidate(response_id="d", draw=3, text="HTTP", finish_reason="error", **shared),
    ]
    scored = judgments(made.run, 2, asked, answers)
    assert {j.response_id for j in scored} == {"a"} and len(scored) == made.run.spec.draws
    with pytest.raises(StopRun, match="none of 3 candidates ended by itself"):
        judgments(made.run, 3, asked, answers[1:])


def test_too_many_unscored_judgments_stop_with_4_each_time(box) -> None:
    made = box("judge.max_unscored=0.2")
    asked = prompts(made.run, 2, IFT)
    answers = candidates(made.run, 2, asked)
    made.reply = lambda r, s: "I would rather not"
    for _ in range(2):  # a restarted run does not slip through
        with pytest.raises(StopRun, match=r"100\.0% of .* judgments are unscored") as caught:
            judgments(made.run, 2, asked, answers)
        assert caught.value.exit_code == 4


def test_shuffled_scores_are_other_pairs_from_the_same_judgments(box) -> None:
    first = step(box(name="a"))
    second = step(box("judge.shuffle=true", name="b"))
    assert first[:3] == second[:3] and first[3] != second[3]


def test_killed_at_any_batch_the_step_ends_with_the_same_files(box) -> None:
    small = "prompts.count=[8]"
    whole = box(small, name="whole")
    step(whole)
    expected, total = whole.files(), len(whole.calls)
    for survive in (0, 11, total // 2, total - 1):
        made = box(small, name=f"cut{survive}")
        made.reply = mortal(reply, survive)
        with pytest.raises(Killed):
            step(made)
        answered = 5 * (survive // 5)  # whole batches count, the last one of a stage is smaller
        made.run.close()
        made.reply = reply
        before = len(made.calls)
        made.run = made.opened()
        step(made)
        assert made.files() == expected, survive
        assert len(made.calls) - before <= total - answered + 5 * 4
        done = len(made.calls)
        step(made)
        assert len(made.calls) == done
    assert not any(name.endswith(".part") for name in expected)


@pytest.mark.parametrize("odd", ["auto", [4, 8], 0, True, None])
def test_a_batch_that_is_no_number_needs_one_pair(box, odd: object) -> None:
    made = box("pairs.min_pairs=null", "prompts.count=[2]")
    made.config.dpo.settings["batch_size"] = odd  # of a trainer from outside
    assert least_pairs(made.run) == 1
    made.config.dpo.settings["batch_size"] = 3
    assert least_pairs(made.run) == 3
    assert (batch_tried({"batch_size": odd}), batch_tried({"batch_size": 3})) == (8, 3)


def rows(path: Path, *found: dict) -> str:
    path.write_text("".join(json.dumps(r) + "\n" for r in found))
    return f"prompts.path={path}"


def test_prompts_from_a_file_go_on_where_the_last_iteration_ended(box, tmp_path: Path) -> None:
    found = [{"prompt": f"Question {i}?"} for i in range(5)]
    made = box("prompts.source=file", "prompts.count=[2]", rows(tmp_path / "p.jsonl", *found))
    taken = [[str(p.prompt) for p in prompts(made.run, k, IFT)] for k in (2, 3, 4)]
    assert taken == [["Question 0?", "Question 1?"], ["Question 2?", "Question 3?"],
                     ["Question 4?"]]  # fmt: skip
    assert [most_prompts(made.config.prompts, k) for k in (2, 3, 4, 5)] == [2, 2, 1, 0]


def test_a_prompt_file_that_is_too_short_is_refused_before_the_run(box, tmp_path: Path) -> None:
    path = rows(tmp_path / "p.jsonl", *({"prompt": f"Question {i}?"} for i in range(5)))
    own = ["prompts.source=file", "prompts.count=[2]", path, "pairs.min_pairs=2"]
    check_counts(box(*own, "iterations=3").run)
    made = box(*own, "iterations=4")
    left = r"p\.jsonl: M4 gets what is left of it, 1 prompts.* pairs\.min_pairs needs 2; "
    with pytest.raises(UsageError, match=f"{left}add to the file, or lower"):
        check_counts(made.run)
    (made.run.iteration(3) / "checkpoint").mkdir(parents=True)  # file and settings are fixed
    with pytest.raises(UsageError, match=rf"{left}choose a new --out with start=.*iter_3 and a fi"):
        check_counts(made.run)
    with pytest.raises(UsageError, match=r"M2 gets what is left of it, 5 prompts.* needs 6"):
        check_counts(box(*own[:1], path, "prompts.count=[9]", "pairs.min_pairs=6").run)


def test_prompts_of_a_file_never_share_an_id(box, tmp_path: Path) -> None:
    path = rows(tmp_path / "p.jsonl", {"id": "x", "prompt": "One?"}, {"id": "x", "prompt": "Two?"})
    made = box("prompts.source=file", path)
    with pytest.raises(UsageError, match=r"p\.jsonl:2: id 'x' is there more than once"):
        prompts(made.run, 2, IFT)
    assert not (made.folder / "iter_2" / "prompts.jsonl").exists()
    null = rows(tmp_path / "n.jsonl", {"id": None, "prompt": "1?"}, {"id": None, "prompt": "2?"})
    other = box("prompts.source=file", null, name="null")
    assert [p.id for p in prompts(other.run, 2, IFT)] == ["line-1", "line-2"]


def test_a_bad_line_of_a_prompt_file_is_named(box, tmp_path: Path) -> None:
    path = rows(tmp_path / "p.jsonl", {"prompt": "One?"}, {"text": "Two?"})
    with pytest.raises(UsageError, match=r"p\.jsonl:2: no 'prompt' with a text"):
        prompts(box("prompts.source=file", path).run, 2, IFT)


def test_too_few_instructions_for_the_shots(box) -> None:
    with pytest.raises(UsageError, match=r"prompts\.shots is 9, but the seed data has 8"):
        check_shots(box("prompts.shots=9").run, IFT)
    messages = [e.model_copy(update={"prompt": [Message(role="user", content=str(e.prompt))]})
                for e in IFT]  # fmt: skip
    check_shots(box("prompts.shots=8").run, messages)


@pytest.mark.parametrize("as_messages", [False, True])
def test_held_out_prompts_in_seed_data_are_an_error(box, tmp_path: Path, as_messages: bool) -> None:
    rng = random.Random(0)
    leak = draw_instruction(rng, held=True).text
    prompt = [{"role": "user", "content": leak}] if as_messages else leak
    path = tmp_path / "ift.jsonl"
    rows(path, {"prompt": "Fine?", "completion": "x"}, {"prompt": prompt, "completion": "y"})
    made = box("data={source: jsonl}", f"data.options={{ift: {path}}}")
    with pytest.raises(UsageError, match=r"1 IFT prompts are held out .*ift-2"):
        read_seed(made.run)
    assert not (made.folder / "seed").exists()


def test_seed_data_is_drawn_once(box) -> None:
    made = box("data.options={ift: 5, eft: 6}")
    first = read_seed(made.run)
    assert not (made.folder / "seed").exists()
    keep_seed(made.run, first)
    before = {p: p.stat().st_mtime_ns for p in (made.folder / "seed").iterdir()}
    keep_seed(made.run, first)
    assert read_seed(made.run) == first and len(first.ift) == 5 and len(first.eft) == 6
    assert {p: p.stat().st_mtime_ns for p in (made.folder / "seed").iterdir()} == before
