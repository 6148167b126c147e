"""Alarms of one iteration: raised before its training, and again before its gate decides."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.benchmark import named_metrics
from harness.alarms.measuring import FILE, look, statements
from harness.alarms.seen import Seen
from harness.alarms.table import AFTER, BEFORE
from harness.monitoring import measure
from harness.run import Run, StopRun
from harness.stages.monitors import monitors
from results.alarms import Alarm, Alarms, When
from results.errors import UsageError, did_you_mean
from results.files import read_model, write_json
from results.monitors import Monitors
from results.text import one_line


def check_alarms(run: Run) -> None:
    """Refuses a safety suite that the benchmark does not have.

    Raises:
        UsageError: names the metric, and the nearest one.
    """
    known = named_metrics(run.benchmark, run.config.evaluation.baseline != "none", run.beside)
    for name in run.config.alarms.safety_suite:
        if name not in known:
            raise UsageError(
                f"alarms.safety_suite: metric {name!r} is not one of benchmark "
                f"{run.benchmark.name!r} or beside it{did_you_mean(name, known)} "
                f"(it has {', '.join(known)})"
            )


def alarms_before(run: Run, k: int) -> None:
    """What can be known before M_k is trained: of prompts, candidates, judgments and pairs.

    Raises:
        StopRun: an alarm that is set to stop fired.
    """
    found = _kept(run, k)
    if found is None or BEFORE not in found.phases:
        run.display.start(f"M{k}", "alarms")
        made = measure(run.folder, run.config, run.spec, k)  # its evaluation is still to come
        new = _look(run, k, made, BEFORE)
        said = statements(run.config.alarms, new)
        found = Alarms(model=f"M{k}", k=k, phases=[BEFORE], alarms=new, statements=said)
        write_json(run.iteration(k) / FILE, found.model_dump())
        _say(run, k, found.alarms, BEFORE)
    _stop(k, found.of(BEFORE))


def alarms_after(run: Run, k: int) -> None:
    """What the evaluation of M_k shows. Its gate reads what is kept here (``deciding.decided``).

    Raises:
        StopRun: an alarm that is set to stop fired.
    """
    made, found = monitors(run, k), _kept(run, k)
    if found is None or AFTER not in found.phases:
        run.display.start(f"M{k}", "alarms")
        ours = [] if found is None else found.of(BEFORE)
        new = _look(run, k, made, AFTER)
        said = statements(run.config.alarms, new)
        found = Alarms(
            model=f"M{k}", k=k, phases=[BEFORE, AFTER], alarms=[*ours, *new], statements=said
        )
        write_json(run.iteration(k) / FILE, found.model_dump())
        _say(run, k, new, AFTER)
    _stop(k, found.of(AFTER))


def _kept(run: Run, k: int) -> Alarms | None:
    path = run.iteration(k) / FILE
    return read_model(path, Alarms) if path.is_file() else None


def _look(run: Run, k: int, made: Monitors, when: When) -> list[Alarm]:
    return look(Seen(run.folder, run.config, k, made), when)


def _say(run: Run, k: int, found: Sequence[Alarm], when: When) -> None:
    fired = [alarm for alarm in found if alarm.fired]
    run.display.finish(f"M{k}", "alarms", f"{len(fired)} of {len(found)} fired {when}")
    for alarm in fired:
        run.display.note(f"ALARM {alarm.name} ({alarm.does}): {one_line(alarm.evidence)}")


def _stop(k: int, found: Sequence[Alarm]) -> None:
    for alarm in found:
        if alarm.fired and alarm.does == "stop":
            value = 0.0 if alarm.value is None else alarm.value
            message = (
                f"M{k}: alarm {alarm.name} {alarm.when}: {alarm.evidence} (alarms.stop names it)"
            )
            raise StopRun(k, alarm.name, value, alarm.threshold, message)
