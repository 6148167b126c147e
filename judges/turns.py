"""The texts of a rubric's slots beyond the prompt: answers, references, and single turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from judges.spec import JudgeSpec
from results.errors import SrlmError, UsageError
from results.records import Message
from results.text import excerpt

# A text, or one text for each question of a conversation.
Turns = str | tuple[str, ...]


def texts(
    spec: JudgeSpec,
    prompt: str | list[Message],
    answers: Mapping[str, Turns],
    reference: Turns | None,
) -> dict[str, str]:
    """Returns the text of every slot but ``{prompt}``.

    A turn is one question with its answer: ``{prompt_1}`` is the first user message. An answer that
    is one text answers the last question; those before it stand in the prompt, the same for all.
    An answer or reference that has turns is shown by a slot without a number as its last turn.

    Raises:
        SrlmError: the rubric has a slot whose text is not there.
    """
    questions = [prompt] if isinstance(prompt, str) else _said(prompt, "user")
    before = [] if isinstance(prompt, str) else _said(prompt, "assistant")
    parts: dict[str, list[str]] = {"prompt": questions}
    for name, answer in answers.items():
        parts[name] = [*before, answer] if isinstance(answer, str) else list(answer)
    if reference is not None:
        parts["reference"] = [reference] if isinstance(reference, str) else list(reference)
    found = {name: turns[-1] for name, turns in parts.items() if turns and name != "prompt"}
    for slot in spec.slots:
        name, _, number = slot.partition("_")
        turns = parts.get(name, [])
        if number and int(number) <= len(turns):
            found[slot] = turns[int(number) - 1]
        elif slot not in found and slot != "prompt":
            raise SrlmError(
                f"judge {spec.name!r} shows {{{slot}}}, which the prompt {excerpt(questions[-1:])} "
                "does not have; use other data or a judge without it"
            )
    return found


def refuse_data(
    spec: JudgeSpec, of: Iterable[tuple[str | list[Message], Mapping[str, Turns], Turns | None]]
) -> None:
    """Raises UsageError when the rubric shows what some of the prompts do not have.

    ``of`` has prompt, answers by slot and reference of everything that will be judged. The text
    says how many prompts lack a reference, or the turns that the rubric shows.
    """
    lacking: dict[str, set[str]] = {"reference": set(), "turns": set()}
    prompts = set()
    for prompt, answers, reference in of:
        key = repr(prompt)
        prompts.add(key)
        try:
            texts(spec, prompt, answers, reference)
        except SrlmError:
            shown = any(slot.startswith("reference") for slot in spec.slots)
            lacking["reference" if shown and reference is None else "turns"].add(key)
    if lacking["reference"]:
        raise UsageError(
            f"judge {spec.name!r} shows a reference answer, and {len(lacking['reference'])} of "
            f"{len(prompts)} prompts have none; give each a 'reference' or use another judge"
        )
    if lacking["turns"]:
        named = ", ".join(f"{{{slot}}}" for slot in sorted(spec.slots) if slot != "prompt")
        raise UsageError(
            f"judge {spec.name!r} shows {named}, and {len(lacking['turns'])} of {len(prompts)} "
            "prompts do not have all of these turns; use other data or another judge"
        )


def _said(prompt: list[Message], role: str) -> list[str]:
    return [message.content for message in prompt if message.role == role]
