"""What srlm gate decides on: figures of one model from a folder or a file, whatever their form."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.deciding import EVALUATION
from harness.gates import Measured
from harness.stages.beside import beside_folders
from results.errors import SrlmError, UsageError, did_you_mean
from results.figures import figures
from results.files import parse_json, read_json, read_model
from results.lines import open_data, read_json_lines
from results.records import Evaluated, Metric, Value
from results.text import excerpt

FORMS = (
    "a metrics JSON, an evaluation folder of a run, AlpacaEval annotations, or JSON Lines of "
    '{"prompt_id", "value"}'
)
LINE_KEYS = ("prompt_id", "value")
MOST = 1e12  # of a figure: more is no measurement, and differences of it are no numbers
FIRST_LINE = 64 << 20  # bytes that are read to find its end


@dataclass(frozen=True)
class Given:
    """One model's figures.

    Attributes:
        path: where they were found.
        metrics: aggregates by name; of a metrics JSON there is nothing else.
        measured: the values per prompt, null where only aggregates were given.
        about: what was measured and how (benchmark, data, judge, baseline), as far as it is said.
    """

    path: Path
    metrics: dict[str, Metric]
    measured: Measured | None
    about: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The metrics that a rule can be about."""
        return list(self.metrics if self.measured is None else self.measured.values)

    def values(self, metric: str) -> dict[str, Value]:
        """The values of ``metric`` by prompt; empty where there are none."""
        found = [] if self.measured is None else self.measured.values.get(metric, [])
        return {value.prompt_id: value for value in found}


def read_given(path: Path, asked: Sequence[str]) -> Given:
    """The figures in ``path``.

    Args:
        path: see ``FORMS``.
        asked: the metrics that the rules are about: values without a name are of the only one.

    Raises:
        SrlmError: it is none of the forms, or a value in it is wrong; names the line or key.
    """
    if path.is_dir():
        return _folder(path)
    head = _head(path)
    if head.startswith(b"["):
        return _annotations(path)
    first = head.split(b"\n", 1)[0]
    try:
        line = parse_json(first, nan=True)
    except ValueError:
        line = None
    if not head:
        raise SrlmError(f"{path}: the file is empty, expected {FORMS}; write it again")
    if isinstance(line, dict) and not {"metrics", "rows"} & line.keys():
        return _lines(path, asked)
    return _document(path)


def same_question(candidate: Given, incumbent: Given) -> None:
    """Refuses two models that were not asked the same or not judged alike."""
    for key, ours in candidate.about.items():
        theirs = incumbent.about.get(key, ours)
        if ours != theirs:
            raise UsageError(
                f"{incumbent.path}: {key} is {excerpt(theirs)!r}, of the candidate "
                f"{excerpt(ours)!r}: their figures cannot be compared; evaluate both alike"
            )


def check_metric(given: Given, metric: str, place: int) -> None:
    """Refuses a rule (``place`` from 1) about a metric that ``given`` has not."""
    if metric not in given.names:
        meant = did_you_mean(metric, given.names)
        raise UsageError(
            f"{given.path}: gate rule {place} is about {metric!r}, which is not in it{meant} "
            f"(it has {', '.join(given.names) or 'none'})"
        )


def _head(path: Path, size: int = 65536) -> bytes:
    """The first bytes that are not white space, the whole first line among them; unzipped."""
    try:
        with open_data(path, FORMS) as opened:
            head = opened.read(size).removeprefix(b"\xef\xbb\xbf").lstrip()
            return head if b"\n" in head else head + opened.readline(FIRST_LINE)
    except (OSError, EOFError, zlib.error) as error:
        raise SrlmError(f"{path}: damaged ({error}); get the file again") from None


def _folder(path: Path) -> Given:
    if not (path / "values.jsonl").is_file():
        inside = path / "evaluation"
        mend = f"give {inside}" if inside.is_dir() else "give the evaluation folder of an iteration"
        raise UsageError(f"{path}: not an evaluation (no values.jsonl in it); {mend}")
    measured = Measured.read(path)
    evaluated = read_model(path / "metrics.json", Evaluated)
    about = {"benchmark": evaluated.benchmark, "data": evaluated.data}
    about |= {"baseline": evaluated.baseline} if evaluated.baseline else {}
    # A model that judges itself is another judge each time, and the gate knows it.
    if evaluated.judge and not evaluated.judge_is_judged:
        about["judge"] = evaluated.judge
    for name, values in measured.values.items():
        _refuse_twice(path / "values.jsonl", name, [v.prompt_id for v in values])
    metrics = dict(evaluated.metrics)
    # An iteration's evaluation comes with what was measured beside it, as in its run's gate.
    others = beside_folders(path.parent) if path.name == EVALUATION else {}
    for part, other in ((part, _folder(folder)) for part, folder in others.items()):
        assert other.measured is not None  # of a folder
        metrics |= {f"{part}.{name}": metric for name, metric in other.metrics.items()}
        about |= {f"{part}.{key}": said for key, said in other.about.items()}
        measured = measured.beside({part: other.measured})
    return Given(path, metrics, measured, about)


