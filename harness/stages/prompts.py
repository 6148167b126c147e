"""New instructions for one iteration: written by a model from few shots, or from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from harness.config import PromptFilters, Prompts
from harness.evaluation_texts import contamination
from harness.folder import other_settings
from harness.prompt_filters.chain import (
    Check,
    Filters,
    among,
    contaminated,
    form_check,
    held_out,
    in_language,
)
from harness.prompt_filters.form import form_filter
from harness.prompt_filters.language import Language
from harness.prompt_filters.similar import SimilarTexts
from harness.run import Run, StopRun
from harness.stages.few_shot import instructions
from harness.stages.self_instruct import self_instruct, wanted
from results.errors import UsageError
from results.records import Example, Prompt
from results.store import RecordFile, read_json_lines
from results.text import excerpt

LOOKED_AT = 200  # texts whose language is looked at before anything is written


def prompts(run: Run, k: int, ift: Sequence[Example]) -> list[Prompt]:
    """The prompts of iteration ``k``, dropped ones with their reason among them."""
    file = _file(run, k)
    if not file.done:
        run.display.start(f"M{k}", "prompts")
        if run.config.prompts.source == "file":
            _from_file(run, k, file)
        else:
            seeds = instructions(ift)
            earlier = [p for j in range(2, k) for p in _file(run, j).read() if p.status == "kept"]
            filters = _written_filters(run, k, seeds, earlier)
            self_instruct(run, k, seeds, [str(p.prompt) for p in earlier], filters, file)
            run.release("writer")  # a large one would stand beside the policy until training
        records = file.read()
        reasons = Counter(p.reason for p in records if p.reason)
        dropped = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        kept = sum(p.status == "kept" for p in records)
        said = f"{kept} kept of {len(records)}" + (f": {dropped}" if dropped else "")
        unused = [reason for reason in filters_in_use(run.config.prompts) if not reasons[reason]]
        said += f"; 0 each: {', '.join(unused)}" if unused else ""
        if (fewer := wanted(run.config.prompts, k) - kept) > 0:
            said += f"; {fewer} fewer than prompts.count"
        if missed_calls(run, k):
            said += f"; {_ask_again(run)}"
        run.display.finish(f"M{k}", "prompts", said)
    found = file.read()
    if not any(p.status == "kept" for p in found):
        message = f"M{k}: no prompt was kept of {len(found)}{_why_none(run, k, found)}"
        raise StopRun(k, "prompts", 0, 1, f"{message}; see {file.path}")
    return found


def filters_in_use(config: Prompts) -> list[str]:
    """The reasons that the filters of these settings can give, in the order in which they look."""
    if config.source == "file":
        asked = {"empty": True, "duplicate": True}
    else:
        of = config.filters
        asked = {
            "empty": True,
            "too_short": of.min_words > 1,
            "too_long": True,
            "keyword": bool(of.keywords or of.starts),
            "bad_start": of.bad_start,
            "duplicate": True,
            "in_seed_data": True,
        }
    asked |= {
        "held_out": True,
        "contaminated": config.decontaminate is not None,
        "language": config.filters.language is not None,
        "similar": config.source != "file" and config.filters.rouge_l is not None,
    }
    return [reason for reason, used in asked.items() if used]


def missed_calls(run: Run, k: int) -> int:
    """How many calls of the writer failed, where fewer prompts than wanted came out for it."""
    records = _file(run, k).read()
    enough = sum(p.status == "kept" for p in records) >= wanted(run.config.prompts, k)
    return 0 if enough else sum(p.reason == "error" for p in records)


def _ask_again(run: Run) -> str:
    return f"srlm retry {run.folder} --failed makes the failed calls again"


def _file(run: Run, k: int) -> RecordFile[Prompt]:
    return RecordFile(run.iteration(k) / "prompts.jsonl", Prompt)


def _why_none(run: Run, k: int, found: Sequence[Prompt]) -> str:
    """The commonest reason, with the key that it hangs on."""
    reasons = Counter(str(p.reason) for p in found)
    if not reasons:
        return ""
    reason, n = reasons.most_common(1)[0]
    if reason == "error":
        return f": {n} error (the writer has to answer; then {_ask_again(run)})"
    filters = run.config.prompts.filters
    mend = {
        "language": f"prompts.filters.language is {filters.language}: name the language that is "
        "written, or null for any",
        "unterminated": "raise prompts.decoding.max_tokens",
        "no_instruction": "set prompts.form to what the model can follow",
        "contaminated": "set prompts.decontaminate.ngram higher, or give other prompts",
        "similar": f"prompts.filters.rouge_l is {filters.rouge_l}: raise it, or decode hotter",
        "keyword": "see prompts.filters.keywords and .starts",
        "bad_start": "set prompts.filters.bad_start=false for other scripts",
        "too_short": f"prompts.filters.min_words is {filters.min_words}",
        "too_long": f"prompts.filters.max_words is {filters.max_words}",
    }.get(reason)
    return f": {n} {reason}" + (f" ({mend}); {other_settings(run.folder, k)}" if mend else "")


def _written_filters(run: Run, k: int, seeds: Sequence[str], earlier: Sequence[Prompt]) -> Filters:
    filters = run.config.prompts.filters
    similar = None
    if filters.rouge_l is not None:
        similar = SimilarTexts(filters.rouge_l)
        for text in seeds:
            similar.add(f"seed: {text}", text)
        for prompt in earlier:
            similar.add(prompt.id, str(prompt.prompt))
    later = [among(seeds, "in_seed_data"), *_shared_checks(run)]
    first = [form_check(form_filter(filters))]
    return Filters(first, later, wanted(run.config.prompts, k), similar)


def _shared_checks(run: Run) -> list[Check]:
    """What a prompt may not be whoever wrote it."""
    checks = [held_out(run.held_out)]
    index, language = contamination(run), run.config.prompts.filters.language
    if index is not None:
        checks.append(contaminated(index))
    if language is not None:
        checks.append(in_language(Language(language)))
    return checks


def check_shots(run: Run, ift: Sequence[Example]) -> None:
    """Refuses prompt settings that the inputs cannot meet, before anything is written.

    Raises:
        UsageError: the seed data has fewer instructions than a few-shot prompt shows; no seed
            instruction (or prompt of the file) is in the language that is asked for; a bad line.
    """
    config = run.config.prompts
    if config.path is not None:
        texts = [text for _, text in read_prompt_file(Path(config.path))]
        _check_language(config.filters, texts, f"the prompts of {config.path}")
    if config.path is not None or run.config.iterations == 1:
        return
    texts = instructions(ift)
    if len(texts) < config.shots:
        raise UsageError(
            f"prompts.shots is {config.shots}, but the seed data has {len(texts)} different "
            "instructions; lower prompts.shots or give more seed data"
        )
    _check_language(config.filters, texts, "the seed instructions")


def _check_language(filters: PromptFilters, texts: Sequence[str], whose: str) -> None:
    if filters.language is None:
        return
    language = Language(filters.language)
    looked_at = list(islice((text for text in texts if text), LOOKED_AT))
    others = Counter(other for text in looked_at if (other := language.other(text)))
    if looked_at and others.total() == len(looked_at):
        seems = others.most_common(1)[0][0]
        raise UsageError(
            f"prompts.filters.language is {filters.language}, and none of {whose} is in it (of "
            f"{len(looked_at)} looked at most seem to be {seems}, the first is "
            f"{excerpt(looked_at[0], 40)!r}): every prompt would be dropped; set it to {seems}, or "
            "to null for any (and prompts.filters.bad_start=false for another script)"
        )


def _from_file(run: Run, k: int, file: RecordFile[Prompt]) -> None:
    """The prompts of the user's file that are iteration ``k``'s."""
    config = run.config.prompts
    path = Path(str(config.path))
    chosen = next_of_file(config, k, read_prompt_file(path))
    # Their form is the user's choice: long and short ones may be there on purpose.
    filters = Filters([among([""], "empty")], _shared_checks(run), len(chosen))
    records = []
    for name, text in chosen:
        dropped = filters.offer(name, text)
        records.append(
            Prompt(
                id=name,
                prompt=text,
                source=path.name,
                status="dropped" if dropped else "kept",
                reason=dropped.reason if dropped else None,
                detail=dropped.detail if dropped else None,
            )
        )
    file.replace(records)


def next_of_file(config: Prompts, k: int,
                 rows: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:  # fmt: skip
    """The rows that iteration ``k`` takes: each goes on where the one before ended."""
    first = sum(wanted(config, j) for j in range(2, k))
    return rows[first : first + wanted(config, k)]


def most_prompts(config: Prompts, k: int) -> int:
    """How many prompts iteration ``k`` gets at most: of a file no more than is left of it. One that
    is not there counts as long enough: a plan assumes so, and a run refuses it.
    """
    if config.path is None or not Path(config.path).exists():
        return wanted(config, k)
    return len(next_of_file(config, k, read_prompt_file(Path(config.path))))


def read_prompt_file(path: Path) -> list[tuple[str, str]]:
    """Id and text of every line ``{"prompt": text, "id"?}``; UsageError names a wrong line."""
    rows: dict[str, str] = {}
    for line, row in read_json_lines(path):
        if not isinstance(row.get("prompt"), str):
            raise UsageError(
                f"{path}:{line}: no 'prompt' with a text; expected {{\"prompt\": ...}}"
            )
        name = f"line-{line}" if row.get("id") is None else str(row["id"])
        if name in rows:  # candidates and scores are joined by id
            raise UsageError(f"{path}:{line}: id {name!r} is there more than once; rename one")
        rows[name] = row["prompt"].strip()
    return list(rows.items())
