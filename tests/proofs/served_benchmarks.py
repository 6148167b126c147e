"""Both benchmarks from end to end against real servers: ``make served-benchmarks``.

``transformers serve`` serves the micro world's M0; a relay before it keeps what is asked. A
scripted server plays the judge. Each ``srlm eval`` is killed as it generates and as it judges, and
goes on with the same command. Then: was any answered call made twice, what did the servers see,
and the leaderboard. MT-Bench's judge prompts are FastChat's own where the real data are.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.micro_world import writers
from benchmarks.micro_world.world import Instruction, draw_instruction
from results.cache import CallCache
from tests import mt_bench_files
from tests.fake_server import FakeServer, last_text
from tests.proofs.served import install, sampling_copy, serve
from tests.real_data import real_data_path
from tests.relay import Relay
from tests.serving import free_port

FOLDER = Path("runs/proofs/served-benchmarks")
PROMPTS, QUESTIONS, IN_FLIGHT = 60, 20, 4
SETTLED_S = 2.0  # for what was under way at a kill
CATEGORIES = ("writing", "roleplay", "math", "extraction")


def drawn(n: int) -> list[Instruction]:
    """``n`` held-out instructions, no two alike."""
    rng = random.Random("served benchmarks")
    found: dict[str, Instruction] = {}
    while len(found) < n:
        instruction = draw_instruction(rng, held=True)
        found[instruction.text] = instruction
    return list(found.values())


def baseline_outputs(instructions: list[Instruction]) -> Path:
    """What a careful writer answers, in AlpacaEval's form."""
    rng = random.Random(0)
    rows = [
        {"instruction": i.text, "output": writers.answer(i, rng, writers.IFT),
         "generator": "writer", "dataset": i.family}
        for i in instructions
    ]  # fmt: skip
    path = FOLDER / "writer.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def mt_bench(instructions: list[Instruction]) -> list[str]:
    """Questions of two turns with references, and the judge prompts, as options."""
    pairs = list(zip(instructions[::2], instructions[1::2], strict=True))[:QUESTIONS]
    rng = random.Random(1)
    questions = [
        {"question_id": 201 + i, "category": CATEGORIES[i % 4], "turns": [a.text, b.text]}
        for i, (a, b) in enumerate(pairs)
    ]
    references = [
        mt_bench_files.answer(201 + i, *(writers.answer(x, rng, writers.IFT) for x in pair))
        for i, pair in enumerate(pairs)
    ]
    options = mt_bench_files.write_files(FOLDER / "files")
    options["questions"] = str(mt_bench_files.lines(FOLDER / "question.jsonl", *questions))
    options["references"] = str(mt_bench_files.lines(FOLDER / "reference.jsonl", *references))
    theirs = real_data_path("mt_bench", "fastchat", "judge_prompts.jsonl")
    if theirs.exists():
        options["judge_prompts"] = str(theirs)
    return [f"options.{key}={value}" for key, value in options.items()]


def judge_says(body: dict[str, Any]) -> str:
    """One letter where log-probabilities are asked for; else a rating or the longer answer."""
    text = last_text(body)
    if body.get("logprobs"):
        return "m"
    if "[[A]]" in json.dumps(body["messages"]):
        return "Both try.\n[[A]]" if len(text) % 3 else "Alike.\n[[C]]"
    return f"It answers.\nRating: [[{1 + len(text) % 10}]]"


@dataclass(frozen=True)
class Killed:
    """How often a command was killed, and how many answers the servers had given by the last kill
    that were not on the disk then.
    """

    kills: int = 0
    lost: int = 0


def evaluated(
    words: list[str], out: Path, relay: Relay, judge: FakeServer, at: Sequence[int] = ()
) -> Killed:
    """Runs the command to its end, killed each time the servers have seen so many more calls."""
    relay.answered.clear()
    judge.answered.clear()
    before = len(relay.bodies) + len(judge.bodies)
    found = Killed()
    for bound in [*at, None]:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", *words, "--out", str(out)],
            stdout=subprocess.DEVNULL,
        )
        while bound is not None and process.poll() is None:
            time.sleep(0.02)
            if len(relay.bodies) + len(judge.bodies) - before >= bound:
                process.send_signal(signal.SIGKILL)
                process.wait()
                time.sleep(SETTLED_S)
                given = relay.answered.total() + judge.answered.total()
                found = Killed(found.kills + 1, given - stored(out))
        code = process.wait()
    if code:
        raise SystemExit(f"srlm {' '.join(words)} ended with {code}")
    return found


def stored(out: Path) -> int:
    """How many answers are on the disk."""
    with CallCache(out / "calls.sqlite") as cache:
        return cache.count()


def told(found: Killed, planned: int, relay: Relay, judge: FakeServer) -> None:
    """What the kills cost."""
    again = sum(n - 1 for n in (*relay.answered.values(), *judge.answered.values()))
    print(f"- {found.kills} kills; {len(relay.answered)} answers, {len(judge.answered)} judgments")
    print(
        f"- {found.lost} answers were not on the disk when it was killed, {again} are asked again"
    )
    shows("killed as often as planned", found.kills == planned)
    shows("no call is made again whose answer was on the disk", again == found.lost)