def _annotations(path: Path) -> Given:
    from benchmarks.alpaca_eval2.annotations import read_annotations
    from benchmarks.alpaca_eval2.win_rate import discrete, preferences

    models = read_annotations(path)
    if len(models) > 1:
        names = excerpt(", ".join(found.model for found in models))
        raise UsageError(f"{path}: found {len(models)} models ({names}), expected one; split it")
    found = models[0]
    values = preferences(found)
    if not values:
        raise SrlmError(f"{path}: none of its {len(found.rows)} rows has a preference from 1 to 2")
    coverage = (len(values), len(found.rows))
    measured = Measured(
        {"win_rate": values, "discrete_win_rate": discrete(values)},
        {"win_rate": coverage, "discrete_win_rate": coverage},
    )
    return Given(path, {}, measured, {"baseline": found.baseline, "judge": found.annotator})


def _lines(path: Path, asked: Sequence[str]) -> Given:
    names = list(dict.fromkeys(asked))
    if len(names) > 1:
        raise UsageError(
            f"{path}: its values have no name, and the rules are about {len(names)} metrics "
            f"({', '.join(names)}); give rules on one metric"
        )
    values = []
    for number, line in read_json_lines(path, nan=True):
        where = f"{path}:{number}"
        for key in line:
            if key not in LINE_KEYS:
                meant = did_you_mean(key, LINE_KEYS)
                raise SrlmError(f"{where}: unknown key {excerpt(key)!r}{meant}; expected {FORMS}")
        for key in LINE_KEYS:
            if key not in line:
                raise SrlmError(f"{where}: no {key!r}, expected prompt_id and value on every line")
        prompt, value = line["prompt_id"], line["value"]
        if not isinstance(prompt, str | int) or isinstance(prompt, bool):
            raise SrlmError(f"{where}: prompt_id: found {excerpt(prompt)}, expected text")
        number_found = isinstance(value, int | float) and not isinstance(value, bool)
        if not number_found or not 0 <= value <= 1:  # NaN is not, either
            raise SrlmError(
                f"{where}: value: found {excerpt(value)}, expected a number from 0 to 1"
            )
        values.append(Value(prompt_id=str(prompt), metric=names[0], num=value, cluster=str(prompt)))
    _refuse_twice(path, names[0], [value.prompt_id for value in values])
    return Given(path, {}, Measured({names[0]: values}))


def _refuse_twice(path: Path, metric: str, prompts: Sequence[str]) -> None:
    seen: set[str] = set()
    for prompt in prompts:
        if prompt in seen:
            raise SrlmError(
                f"{path}: prompt {excerpt(prompt)!r} has two values of {metric}, expected one; "
                "remove one of them"
            )
        seen.add(prompt)


def _document(path: Path) -> Given:
    document = read_json(path)
    rows = document.get("rows", [document]) if isinstance(document, dict) else []
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
        raise SrlmError(f"{path}: found {excerpt(document)}, expected {FORMS}")
    if len(rows) > 1:
        raise UsageError(f"{path}: found {len(rows)} models in its rows, expected one; split it")
    row = rows[0]
    if not isinstance(row.get("metrics"), dict) or not row["metrics"]:
        raise SrlmError(f"{path}: found no 'metrics' in it, expected {FORMS}")
    about = {
        key: row[key] for key in ("benchmark", "data", "judge", "baseline")
        if isinstance(row.get(key), str)
    }  # fmt: skip
    if row.get("judge_is_judged"):
        about.pop("judge", None)
    n = row["n"] if isinstance(row.get("n"), int) else 0
    found = {name: _metric(path, name, f, n) for name, f in figures(row["metrics"])}
    return Given(path, found, None, about)


def _metric(path: Path, name: str, figure: Mapping[str, Any], n: int) -> Metric:
    defaults = {"name": name, "n": n, "of": n, "convention": ""}
    try:
        found = Metric.model_validate({**defaults, **figure})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise SrlmError(
            f"{path}: metrics.{name}.{key}: {first['msg']}, found {excerpt(first['input'])}"
        ) from None
    numbers = [x for x in (found.low, found.value, found.high) if x is not None]
    ordered = numbers == sorted(numbers) and all(abs(x) < MOST for x in numbers)
    if not ordered or not 0 <= found.n <= found.of:
        raise SrlmError(
            f"{path}: metrics.{name}: found value {found.value}, interval [{found.low}, "
            f"{found.high}], n {found.n} of {found.of}; expected low <= value <= high and "
            "0 <= n <= of; write the file again"
        )
    return found
