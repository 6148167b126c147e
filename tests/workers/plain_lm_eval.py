"""lm-eval as its own users call it, on task files of the test's own: ``FOLDER MODEL BATCH OUT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager


def main() -> None:
    folder, model, batch, out = sys.argv[1:]
    names = sorted(path.stem for path in Path(folder).glob("*.yaml"))
    found = simple_evaluate(
        "hf",
        model_args={"pretrained": model, "dtype": "auto"},
        tasks=names,
        device="cpu",
        batch_size=int(batch),
        task_manager=TaskManager(include_path=folder, include_defaults=False),
        bootstrap_iters=0,
    )
    samples = {
        name: {row["doc_id"]: {k: float(row[k]) for k in row["metrics"]} for row in rows}
        for name, rows in found["samples"].items()
    }
    told = {"results": found["results"], "samples": samples}
    Path(out).write_text(json.dumps(told, default=float))


if __name__ == "__main__":
    main()
