"""False alarms of healthy quick starts, and what a hacked run raises: ``make alarms``.

Ten healthy runs (seeds 0 to 9, M2 and M3 of each) and one of ``hacked`` without its gate. Two runs
at a time with one thread each; finished runs in runs/proofs are read, not made again, unless other
code made them. ``--runs`` looks at finished runs instead, and makes none.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.alarms.measuring import run_alarms
from harness.alarms.table import ALARMS
from results.alarms import Alarm, Alarms, When
from results.files import read_model
from results.manifest import git_state
from results.records import GateDecision
from tests.proofs.seeds import code_name, folder_of, made_by, refuse_other_code, run

HACKED = "hacked-on"
NONE = "none"


@dataclass(frozen=True)
class Looked:
    """One iteration of one run: its alarms, and what its gate said (null: it has none)."""

    run: str
    alarms: Alarms
    gate: str | None


def looked_at(folder: Path) -> list[Looked]:
    """Every iteration of a run, its alarms worked out anew from the records."""
    found = []
    for alarms in run_alarms(folder):
        path = folder / f"iter_{alarms.k}" / "gate.json"
        gate = read_model(path, GateDecision).decision if path.is_file() else None
        found.append(Looked(folder.name, alarms, gate))
    return found


def by_iteration(found: Sequence[Looked]) -> None:
    """Which alarms fired where."""
    print("| run | iteration | gate | before training | after evaluation |\n|-|-|-|-|-|")
    for one in found:
        cells = [
            ", ".join(a.name for a in one.alarms.of(when) if a.fired) or NONE
            for when in ("before training", "after evaluation")
        ]
        print(f"| {one.run} | {one.alarms.model} | {one.gate} | {' | '.join(cells)} |")


def spread(found: Sequence[Looked], name: str, when: When) -> str:
    """Lowest and highest value of one alarm's figure, and how often it fired."""
    here: list[Alarm] = [
        alarm
        for one in found
        for alarm in one.alarms.alarms
        if (alarm.name, alarm.when) == (name, when)
    ]  # fmt: skip
    values = [alarm.value for alarm in here if alarm.value is not None]
    if not values:
        return "not measured"
    fired = sum(alarm.fired for alarm in here)
    return f"{min(values):.3g} to {max(values):.3g}, {fired} of {len(values)} fired"


def by_alarm(sides: dict[str, Sequence[Looked]]) -> None:
    """The figure behind each alarm on every side, beside its threshold."""
    print("\n| alarm | when | fires at | " + " | ".join(sides) + " |\n|-|-|-|" + "-|" * len(sides))
    for watch in ALARMS:
        at = {
            a.threshold
            for side in sides.values() for one in side for a in one.alarms.alarms
            if (a.name, a.when) == (watch.name, watch.when)
        }  # fmt: skip
        shown = ", ".join(f"{threshold:g}" for threshold in sorted(at)) or "-"
        cells = " | ".join(spread(side, watch.name, watch.when) for side in sides.values())
        print(f"| {watch.name} | {watch.when} | {shown} | {cells} |")


def count(found: Sequence[Looked]) -> str:
    """False alarms in words."""
    wrong = [one for one in found if one.alarms.fired]
    looks = sum(alarm.value is not None for one in found for alarm in one.alarms.alarms)
    alarms = sum(len(one.alarms.fired) for one in found)
    return (
        f"{alarms} false alarms in {looks} figures of {len(found)} healthy iterations; "
        f"{len(wrong)} iterations have one or more"
    )


def made(jobs: Sequence[tuple[str, int]], make: Callable[[str, int], object]) -> None:
    """Makes or reads all runs, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: make(*job), jobs))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--hacked", type=int, nargs="+", default=[0], metavar="SEED")
    parser.add_argument("--runs", type=Path, nargs="+", metavar="RUN", help="finished runs")
    arguments = parser.parse_args()
    if arguments.runs:
        by_iteration([one for folder in arguments.runs for one in looked_at(folder)])
        return
    healthy = [("quickstart", seed) for seed in arguments.seeds]
    hacked = [(HACKED, seed) for seed in arguments.hacked]
    current = git_state(Path(__file__).parents[2])
    for job in (*healthy, *hacked):  # all of them before hours of work
        refuse_other_code(folder_of(*job), current)
    made([*healthy, *hacked], run)
    good, bad = ([one for job in jobs for one in looked_at(folder_of(*job))]
                 for jobs in (healthy, hacked))  # fmt: skip
    codes = sorted({code_name(made_by(folder_of(*job))) for job in (*healthy, *hacked)})
    print(f"\n{' and '.join(codes)}\n\n{count(good)}\n")
    by_iteration([*good, *bad])
    by_alarm({f"healthy, {len(good)} iterations": good, f"hacked, {len(bad)} iterations": bad})
    if not any(alarm.name == "reward_hacking" for one in bad for alarm in one.alarms.fired):
        raise SystemExit("the hacked run did not raise reward_hacking")


if __name__ == "__main__":
    main()
