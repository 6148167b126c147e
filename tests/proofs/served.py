"""The quick start with every model call through a real server: ``make served``.

``transformers serve`` answers on this machine and loads each checkpoint by its path; nothing of it
is ours. It ignores ``n`` and log-probabilities, and samples only where the weights' own generation
settings say so, which a copy of M0 does. Its packages lie beside the environment, not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from backends.models import model_folder
from results.files import read_json
from tests.serving import free_port

FOLDER = Path("runs/proofs/served")
SERVING = Path("runs/proofs/serving")
PACKAGES = ["fastapi", "uvicorn", "starlette", "click", "h11", "annotated-doc", "opentelemetry-api"]
READY_S = 180.0


def install() -> None:
    """Once."""
    if not SERVING.is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        subprocess.run([*pip, str(SERVING), *PACKAGES], check=True)


def sampling_copy(folder: Path) -> Path:
    """M0 with generation settings that let the server sample."""
    shutil.copytree(model_folder("package:benchmarks.micro_world/m0"), folder)
    settings = folder / "generation_config.json"
    settings.write_text(json.dumps(read_json(settings) | {"do_sample": True}), encoding="utf-8")
    return folder


def serve(port: int, log: Path) -> subprocess.Popen[bytes]:
    """The server, ready to answer."""
    server = subprocess.Popen(
        [sys.executable, "-m", "transformers.cli.transformers", "serve", "--continuous-batching",
         "--cb-block-size", "32", "--cb-num-blocks", "512", "--cb-max-batch-tokens", "4096",
         "--host", "127.0.0.1", "--port", str(port)],
        stdout=log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
             "PYTHONPATH": str(SERVING.resolve())},
    )  # fmt: skip
    until = time.monotonic() + READY_S
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return server
        except OSError:
            time.sleep(1)
    server.kill()
    raise SystemExit(f"the server does not answer; see {log}")


def main() -> None:
    """Runs the quick start through the server and prints its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value")
    overrides = parser.parse_args().overrides
    install()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    base = sampling_copy((FOLDER / "m0").resolve())
    port = free_port()
    server = serve(port, FOLDER / "server.log")
    engine = f"{{name: openai, base_url: 'http://127.0.0.1:{port}/v1', max_concurrency: 96}}"
    # A killed proof leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", "run", "quickstart", "--json", "--out",
             str(FOLDER / "run"), f"engine={engine}", f"model.base={base}", *overrides],
            stdout=subprocess.PIPE, check=False,
        )  # fmt: skip
    finally:
        server.kill()
    if done.returncode not in (0, 3):
        raise SystemExit(f"the run ended with {done.returncode}; see {FOLDER / 'server.log'}")
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    print(f"\n{time.monotonic() - begun:.0f} s, {rows[0]['spent']['calls']:,} calls\n")
    print("| model | win rate | oracle score | judge pairwise accuracy | gate |\n|-|-|-|-|-|")
    for row in rows:
        figures = [row["metrics"].get(name) for name in
                   ("win_rate", "oracle_score", "pairwise_accuracy")]  # fmt: skip
        print("|", " | ".join([row["model"], *map(_cell, figures), row["gate"] or "-"]), "|")


def _cell(metric: dict[str, Any] | None) -> str:
    if metric is None or metric["value"] is None:
        return "-"
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"


if __name__ == "__main__":
    main()
