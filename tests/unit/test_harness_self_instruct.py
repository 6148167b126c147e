"""Self-instruction on a fake engine: who writes, in which rounds, what is dropped and resumed."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

import harness.run
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from benchmarks.registry import SeedData
from harness.cli import main
from harness.config import RunConfig
from harness.inputs import input_hashes
from harness.recipe import load_recipe
from harness.resolve import resolve
from harness.run import StopRun
from harness.stages.prompts import check_shots, prompts
from harness.stages.seed import fresh_seed, keep_seed, read_seed
from results.errors import UsageError
from results.records import Example
from tests.fake_run import fake_runs
from tests.fakes import FakeEngine, Killed, failed, mortal, prompt_of

WORDS = (  # noqa: SIM905
    "tell name write list find give explain describe compare why how what when where which who "
    "bird river stone cloud garden winter city music bread glass horse letter engine forest "
    "island mirror pencil rocket silver table valley window yellow zebra above behind cheap"
).split()
DEFAULTS = [  # what the quick start switches off, as it is by default
    "prompts.generated_shots=2", "prompts.decontaminate={ngram: 13}",
    "prompts.filters={min_words: 4, max_words: 150, bad_start: true, language: null, rouge_l: 0.7}",
]  # fmt: skip
IFT = [
    Example(id=str(i), prompt=f"Seed {' '.join(WORDS[4 * i : 4 * i + 4])} number {i}?",
            completion="x", kind="ift")
    for i in range(10)
]  # fmt: skip
SEEDS = {str(e.prompt) for e in IFT}


def reply(request: Request, seed: int) -> Completion | str:
    """A new instruction nearly always; now and then something that a filter drops."""
    rng = random.Random(seed)
    kind = rng.random()
    if kind < 0.1:
        return "Draw a cow"
    if kind < 0.2:
        return "Why?"
    if kind < 0.25:
        return Completion("Tell me wh", "length", Usage(1, 9))
    return f"Please {' '.join(rng.sample(WORDS, rng.randint(4, 9)))}?"


class Open:
    """A benchmark that holds one prompt and nothing else out."""

    name = "open"

    def held_out(self, text: str) -> bool:
        return text == "Name the capital of Peru."

    def prompt_texts(self):
        return [("q1", "Name the capital of Peru.")]


@pytest.fixture
def writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    yield from fake_runs(tmp_path, monkeypatch, reply, [*DEFAULTS, "prompts.count=[20]"])


def listed(prompt: str) -> list[str]:
    return re.findall(r"^\d+\. (.+)$", prompt, re.MULTILINE)


def test_later_rounds_show_what_earlier_ones_kept(writing) -> None:
    made = writing("prompts.per_round=6")
    kept = [str(p.prompt) for p in prompts(made.run, 2, IFT) if p.status == "kept"]
    assert len(kept) == 20 and len(made.asked) > 24
    first, later = made.asked[:6], made.asked[6:]
    for shown in map(listed, first):
        assert len(set(shown)) == 8 and set(shown) <= SEEDS
    for shown in map(listed, later):
        assert len(set(shown)) == 8 and len(set(shown) & SEEDS) == 6
        assert set(shown) - SEEDS <= set(kept)
    # Of the second round, those of the first alone.
    early = {row["prompt"] for row in made.rows()[:6] if row["status"] == "kept"}
    assert all(set(listed(shown)) - SEEDS <= early for shown in made.asked[6:12])


def test_every_iteration_shows_and_avoids_what_earlier_ones_kept(writing) -> None:
    made = writing()
    second = [str(p.prompt) for p in prompts(made.run, 2, IFT) if p.status == "kept"]
    asked = len(made.asked)
    third = prompts(made.run, 3, IFT)
    shown = {text for call in made.asked[asked:] for text in listed(call)}
    assert shown - SEEDS and shown - SEEDS - {str(p.prompt) for p in third} <= set(second)
    made.reply = lambda r, s: second[3]
    with pytest.raises(StopRun):
        prompts(made.run, 4, IFT)
    assert {row["reason"] for row in made.rows(4)} == {"similar"}
    assert made.rows(4)[0]["detail"].startswith("1.000 m2-")


def test_a_filter_that_drops_everything_is_not_asked_six_times(writing) -> None:
    made = writing("prompts.rounds=6")
    made.reply = lambda r, s: "Draw a big old cow"
    with pytest.raises(StopRun, match=r"no prompt was kept of 25: 25 keyword \(see prompts\..*; "
                                      r"changes need a new --out; see"):  # fmt: skip
        prompts(made.run, 2, IFT)
    trained = made.folder / "iter_1"
    (trained / "checkpoint").mkdir(parents=True)
    with pytest.raises(StopRun, match=rf"a new --out \(start={trained} keeps what is trained\)"):
        prompts(made.run, 2, IFT)
    assert len(made.rows()) == 25 and made.rows()[0]["reason"] == "keyword"


def test_counts_add_up_and_are_said(writing) -> None:
    made = writing("prompts.per_round=6")
    prompts(made.run, 2, IFT)
    rows = made.rows()
    reasons = Counter(row["reason"] for row in rows if row["reason"])
    assert {"keyword", "too_short", "unterminated"} & set(reasons)
    assert sum(row["status"] == "kept" for row in rows) + reasons.total() == len(rows)
    assert [row["id"] for row in rows] == [f"m2-{i}" for i in range(len(rows))]
    dropped = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
    assert f"20 kept of {len(rows)}: {dropped}" in made.said.getvalue()


def test_killed_in_any_round_it_ends_with_the_same_file(writing) -> None:
    whole = writing("prompts.per_round=6", name="whole")
    prompts(whole.run, 2, IFT)
    expected, total = whole.rows(), len(whole.asked)
    for survive in (3, 6, 8, 13, total - 1):  # in the first, after it, in the second, ...
        made = writing("prompts.per_round=6", name=f"cut{survive}")
        made.reply = mortal(reply, survive)
        with pytest.raises(Killed):
            prompts(made.run, 2, IFT)
        made.run.close()
        made.reply, before = reply, len(made.asked)
        made.run = made.opened()
        prompts(made.run, 2, IFT)
        assert made.rows() == expected, survive
        # Nothing is asked twice but the batch that was under way.
        assert before < len(made.asked) <= total + 5, survive


def test_killed_between_two_lines_of_a_round_what_is_there_stays(writing) -> None:
    made = writing("prompts.per_round=6")
    prompts(made.run, 2, IFT)
    expected, path = made.rows(), made.folder / "iter_2" / "prompts.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for n in (1, 6, 8, 12):
        path.with_name("prompts.jsonl.part").write_bytes(b"".join(lines[:n]) + lines[n][:9])
        path.unlink()
        prompts(made.run, 2, IFT)
        assert made.rows() == expected


def test_a_call_that_failed_stays_dropped_when_the_run_goes_on(writing) -> None:
    made = writing("prompts.per_round=6")
    down = True

    def flaky(request: Request, seed: int) -> Completion | str:
        if down and not set(listed(prompt_of(request))) <= SEEDS:
            raise Killed
        return failed() if down and seed % 2 else reply(request, seed)

    made.reply = flaky
    with pytest.raises(Killed):
        prompts(made.run, 2, IFT)
    down = False
    found = prompts(made.run, 2, IFT)
    assert {p.reason for p in found[:6] if p.finish_reason == "error"} == {"error"}
    assert sum(p.status == "kept" for p in found) == 20
    kept = {str(p.prompt) for p in found if p.status == "kept"}
    assert len(kept) == 20


@pytest.mark.parametrize(
    ("model", "who"),
    [("base", "m0"), ("policy", "iter_2/checkpoint"), ("hf:/big/chat", "/big/chat")],
)
def test_who_writes(writing, model: str, who: str) -> None:
    made = writing(f"prompts.model={model}")
    prompts(made.run, 3, IFT)
    (engine,) = (e for e in made.engines if e.calls)
    assert engine.identity == f"fake:{who}"
    assert engine.closed == (model.startswith("hf:"))  # a guest leaves, the policy's engine stays


def test_a_chat_model_is_asked_as_one(writing) -> None:
    made = writing("prompts.form=chat", "prompts.model=hf:/big/chat")
    configs = []

    class Chatting(FakeEngine):
        def generate(self, requests, seeds, config: GenerateConfig):
            configs.append(config)
            return super().generate(requests, seeds, config)

    def chat(request: Request, seed: int) -> Completion | str:
        said = reply(request, seed)
        return f'Sure! Here is one:\n\n9. "{said}"\nWell.' if isinstance(said, str) else said

    harness.run.open_engine = lambda name, model, options: Chatting(model, 5, chat)  # patched back
    found = prompts(made.run, 2, IFT)
    kept = [p for p in found if p.status == "kept"]
    assert len(kept) == 20 and all(str(p.prompt).startswith("Please ") for p in kept)
    assert all(p.text.startswith("Sure!") for p in kept) and configs[0].stop == ()


ASKED = "What do a cow and a hen and a goat eat when it rains?"


def rankings(path: Path, *texts: str) -> str:
    responses = [{"id": "a", "text": "x", "rank": 0}, {"id": "b", "text": "y", "rank": 1}]
    found = [
        {"id": f"h{i}", "prompt": text, "responses": responses} for i, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return str(path)


def test_prompts_with_an_evaluation_text_in_them_are_dropped(writing, tmp_path: Path) -> None:
    human = rankings(tmp_path / "h.jsonl", ASKED)
    made = writing(f"judge.fit.data={human}", "prompts.count=[4]", "prompts.rounds=1")
    made.run.benchmark = Open()  # type: ignore[assignment]
    turns = iter(
        [
            f"Tell me: {ASKED}",
            "Tell me about the sky please.",
            "Name the capital of Peru.",
            "name the capital of peru",
            "Say it with trees.",
        ]
    )
    made.reply = lambda r, s: next(turns)
    prompts(made.run, 2, IFT)
    words = " ".join(re.findall(r"\w+", ASKED.lower())[:13])
    assert {(row["reason"], row["detail"]) for row in made.rows()} == {
        ("contaminated", f"{human} h0: {words}"), (None, None), ("held_out", None),
        ("contaminated", "open q1: name the capital of peru"),
    }  # fmt: skip
    assert "2 kept of 5: 2 contaminated, 1 held_out" in made.said.getvalue()


def test_seed_data_with_an_evaluation_text_in_it_is_left_out(writing, tmp_path: Path) -> None:
    human = rankings(tmp_path / "h.jsonl", ASKED)
    ift = tmp_path / "ift.jsonl"
    texts = ["Why is it so?", f"Now, {ASKED} Tell me.", "How is it so?"]
    ift.write_text("".join(json.dumps({"prompt": t, "completion": "x"}) + "\n" for t in texts))
    source = ["data={source: jsonl}", f"data.options={{ift: {ift}}}", f"judge.fit.data={human}"]
    made = writing(*source)
    made.run.benchmark = Open()  # type: ignore[assignment]
    data = read_seed(made.run)
    assert [e.prompt for e in data.ift] == [texts[0], texts[2]]
    keep_seed(made.run, data)
    assert "2 IFT, 0 EFT, 1 contaminated and left out" in made.said.getvalue()
    text = (made.folder / "seed" / "contaminated.jsonl").read_text()
    (row,) = [json.loads(line) for line in text.splitlines()]
    assert row["prompt"] == texts[1] and row["detail"].startswith(f"{human} h0: ")
    assert read_seed(made.run).ift == data.ift
    ift.write_text(json.dumps({"prompt": ASKED, "completion": "x"}) + "\n")
    with pytest.raises(UsageError, match=r"^prompts\.decontaminate: all 1 IFT prompts"):
        fresh_seed(made.run)
    made.run.config = writing(*source, "prompts.decontaminate=null", name="off").config
    assert len(fresh_seed(made.run).ift) == 1


def test_eft_of_an_instruction_with_an_evaluation_text_in_it_is_left_out(
    writing, tmp_path: Path
) -> None:
    human = rankings(tmp_path / "h.jsonl", ASKED)
    trees = rankings(tmp_path / "trees.jsonl", f"Now, {ASKED} Tell me.", "Why?")
    lines = [{"prompt": f"Mark it. {i}", "completion": "Score: 1"} for i in range(3)]
    lines[0]["instruction"], lines[1]["instruction"] = ASKED, "Why?"
    eft, ift = tmp_path / "eft.jsonl", tmp_path / "ift.jsonl"
    eft.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ift.write_text(json.dumps({"prompt": "Why?", "completion": "x"}) + "\n")
    for kind, source, kept, left_out in [
        ("source", f"{{source: oasst, options: {{path: {trees}, held_out_share: 0}}}}", 2, 3),
        ("source", f"{{source: jsonl, options: {{ift: {ift}, eft: {eft}}}}}", 2, 1),
        ("judged", f"{{source: jsonl, options: {{ift: {ift}, ranked: {trees}}}}}", 1, 1),
    ]:
        made = writing(f"data={source}", f"data.eft={kind}", f"judge.fit.data={human}", name=kind)
        made.run.benchmark = Open()  # type: ignore[assignment]
        data = fresh_seed(made.run)
        assert len(data.eft if kind == "source" else data.ranked) == kept
        assert all("cow" not in str(e.prompt) for e in [*data.ift, *data.eft, *data.ranked])
        assert len(data.contaminated) == left_out
        assert all(ASKED in str(hit.prompt) for hit in data.contaminated)
    lines[1]["instruction"] = "Name the capital of Peru."
    eft.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = writing(f"data={{source: jsonl, options: {{ift: {ift}, eft: {eft}}}}}")
    made.run.benchmark = Open()  # type: ignore[assignment]
    with pytest.raises(UsageError, match=r"1 EFT prompts are held out for evaluation .*is eft-2"):
        fresh_seed(made.run)
    eft.write_text(json.dumps({**lines[2], "instruction": 3}) + "\n")
    with pytest.raises(UsageError, match=r"eft\.jsonl:1: 'instruction' is no text"):
        fresh_seed(made.run)


def test_a_benchmark_that_does_not_say_its_prompts_is_named(writing) -> None:
    made = writing()

    class Mute:
        name = "mute"

        def held_out(self, text: str) -> bool:
            return False

    made.run.benchmark = Mute()  # type: ignore[assignment]
    keep_seed(made.run, SeedData(IFT, []))
    assert "benchmark 'mute' does not say its prompts" in made.said.getvalue()


def test_a_language_filter_that_leaves_nothing_is_said_before_and_after(writing) -> None:
    made = writing("prompts.filters.language=de", "prompts.rounds=1")
    with pytest.raises(UsageError, match=r"^prompts\.filters\.language is de, and none of the seed "
                                         r"instructions is in it .* seem to be en"):  # fmt: skip
        green = "Why is the garden so green, and who waters it, number"
        check_shots(made.run, [e.model_copy(update={"prompt": f"{green} {e.id}?"}) for e in IFT])
    made = writing("prompts.filters.language=en", name="en")
    made.reply = lambda r, s: f"Ich möchte wissen, warum der Himmel über mir blau ist {s}."
    with pytest.raises(StopRun, match=r"\d\d language \(prompts\.filters\.language is en: ") as end:
        prompts(made.run, 2, IFT)
    assert "\n" not in str(end.value) and {"de", None} >= {row["detail"] for row in made.rows()}


def test_a_file_keeps_its_long_and_short_prompts(writing, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    texts = ["Go", "word " * 400, "Draw a map", "Go", "", f"So: {ASKED}", "- a",
             "\x1b[31mName three red birds\x00",
             "Erkläre mir bitte, wie eine Brücke über den Fluss gebaut wird."]  # fmt: skip
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    human = rankings(tmp_path / "h.jsonl", ASKED)
    own = ["prompts.source=file", f"prompts.path={path}", f"judge.fit.data={human}"]
    made = writing(*own, "prompts.filters.language=en")
    made.run.benchmark = Open()  # type: ignore[assignment]
    check_shots(made.run, IFT)
    found = prompts(made.run, 2, IFT)
    assert [p.reason for p in found] == [
        None, None, None, "duplicate", "empty", "contaminated", None, None, "language",
    ]  # fmt: skip
    path.write_text(json.dumps({"prompt": texts[-1]}) + "\n")
    with pytest.raises(UsageError, match=rf"none of the prompts of {path} is in it"):
        check_shots(made.run, IFT)


def test_a_line_of_megabytes_in_a_file(writing, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"prompt": "word " * 200_000}) + "\n")
    made = writing("prompts.source=file", f"prompts.path={path}", "prompts.filters.language=en")
    assert [p.status for p in prompts(made.run, 2, IFT)] == ["kept"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("prompts.model=gpt", "prompts.model: 'gpt' is none of 'base', 'policy', 'engine:model'"),
        ("prompts.options={batch_size: 2}", "model 'base' has none"),
        ("prompts.max_words=30", "unknown key 'prompts.max_words'"),
        ("prompts.filters.rouge=0.7", "'prompts.filters.rouge'; did you mean 'rouge_l'?"),
        ("prompts.filters.language=English", "prompts.filters.language: "),
        ("prompts.decontaminate={ngram: 1}", "prompts.decontaminate.ngram: "),
        ("prompts.form=chatty", "prompts.form: "),
    ],
)
def test_wrong_settings_are_named(override: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("quickstart", [override])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_the_writers_engine_has_its_options_and_its_weights_are_an_input(writing) -> None:
    overrides = ["prompts.model=hf:/big/chat", "prompts.options.batch_size=4"]
    assert resolve(load_recipe("quickstart", overrides).config).prompts.options["batch_size"] == 4
    made = writing(*overrides)
    made.run.base = Path(__file__).parents[2] / "benchmarks" / "micro_world" / "m0"
    assert "prompts.model" in input_hashes(made.run, SeedData(IFT, []))
    unused: RunConfig = load_recipe("quickstart", [*overrides, "iterations=1"]).config
    made.run.config = unused
    assert "prompts.model" not in input_hashes(made.run, SeedData(IFT, []))


def test_the_plan_prices_the_writer(capsys) -> None:
    words = ["plan", "quickstart", "evaluation.options={items: 7, rankings: 2}", "--json",
             "prompts.model=openai:gpt-4o", "prompts.form=chat", "iterations=2"]  # fmt: skip
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    (step,) = [s for s in found["steps"] if s["stage"] == "prompts"]
    assert step["cost"] > 0 and found["total"]["cost"] == pytest.approx(step["cost"])
    assert found["prompts"]["prompts"].startswith("These are 6 requests")
    assert any(note.startswith("price of the writer's calls") for note in found["notes"])
