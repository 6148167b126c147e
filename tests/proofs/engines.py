"""The speed and fault tables of docs/engines.md: ``make engines``. Figures of this machine, now.

Every client runs in a process of its own against the same local server, which has a fixed service
time and number of slots. The peers' packages are installed beside the environment, not into it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.fake_server import FakeServer

CALLS, SLOTS, SECONDS, STALL_S = 2560, 128, 1.0, 3.0
AT_A_TIME = 192  # half as many again as slots: a slot that gets free finds a call waiting
FAULTS = ("429", "500", "html", "cut", "empty", "stall", "other_model")
MODEL = "gpt-4"  # a name that the peers take for a chat model
PEERS = Path("runs/proofs/peers")
# Their own dependencies, as far as these two modules import them and ours does not have them.
PACKAGES = [
    "alpaca-eval==0.6.6", "fschat==0.2.36", "setuptools>=77.0.3,<82", "scikit-learn<1.10",
    "anthropic", "opentelemetry-api", "fire", "python-dotenv", "tiktoken", "shortuuid", "joblib",
    "threadpoolctl", "termcolor", "nh3", "prompt_toolkit", "wcwidth", "markdown2", "regex",
    "patsy", "cloudpickle", "requests", "urllib3", "certifi", "narwhals",
    "docstring_parser", "charset_normalizer",
]  # fmt: skip
CLIENTS = {
    "srlm": "srlm, cache and records included",
    "openai_aiohttp": "the openai client alone, aiohttp transport",
    "openai_httpx": "the openai client alone, its default transport",
    "alpaca_eval": "alpaca-eval 0.6.6, its openai decoder",
    "fastchat": "fschat 0.2.36, its gen_judgment with a current openai client",
}


def questions() -> list[str]:
    """Judge-shaped texts, all different."""
    return [f"Answer {i}: a reply of some length to be marked from 0 to 5." for i in range(CALLS)]


def faulty(body: dict[str, Any], attempt: int) -> str | None:
    """30 % of the requests, by a hash of what is asked and how often it was asked before."""
    hashed = zlib.crc32(f"{attempt}:{body['messages'][-1]['content']}".encode())
    return FAULTS[hashed // 1000 % len(FAULTS)] if hashed % 1000 < 300 else None


def serve(port: int, faults: bool) -> None:
    """Until stdin ends; then says how many answers were given, and how often the same one."""
    fault = faulty if faults else FakeServer.fault
    with FakeServer((MODEL,), seconds=SECONDS, slots=SLOTS, fault=fault, port=port) as server:
        print("up", flush=True)
        sys.stdin.read()
    found = {"calls": len(server.answered), "answers": server.answered.total()}
    print(json.dumps({**found, "requests": len(server.bodies)}), flush=True)


def srlm(url: str) -> dict[str, Any]:
    """``judge_responses``: engine, cache, parser and records."""
    import openai  # noqa: F401  (imports are not measured)

    from backends.engines.caller import Caller
    from backends.engines.openai_chat import OpenAIEngine
    from judges.judging import Judge, Response, judge_responses
    from judges.spec import load_spec
    from results.cache import CallCache
    from results.records import Judgment
    from results.store import RecordFile

    spec = load_spec("additive5_short").model_copy(update={"draws": 1, "min_scored": 1})
    asked = [Response(f"p{i}", "Say it.", f"r{i}", text) for i, text in enumerate(questions())]
    with tempfile.TemporaryDirectory() as name, CallCache(Path(name) / "calls.sqlite") as cache:
        engine = OpenAIEngine(MODEL, url, max_concurrency=AT_A_TIME, timeout_s=STALL_S)
        caller = Caller(engine, cache)
        file = RecordFile(Path(name) / "judgments.jsonl", Judgment)
        begun, cpu = time.monotonic(), time.process_time()
        found = judge_responses(Judge(spec, caller, "server", False), asked, file, 0)
        took = time.monotonic() - begun, time.process_time() - cpu
    reasons = sum(j.status == "unscored" for j in found)
    return {"seconds": took[0], "cpu": took[1], "records": len(found), "unscored": reasons,
            "retried": caller.tally.retried}  # fmt: skip


def openai_alone(url: str, aiohttp: bool) -> dict[str, Any]:
    """As many tasks as calls at a time; answers are kept in memory."""
    import openai

    async def all_calls() -> None:
        http = openai.DefaultAioHttpClient() if aiohttp else None
        client = openai.AsyncOpenAI(base_url=url, api_key="none", http_client=http)
        todo = iter(questions())

        async def work() -> None:
            for text in todo:
                await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": text}]
                )

        await asyncio.gather(*(work() for _ in range(AT_A_TIME)))
        await client.close()

    begun, cpu = time.monotonic(), time.process_time()
    asyncio.run(all_calls())
    return {"seconds": time.monotonic() - begun, "cpu": time.process_time() - cpu}


def alpaca_eval(url: str) -> dict[str, Any]:
    """Its decoder as its annotators call it."""
    os.environ |= {"OPENAI_API_BASE": url, "OPENAI_API_KEY": "none"}
    from alpaca_eval.decoders.openai import openai_completions

    prompts = [f"<|im_start|>user\n{text}\n<|im_end|>" for text in questions()]
    begun, cpu = time.monotonic(), time.process_time()
    openai_completions(prompts, MODEL, num_procs=AT_A_TIME, price_per_token=0.0)
    return {"seconds": time.monotonic() - begun, "cpu": time.process_time() - cpu}


def fastchat(url: str) -> dict[str, Any]:
    """Its match loop; only the call of the openai package, which it makes the old way, is ours."""
    import openai
    from fastchat.llm_judge import common

    client = openai.OpenAI(base_url=url, api_key="none")

    def complete(model: str, conv: Any, temperature: float, max_tokens: int) -> str:
        reply = client.chat.completions.create(
            model=model, messages=conv.to_openai_api_messages(), temperature=temperature,
            max_tokens=max_tokens,
        )  # fmt: skip
        return reply.choices[0].message.content or ""

    common.chat_completion_openai = complete
    template = {
        "type": "single",
        "name": "x",
        "system_prompt": "Mark it.",
        "prompt_template": "{question} {answer}",
        "output_format": "[[rating]]",
    }
    judge = common.Judge(MODEL, template)
    matches = [
        common.MatchSingle({"question_id": i, "turns": ["Say it."]}, "m",
                           {"choices": [{"turns": [text]}]}, judge)
        for i, text in enumerate(questions())
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(AT_A_TIME) as pool:
        begun, cpu = time.monotonic(), time.process_time()
        list(pool.map(lambda m: common.play_a_match_single(m, f"{name}/out.jsonl"), matches))
        return {"seconds": time.monotonic() - begun, "cpu": time.process_time() - cpu}


def client(name: str, url: str) -> dict[str, Any]:
    """One client's figures."""
    if name.startswith("openai"):
        return openai_alone(url, name.endswith("aiohttp"))
    run = {"srlm": srlm, "alpaca_eval": alpaca_eval, "fastchat": fastchat}[name]
    return run(url)


