"""The prompts of every evaluation set that a run uses: what it trains on may hold none of them."""

from __future__ import annotations

from benchmarks.benchmark import HasPromptTexts, HasRankings
from benchmarks.human_data.split import bare_text
from harness.prompt_filters.contamination import Contamination
from harness.run import Run
from harness.stages.fitness import fit_rankings


def contamination(run: Run) -> Contamination | None:
    """An index of them, null where ``prompts.decontaminate`` is."""
    config = run.config.prompts.decontaminate
    return None if config is None else Contamination(evaluation_texts(run), config.ngram)


def evaluation_texts(run: Run) -> list[tuple[str, str]]:
    """Name and text of the benchmarks' prompts, their human rankings' and ``judge.fit.data``'s."""
    path = run.config.judge.fit.data
    found: list[tuple[str, str]] = []
    for benchmark in run.benchmarks:
        name = benchmark.name
        if isinstance(benchmark, HasPromptTexts):
            found += ((f"{name} {i}", text) for i, text in benchmark.prompt_texts())
        elif isinstance(benchmark, HasRankings):
            found += ((f"{name} {r.id}", bare_text(r.prompt)) for r in benchmark.rankings)
    if path is not None:
        found += ((f"{path} {r.id}", bare_text(r.prompt)) for r in fit_rankings(path))
    return found


def not_compared(run: Run) -> str | None:
    """One line where a benchmark does not say what it asks; null where all do."""
    silent = [b.name for b in run.benchmarks if not isinstance(b, HasPromptTexts)]
    if run.config.prompts.decontaminate is None or not silent:
        return None
    return (
        f"prompts.decontaminate: benchmark {' and '.join(map(repr, silent))} does not say its "
        "prompts (it has no prompt_texts), so nothing is compared with them; what its held_out "
        "refuses is dropped"
    )
