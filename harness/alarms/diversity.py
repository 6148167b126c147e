"""Repetition and collapse of diversity: answers become alike, or carry one phrase."""

from __future__ import annotations

from harness.alarms.finding import Finding, above, written
from harness.alarms.seen import Seen
from harness.anchored import null
from results.diversity import Phrase
from results.records import Metric
from results.text import excerpt

LOSS = "1 minus distinct-2 over that of the iteration before"


def repeated(seen: Seen) -> Finding:
    """Candidates that repeat another one of their prompt: there is less to choose from."""
    what = "candidates that repeat another of their prompt"
    return above(seen.metric("repeated"), seen.settings.repeated, what)


def diversity_loss(seen: Seen) -> Finding:
    """Distinct-2 has no interval, being no mean over prompts: the loss itself is compared."""
    most, now, before = seen.settings.diversity_loss, seen.metric("distinct_2"), seen.before
    if before is None:
        why = "iteration 2 is the first with candidates"
        return above(null("diversity_loss", LOSS, why), most, "loss of distinct-2")
    then = before.metrics["distinct_2"]
    if now.value is None or not then.value:
        why = str(now.reason if now.value is None else then.reason)
        return above(null("diversity_loss", LOSS, why), most, "loss of distinct-2")
    loss = Metric(
        name="diversity_loss", value=1 - now.value / then.value, n=now.n, of=now.of,
        convention=LOSS, reason=now.reason,
    )  # fmt: skip
    fired = loss.value is not None and loss.value > most
    text = (
        f"distinct-2 of the candidates: {then.value:.3f} to {now.value:.3f}, a loss of "
        f"{written(loss, 'share')}, {'above' if fired else 'not above'} {100 * most:g} %"
    )
    return Finding(fired, loss, most, text)


def candidates_share(seen: Seen) -> Finding:
    """The phrase that grew most among the candidates; nobody names it beforehand."""
    what = f"{_quoted(seen, 'grown_phrase')} in the candidates, more than an iteration before"
    return above(seen.metric("grown_phrase"), seen.settings.grown_phrase, what)


def outputs_share(seen: Seen) -> Finding:
    """The phrase that grew most in the held-out outputs."""
    what = f"{_quoted(seen, 'output_phrase')} in the held-out outputs, more than a model before"
    return above(seen.metric("output_phrase"), seen.settings.grown_phrase, what)


def shared_sentence(seen: Seen) -> Finding:
    """One sentence in many answers to different prompts. It needs no iteration before it."""
    what = f"candidates with {_quoted(seen, 'shared_sentence')}"
    return above(seen.metric("shared_sentence"), seen.settings.shared_sentence, what)


def _quoted(seen: Seen, name: str) -> str:
    phrase: Phrase | None = seen.monitors.phrases[name]
    return "no phrase" if phrase is None else repr(excerpt(phrase.text))