def measure(name: str, faults: bool = False) -> dict[str, Any]:
    """A client against a server of its own, each in a process."""
    this = [sys.executable, "-W", "ignore", "-m", "tests.proofs.engines"]
    port = 18300 + (os.getpid() + len(name)) % 500
    words = [*this, "serve", str(port), *(["--faults"] if faults else [])]
    server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin and server.stdout
    server.stdout.readline()
    paths = [str(PEERS), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [*this, "client", name, f"http://127.0.0.1:{port}/v1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    server.stdin.close()
    seen = json.loads(server.stdout.readlines()[-1])
    server.wait()
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "seen": seen}


def install_peers() -> None:
    """Once, beside the environment: their pins are not ours."""
    if not PEERS.is_dir():
        new = PEERS.with_name(f"{PEERS.name}.new")  # not there before all of it is
        shutil.rmtree(new, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        subprocess.run([*pip, str(new), *PACKAGES], check=True)
        new.rename(PEERS)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", help="(used by the command itself)")
    parser.add_argument("--faults", action="store_true")
    arguments = parser.parse_args()
    if arguments.what[:1] == ["serve"]:
        return serve(int(arguments.what[1]), arguments.faults)
    if arguments.what[:1] == ["client"]:
        print(json.dumps(client(*arguments.what[1:])))
        return None
    install_peers()
    ideal = CALLS / SLOTS * SECONDS
    print(f"{CALLS} calls, {SECONDS:g} s each, {SLOTS} slots: {ideal:g} s at the least.")
    print(f"Every client has {AT_A_TIME} calls under way.\n")
    print("| client | seconds | share of the server's capacity | CPU a call |\n|-|-|-|-|")
    figures = {}
    for name, words in CLIENTS.items():
        found = figures[name] = measure(name)
        if found["seen"]["answers"] < CALLS:
            raise SystemExit(f"{name}: only {found['seen']} of {CALLS} were asked")
        share, cpu = ideal / found["seconds"], 1000 * found["cpu"] / CALLS
        print(f"| {words} | {found['seconds']:.1f} | {share:.0%} | {cpu:.1f} ms |", flush=True)
    found = measure("srlm", faults=True)
    seen, without = found["seen"], figures["srlm"]["seconds"]
    print("\n| with 30 % faults | |\n|-|-|")
    print(f"| requests, of which answered well | {seen['requests']}, {seen['answers']} |")
    print(f"| calls answered twice | {seen['answers'] - seen['calls']} |")
    print(f"| records, of which unscored | {found['records']}, {found['unscored']} |")
    print(f"| attempts beyond the first | {found['retried']} |")
    print(f"| seconds | {found['seconds']:.1f} = {found['seconds'] / without:.2f} x faultless |")
    return None


if __name__ == "__main__":
    main()
