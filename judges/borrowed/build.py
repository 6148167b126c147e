"""What both loaders share: slots by another name, and errors in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from judges.spec import JudgeSpec
from results.errors import UsageError
from results.text import excerpt


def rename_slots(template: str, names: Mapping[str, str]) -> str:
    """Returns ``template`` with its slots called as ours are; ``names``: ours by theirs."""
    found = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"\{{({found})\}}", lambda slot: "{" + names[slot[1]] + "}", template)


def build(where: str, data: Mapping[str, Any]) -> JudgeSpec:
    """Returns the spec that ``data`` is. Raises UsageError that names ``where`` it comes from."""
    try:
        return JudgeSpec.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        why = excerpt(first["msg"].removeprefix("Value error, "), 160)
        raise UsageError(
            f"{where}: {key + ': ' if key else ''}{why}; not a judge of a form that is known here"
        ) from None
