"""A model folder with another chat template: links to the model's files, and the template.

Engine, trainer and whoever serves the folder then take it for a model like any other. The template
is part of what ``weights_hash`` reads, so the model has another identity under another template.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.errors import UsageError
from results.files import read_json, write_bytes, write_json

PLAIN = "plain"
TEMPLATE, SETTINGS = "chat_template.jinja", "tokenizer_config.json"


def template_text(base: Path, template: str | None, options: Mapping[str, Any]) -> str:
    """The template that a run asked for, with ``options`` (``enable_thinking: false``) set in it.

    Args:
        base: the model, whose own template is taken where ``template`` is null.
        template: null, ``plain`` (for base models: one end token a turn, no control token needed)
            or a file.
        options: variables that the template reads.

    Raises:
        UsageError: no such file; options for a model without a template.
    """
    if template == PLAIN:
        text = (Path(__file__).parent / "chat_templates" / "plain.jinja").read_text("utf-8")
    elif template is not None:
        try:
            text = Path(template).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise UsageError(
                f"model.chat_template {template!r}: cannot be read ({why}); expected {PLAIN!r} "
                "or a file with a jinja template"
            ) from error
    else:
        text = own_template(base)
        if not text:
            raise UsageError(
                f"model.chat_template_options: {base} has no chat template to read them; give "
                f"model.chat_template={PLAIN} or a file"
            )
    # Set in the template itself: every engine and trainer then renders the same.
    given = "".join(f"{{%- set {name} = {_literal(value)} -%}}" for name, value in options.items())
    return given + text


def own_template(base: Path) -> str:
    """The chat template that came with a model; empty where there is none."""
    if (base / TEMPLATE).is_file():
        return (base / TEMPLATE).read_text("utf-8")
    path = base / SETTINGS
    found = read_json(path).get("chat_template") if path.is_file() else None
    if isinstance(found, list):  # of several by name, conversations take the one named default
        found = next((entry["template"] for entry in found if entry["name"] == "default"), None)
    return found if isinstance(found, str) else ""


def with_template(base: Path, text: str, out: Path) -> Path:
    """Makes ``out``: the model in ``base`` with the template ``text``. It is whole or not there."""
    if out.is_dir():
        return out
    new = out.with_name(f"{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for file in sorted(base.iterdir()):
        if file.is_file() and file.name not in (TEMPLATE, SETTINGS):
            (new / file.name).symlink_to(file.resolve())
    settings = read_json(base / SETTINGS) if (base / SETTINGS).is_file() else {}
    write_json(new / SETTINGS, {k: v for k, v in settings.items() if k != "chat_template"})
    write_bytes(new / TEMPLATE, text.encode())
    new.rename(out)
    return out


def _literal(value: Any) -> str:
    """A value as jinja writes it."""
    return "none" if value is None else json.dumps(value)
