"""From run folders to leaderboard rows, and to the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.attempts import attempt_folder, attempt_number, begun
from harness.deciding import EVALUATION
from harness.head_to_head.report import REPORT, read_report
from harness.lineage import GATE, promoted
from harness.stages.beside import beside_folders
from harness.stages.evaluation import METRICS
from results.errors import UsageError, did_you_mean
from results.figures import GROUPS
from results.files import read_json, read_model
from results.ranks import ranked
from results.records import Evaluated, GateDecision, Value
from results.reference_rows import reference_rows
from results.store import RecordFile
from results.tables import metric_names

# How a baseline is called in a run's settings -> as a model of a table.
BASELINES = {"sft": "SFT baseline", "m0": "M0"}


def places(folder: Path) -> list[tuple[str, int | None, Path]]:
    """Name, iteration and folder of every model that a run may have evaluated, M0 first."""
    found: list[tuple[str, int | None, Path]] = [
        ("M0", 0, folder / "m0"),
        ("SFT baseline", None, folder / "sft_baseline"),
    ]
    k = 1
    while begun(folder, k):
        found.append((f"M{k}", k, folder / f"iter_{k}"))
        k += 1
    return found


def run_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of one run, M0 first.

    A model that was not evaluated has none, except that of an iteration whose gate stopped the run
    before training: its row has no figures and says why. Attempts that were held and made again
    stand before the last one. ``champion`` marks the run's result.
    """
    rows: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []  # of further benchmarks: their tables come after the main one
    header = read_json(folder / "manifest.json")
    spent, start = spent_by(header), header.get("config", {}).get("start", "base")
    for model, iteration, place in _attempts_too(folder):
        gate = place / GATE
        decision = read_model(gate, GateDecision) if gate.is_file() else None
        if (place / EVALUATION / METRICS).is_file():
            rows.append(_row(folder.name, model, iteration, place / EVALUATION, decision))
            if iteration == 1 and start != "base":
                what = "the base model" if start == "chat" else start
                rows[-1].setdefault("note", f"{what} as it is, not trained in this run")
            more = beside_folders(place).values()
            beside += [_row(folder.name, model, iteration, other, decision) for other in more]
        elif decision is not None and rows:
            note = decision.rules[-1].reason
            stopped: dict[str, Any] = {
                "model": model,
                "iteration": iteration,
                "metrics": {},
                "folder": None,
                "unscored": None,
                "note": note,
            }
            rows.append({**rows[-1], **stopped, "gate": decision.decision})
    rows += sorted(beside, key=lambda row: str(row["benchmark"]))
    best = promoted(folder)
    for row in rows:
        row["champion"] = best is not None and row["model"] == f"M{best}"
        later = any(r["iteration"] is not None and r["iteration"] > (best or 0) for r in rows)
        if row["champion"] and later:
            row.setdefault("note", "the champion: no later model was promoted")
    return [{**row, "spent": spent} for row in rows]


def _attempts_too(folder: Path) -> list[tuple[str, int | None, Path]]:
    """``places``, with the attempts at each iteration that were set aside before it."""
    found: list[tuple[str, int | None, Path]] = []
    for model, k, place in places(folder):
        for n in range(1, attempt_number(folder, k) if k else 1):
            found.append((f"{model} attempt {n}", k, attempt_folder(folder, k or 0, n)))
        found.append((model, k, place))
    return found


def evaluation_row(folder: Path) -> dict[str, Any]:
    """The row of one evaluation: of ``srlm eval``, or of a model of a run."""
    header = folder / "manifest.json"
    place = folder.resolve()
    run, iteration = place.name, None
    if place.name == "evaluation":  # RUN/iter_K/evaluation
        run = place.parent.parent.name
        number = place.parent.name.removeprefix("iter_")
        iteration = int(number) if number.isdecimal() else None
    row: dict[str, Any] = {"run": run, "iteration": iteration, "gate": None}
    if header.is_file():
        row["spent"] = spent_by(read_json(header))
    return {**_figures(folder), **row}


