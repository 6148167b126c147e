"""What follows a decision: a waiver by name, a question at the terminal, the hook."""

from __future__ import annotations

import sys

from harness.attempts import attempt_number, begun
from harness.deciding import next_settings, what_follows
from harness.hook import tell
from harness.lineage import GATE
from harness.run import Run
from harness.stages.gate import gate
from results.errors import UsageError
from results.files import write_json
from results.gate_records import Policy
from results.records import GateDecision


def settle(run: Run, k: int, champion: int | None) -> GateDecision:
    """The gate's decision on the attempt at M_k, waived, answered and told as the run says.

    Its record says what follows; a hold that nobody has answered stays a question.
    """
    path = run.iteration(k) / GATE
    new = not path.exists()
    decision = gate(run, k, champion)
    if decision.policy is None:  # a record from before there were policies
        n = attempt_number(run.folder, k)
        follows = what_follows(run.config, k, n, decision.decision == "promote", champion)
        decision = decision.model_copy(update={"policy": follows})
    answered = _answered(run, k, champion, decision)
    if answered != decision:
        write_json(path, answered.model_dump())
    if new or answered != decision:
        tell(run.config.gate.on_gate, path, run.display)
    return answered


def _answered(run: Run, k: int, champion: int | None, decision: GateDecision) -> GateDecision:
    if decision.decision != "hold":
        return decision
    name = run.config.gate.waived_by.get(f"M{k}")
    if name is None and decision.policy is not None and decision.policy.then == "ask":
        answer = _ask(run, k)
        if answer == "r":
            stands = decision.policy.champion
            then = next_settings(run.config, decision.attempt)
            retry = Policy(then="retry", champion=stands, changes=then)
            return decision.model_copy(update={"policy": retry})
        name = _name(run) if answer == "p" else None
    if name is None:
        return decision
    if begun(run.folder, k + 1):
        raise UsageError(
            f"gate.waived_by.M{k}: M{k + 1} is begun already, without M{k}; a new --out with "
            f"start={run.iteration(k)} goes on from M{k}"
        )
    follows = what_follows(run.config, k, decision.attempt, True, champion)
    update = {"decision": "promote", "waived_by": name, "policy": follows}
    run.display.note(f"M{k} is promoted all the same, waived by {name}")
    return decision.model_copy(update=update)


def _ask(run: Run, k: int) -> str | None:
    """One of p, r, s; null where nobody can be asked."""
    if not (sys.stdin.isatty() and run.display.console.is_terminal):
        return None
    retries = attempt_number(run.folder, k) <= run.config.gate.retries and k > 1
    known = {"p": "[p]romote it all the same", "s": "[s]top here"}
    known |= {"r": "make it again ([r]etry)"} if retries else {}
    words = ", ".join(known.values())
    while True:
        answer = _read(run, f"M{k} is held: {words}? ")
        if answer is None or answer[:1].lower() in known:
            return answer and answer[:1].lower()


def _name(run: Run) -> str | None:
    """Who promotes it; nobody unless there is a name."""
    return _read(run, "your name, for the record: ")


def _read(run: Run, question: str) -> str | None:
    run.display.console.print(question, end="", markup=False, highlight=False)
    try:
        return input().strip() or None
    except EOFError:
        return None


def follows(decision: GateDecision) -> Policy:
    """What follows from a decision that was settled; one that stopped the run says it, too."""
    return decision.policy or Policy(then="end", champion=None)


def how_to_answer(run: Run, k: int) -> str:
    """What a hold that waits for an answer says where there is no terminal."""
    retry = " (to make it again, too)" if run.config.gate.retries and k > 1 else ""
    return (
        f"the same command with --out {run.folder} gate.waived_by.M{k}=NAME promotes it all the "
        f"same; at a terminal the same command asks{retry}"
    )