def shows(line: str, holds: bool) -> None:
    """Prints a fact; ends the proof where it does not hold."""
    print(f"- {line}: {'yes' if holds else 'NO'}")
    if not holds:
        raise SystemExit(1)


def main() -> None:
    """Runs both benchmarks through the servers and prints what they saw."""
    install()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    base = sampling_copy((FOLDER / "m0").resolve())
    port = free_port()
    server = serve(port, FOLDER / "server.log")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tokens = {"m": math.log(0.7), "M": math.log(0.2), "x": math.log(0.05)}
    judging = FakeServer(models=("judge",), reply=judge_says, logprobs=lambda word: tokens,
                         seconds=0.05)  # fmt: skip
    try:
        with Relay(f"http://127.0.0.1:{port}") as relay, judging as judge:
            prove(relay, judge, base)
    finally:
        server.kill()


def prove(relay: Relay, judge: FakeServer, base: Path) -> None:
    """All of it, with the servers up."""
    instructions = drawn(PROMPTS)
    common = [
        f"engine.base_url={relay.url}", f"engine.max_concurrency={IN_FLIGHT}", "--judge",
        "openai:judge", f"judge.options.base_url={judge.url}",
        f"judge.options.max_concurrency={IN_FLIGHT}",
    ]  # fmt: skip
    model = f"openai:{base}"

    print("AlpacaEval 2.0")
    words = ["eval", model, "--benchmark", "alpaca_eval2", "--name", "M0",
             f"options.baseline_outputs={baseline_outputs(instructions)}",
             "options.max_tokens=64", *common]  # fmt: skip
    at = [PROMPTS // 3, PROMPTS + PROMPTS // 3]
    told(evaluated(words, FOLDER / "alpaca", relay, judge, at), len(at), relay, judge)
    shows("every prompt is asked for, every pair judged",
          len(relay.answered) == len(judge.answered) == PROMPTS)  # fmt: skip
    one = judge.bodies[0]
    shows("one token, five likeliest", (one.get("max_tokens") or one.get("max_completion_tokens"),
                                        one["top_logprobs"]) == (1, 5))  # fmt: skip
    rows = json.loads((FOLDER / "alpaca" / "annotations.json").read_text(encoding="utf-8"))
    shows("the order is upstream's for every prompt, both occur", orders(rows, judge.bodies))

    print("MT-Bench")
    asked, judged = len(relay.bodies), len(judge.bodies)
    options = [*mt_bench(instructions), "options.max_tokens=64"]
    plain = ["eval", model, "--benchmark", "mt_bench", *options, *common]
    evaluated([*plain, "--name", "opponent"], FOLDER / "opponent", relay, judge)
    words = [*plain, "options.pairwise=true", "--seed", "1", "--name", "M0", "--baseline",
             str(FOLDER / "opponent")]  # fmt: skip
    turns = 2 * QUESTIONS
    at = [turns // 2, turns + turns // 2, 2 * turns + turns]
    told(evaluated(words, FOLDER / "mt", relay, judge, at), len(at), relay, judge)
    second = [b for b in relay.bodies[asked:] if len(b["messages"]) == 3]
    roles = {tuple(m["role"] for m in b["messages"]) for b in second}
    shows("the second turn comes after the first and the model's answer",
          roles == {("user", "assistant", "user")} and len(second) >= QUESTIONS)  # fmt: skip
    pairs = [b for b in judge.bodies[judged:] if "[[C]]" in json.dumps(b["messages"])]
    shows("every pair is judged in both orders", both_orders(pairs))
    heat = {(b["temperature"], b["max_tokens"]) for b in relay.bodies[asked:]}
    shows("temperatures 0.7, 0 by category", {t for t, _ in heat} == {0.7, 0.0})
    print("\nLeaderboard\n")
    sys.stdout.flush()
    subprocess.run(
        [sys.executable, "-m", "harness.cli", "leaderboard", "--format", "md",
         str(FOLDER / "alpaca"), str(FOLDER / "mt")], check=True,
    )  # fmt: skip


def orders(rows: list[dict[str, Any]], bodies: list[dict[str, Any]]) -> bool:
    """Whether each pair was shown in the order that upstream's rule gives its prompt."""
    found = set()
    for row in rows:
        draw = random.Random(f"is_switched_outputs{row['instruction']}0")
        switched = draw.choices([False, True], k=1)[0]
        first, second = (row["output_2"], row["output_1"])[:: 1 if switched else -1]
        text = next(t for t in map(last_text, bodies) if row["instruction"] in t)
        if text.rfind(first) > text.rfind(second):  # the second one is shown last
            return False
        found.add(switched)
    return found == {False, True}


def both_orders(bodies: list[dict[str, Any]]) -> bool:
    """Whether the judge was shown as many texts as twice the turns, in mirrored pairs: both orders
    of a pair have the same characters.
    """
    shown = {last_text(body) for body in bodies}
    mirrored = Counter("".join(sorted(text)) for text in shown)
    return len(shown) == 4 * QUESTIONS and set(mirrored.values()) == {2}


if __name__ == "__main__":
    main()