def _figures(folder: Path) -> dict[str, Any]:
    """What an evaluation measured; figures of a part of the prompts stand under their group.

    ``folder`` is for whoever needs more of it; it is not printed.
    """
    found = read_model(folder / "metrics.json", Evaluated).model_dump()
    metrics: dict[str, Any] = {}
    for name, metric in found["metrics"].items():
        group, dot, part = name.partition(".")
        if dot and group in GROUPS:
            metrics.setdefault(group, {})[part] = metric
        else:
            metrics[name] = metric
    row: dict[str, Any] = {"model": found["model"], "folder": str(folder)}
    for key in ("benchmark", "judge", "judge_is_judged", "judge_spec", "judge_model", "baseline",
                "data", "n", "metrics", "unscored"):  # fmt: skip
        row[key] = metrics if key == "metrics" else found[key]
    return row


def spent_by(header: dict[str, Any]) -> dict[str, Any] | None:
    """What the model calls of the whole run took: sums over its models, null where a part is not
    known; null altogether while the run has not ended once.
    """
    parts = header.get("spent")
    if not parts:
        return None
    keys = ("calls", "prompt_tokens", "completion_tokens", "cost")
    return {
        key: None if any(part[key] is None for part in parts) else sum(part[key] for part in parts)
        for key in keys
    }


def rows_of(paths: list[Path], published: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of several runs and evaluations, then those of ``published`` sources.

    Raises:
        UsageError: a folder is neither, a source is not known, or there is nothing to show.
    """
    rows: list[dict[str, Any]] = []
    for path in paths:
        found = _rows_in(path)
        if not found:
            raise UsageError(
                f"{path}: no model has been evaluated there yet; finish it with the command that "
                "began it"
            )
        rows += found
    return rows + [row for name in published for row in reference_rows(name)]


def _rows_in(path: Path) -> list[dict[str, Any]]:
    if (path / REPORT).is_file():
        return read_report(path).rows
    if (path / "metrics.json").is_file():
        if "benchmark" not in read_json(path / "metrics.json"):
            raise UsageError(
                f"{path}: a judge's validation, expected a run or an evaluation; srlm judge "
                "compare sets validations side by side"
            )
        return [evaluation_row(path)]
    if (path / "config.yaml").is_file():
        return run_rows(path) if (path / "manifest.json").is_file() else []
    raise UsageError(
        f"{path}: neither a run nor an evaluation (no config.yaml, no metrics.json); give runs/NAME"
    )


def rank_rows(rows: Sequence[dict[str, Any]], metric: str, seed: int = 0) -> list[dict[str, Any]]:
    """The rows of each table by ``metric``, the best first, each with its rank and the interval of
    that; UsageError where no row has the figure.
    """
    known = metric_names(rows)
    if metric not in known:
        meant = did_you_mean(metric, known)
        raise UsageError(
            f"--rank {metric!r}: no row has this figure{meant} (they have {', '.join(known)})"
        )
    values = [_values(row.get("folder")) for row in rows]
    return ranked(rows, values, metric, seed)


def _values(folder: str | None) -> list[Value] | None:
    return None if folder is None else RecordFile(Path(folder) / "values.jsonl", Value).read()


def print_rows(rows: list[dict[str, Any]], form: str) -> None:
    """Prints leaderboard rows on stdout as ``form``, one of ``formats.FORMATS``."""
    from results import leaderboard

    rows = [{key: value for key, value in row.items() if key != "folder"} for row in rows]
    if form == "table":
        from rich.console import Console

        console = Console()
        console.print(leaderboard.to_rich(rows, console.width))
        return
    write = {
        "md": leaderboard.to_markdown,
        "csv": leaderboard.to_csv,
        "latex": leaderboard.to_latex,
        "html": leaderboard.to_html,
        "json": leaderboard.to_json,
    }[form]
    print(write(rows).rstrip("\n"))


def _row(
    run: str, model: str, iteration: int | None, place: Path, decision: GateDecision | None
) -> dict[str, Any]:
    row = {**_figures(place), "model": model, "run": run, "iteration": iteration}
    stopped = decision is not None and decision.decision == "stop"
    note = {"note": decision.rules[-1].reason} if decision is not None and stopped else {}
    if decision is not None and decision.waived_by is not None:
        note = {"note": f"promoted though held, waived by {decision.waived_by}"}
    return {**row, **note, "gate": None if decision is None else decision.decision}
