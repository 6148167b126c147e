"""Looks at one iteration with every alarm that is on. Calls no model and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.alarms.config import AlarmSettings
from harness.alarms.safety import statement
from harness.alarms.seen import Seen
from harness.alarms.table import AFTER, ALARMS, BEFORE
from harness.attempts import attempt_config, attempt_number
from harness.config import RunConfig
from harness.lineage import iterations
from harness.monitoring import measure, ready
from harness.recipe import load_recipe
from harness.run import run_spec
from harness.stages.monitors import FILE as MONITORS
from results.alarms import Alarm, Alarms, When
from results.files import read_model
from results.monitors import Monitors
from results.records import RuleResult
from results.text import one_line

FILE = "alarms.json"


def look(seen: Seen, when: When) -> list[Alarm]:
    """The alarms of one phase, fired or not; without ignored ones and those about nothing here."""
    found = []
    for watch in ALARMS:
        does = seen.settings.does(watch.name)
        if watch.when != when or does is None:
            continue
        finding = watch.look(seen)
        if finding is None:
            continue
        metric = finding.metric
        found.append(
            Alarm(
                name=watch.name, when=when, fired=finding.fired, does=does, value=metric.value,
                low=metric.low, high=metric.high, threshold=finding.threshold, n=metric.n,
                of=metric.of, evidence=finding.evidence,
            )
        )  # fmt: skip
    return found


def statements(settings: AlarmSettings, found: Sequence[Alarm]) -> list[str]:
    """What has to be said whatever the alarms say."""
    measured = any(alarm.name == "safety" and alarm.value is not None for alarm in found)
    return statement(settings.safety_suite, measured)


def measure_alarms(folder: Path, config: RunConfig, k: int) -> Alarms:
    """The alarms of iteration ``k`` (>= 2) of the run in ``folder``, from its records alone.

    Its pairs are there; without an evaluation the second phase is left out. ``config`` is the
    run's; the attempt at hand has settings of its own, and was looked at with them.
    """
    config = attempt_config(config, attempt_number(folder, k))
    place = folder / f"iter_{k}"
    evaluated = (place / "evaluation" / "metrics.json").is_file()
    kept = place / MONITORS
    monitors = (
        read_model(kept, Monitors)
        if kept.is_file()
        else measure(folder, config, run_spec(config), k)
    )
    seen = Seen(folder, config, k, monitors)
    phases: list[When] = [BEFORE, AFTER] if evaluated else [BEFORE]
    found = [alarm for when in phases for alarm in look(seen, when)]
    said = statements(config.alarms, found)
    return Alarms(model=f"M{k}", k=k, phases=phases, alarms=found, statements=said)


def run_alarms(folder: Path) -> list[Alarms]:
    """Those of every iteration of a run that has pairs."""
    config = load_recipe(str(folder / "config.yaml"), []).config
    return [
        measure_alarms(folder, config, k)
        for k, place in iterations(folder, 2)
        if ready(place) or (place / MONITORS).is_file()
    ]


def kept_alarms(folder: Path) -> list[Alarms]:
    """Those that the run itself raised and kept."""
    files = [place / FILE for _, place in iterations(folder, 2)]
    return [read_model(path, Alarms) for path in files if path.is_file()]


def held_by_alarms(place: Path) -> list[RuleResult]:
    """As gate rules that did not pass: the alarms of the iteration in ``place`` that fired and are
    set to hold.
    """
    if not (place / FILE).is_file():
        return []
    found = read_model(place / FILE, Alarms).alarms
    return [
        RuleResult(
            rule="alarm", metric=alarm.name, value=alarm.value, low=alarm.low, high=alarm.high,
            threshold=alarm.threshold, passed=False, n_used=alarm.n, of=alarm.of,
            reason=f"alarm {alarm.name}: {alarm.evidence}",
        )
        for alarm in found
        if alarm.fired and alarm.does == "hold"
    ]  # fmt: skip


def lines(found: Sequence[Alarms]) -> Iterator[str]:
    """What is printed of the iterations of a run: a line for each alarm that fired."""
    for one in found:
        fired = one.fired
        yield f"{one.model}: {len(fired)} of {len(one.alarms)} alarms fired"
        for alarm in fired:
            does = "" if alarm.does == "note" else f", {alarm.does}"
            yield f"  {alarm.name} ({alarm.when}{does}): {one_line(alarm.evidence)}"
    if found:
        yield from found[-1].statements
