"""AlpacaEval's annotators, from the configuration of the installed alpaca-eval package."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from judges.borrowed.build import build, rename_slots
from judges.spec import JudgeSpec
from results.errors import SrlmError, UsageError, did_you_mean
from results.files import unreadable
from results.text import excerpt

_SLOTS = {"instruction": "prompt", "output_1": "first", "output_2": "second"}
_CHAT = re.compile(r"<\|im_start\|>(\w+)[^\n]*\n(.*?)<\|im_end\|>", re.DOTALL)
_PLAIN = re.compile(r"\A\s*Human: |\s*Assistant:\s*\Z")
_OTHER = {"m": "M", "model_1": "model_2"}  # the second model's name, by the first one's


@dataclass(frozen=True)
class Published:
    """What AlpacaEval fixes with an annotator and a judge spec has no place for.

    ``model``: the judge that published figures are of. ``top``: how many alternatives are asked for
    with each token, 0 where the verdict is read from the text. ``place``: of the verdict's token in
    the answer, from the end where negative; null = the answer is that token alone. ``binary``: the
    likelier token is the whole verdict.
    """

    model: str
    top: int = 0
    place: int | None = None
    binary: bool = True


def published(name: str) -> Published:
    """Returns what belongs to annotator ``name`` beside the judge. Raises as ``annotator`` does."""
    path, config = _config(name)
    try:
        settings = config.get("completions_kwargs") or {}
        model = str(settings["model_name"])
        if config.get("fn_completion_parser") != "logprob_parser":
            return Published(model)
        reading = config.get("completion_parser_kwargs") or {}
        place = reading.get("log_prob_index", "batch")
        return Published(
            model,
            int(settings["top_logprobs"]),
            None if place == "batch" else int(place),
            bool(reading.get("is_binarize", True)),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unknown_form(path, error) from None


def annotator(name: str) -> JudgeSpec:
    """Returns annotator ``name`` as a pairwise judge.

    What is kept: the prompt, temperature, tokens, and how the answer is read. What is not: the
    model that AlpacaEval fixes with it (name your own), its own draw of the order (here by seed and
    pair), and function calls: the function's arguments are asked for as plain JSON instead.

    Raises:
        SrlmError: alpaca-eval is not installed, or its files cannot be read.
        UsageError: an unknown annotator, or one that judges several pairs at once, or whose answers
            are read in a way that is not known here.
    """
    path, config = _config(name)
    try:
        settings = dict(config.get("completions_kwargs") or {})
        template = str(config["prompt_template"])
        batch = config.get("batch_size", 1)
        reading = _reading(config)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unknown_form(path, error) from None
    if batch != 1:
        raise UsageError(
            f"{path}: judges {excerpt(batch)} pairs in one call, expected batch_size: 1; "
            "use another annotator"
        )
    system, user = _messages(path.parents[1] / template)
    randomised = config.get("is_randomize_output_order", True)
    return build(
        str(path),
        {
            "name": f"alpaca_eval:{name}",
            "version": 1,
            "description": f"AlpacaEval's {name}, as the installed package has it",
            "kind": "pairwise",
            "rubric": rename_slots(user, _SLOTS) + _arguments(settings),
            "system": system,
            "decoding": {
                "temperature": settings.get("temperature", 0.7),
                "top_p": settings.get("top_p", 1.0),
                "max_tokens": settings.get(
                    "max_tokens", settings.get("max_tokens_to_sample", 2048)
                ),
            },
            "draws": 1,
            "orders": "random" if randomised else "AB",
            **reading,
        },
    )


def _config(name: str) -> tuple[Path, dict[str, Any]]:
    """The file of annotator ``name`` and what it says. Raises as ``annotator`` does."""
    folder = _folder()
    path = folder / name / "configs.yaml"
    if not path.is_file():
        there = sorted(found.parent.name for found in folder.glob("*/configs.yaml"))
        meant = did_you_mean(name, there)
        raise UsageError(f"alpaca-eval has no annotator {excerpt(name)!r}{meant} (see {folder})")
    try:
        return path, dict(yaml.safe_load(_text(path))[name])
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise _unknown_form(path, error) from None


def _unknown_form(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"{path}: not an annotator that is known here ({excerpt(repr(error), 120)}); "
        "use another one, or write a judge of your own"
    )


def _folder() -> Path:
    """Where the annotators lie; the package is found, not imported: it brings much with it."""
    package = importlib.util.find_spec("alpaca_eval")
    for place in (package and package.submodule_search_locations) or ():
        if (folder := Path(place) / "evaluators_configs").is_dir():
            return folder
    raise SrlmError(
        "judges called alpaca_eval:NAME are read from the package alpaca-eval, which is not "
        "installed; python -m pip install 'alpaca-eval==0.6.6'"
    )


def _reading(config: Mapping[str, Any]) -> dict[str, Any]:
    """Parser and aggregation, by AlpacaEval's parser and its settings.

    Raises KeyError, TypeError or ValueError on one that is not known here.
    """
    settings = config.get("completion_parser_kwargs") or {}
    parser = config.get("fn_completion_parser", "regex_parser")
    if parser == "logprob_parser":
        first = settings["numerator_token"]
        (second,) = (token for token in settings["denominator_tokens"] if token != first)
        return {
            "parser": {"name": "last_word", "first": first, "second": second},
            "aggregation": "expected",
            "example": {"text": second, "verdict": "B"},
        }
    if parser == "regex_parser":
        first, second = settings["outputs_to_match"][1], settings["outputs_to_match"][2]
        return {"parser": {"name": "patterns", "first": first, "second": second}}
    key = ""
    if parser == "pipeline_meta_parser":
        steps = settings["parsers_to_kwargs"]
        if list(steps) != ["json_parser", "ranking_parser"]:
            raise ValueError(f"parsers {list(steps)}")
        key, settings, parser = steps["json_parser"]["annotation_key"], steps["ranking_parser"], ""
    elif parser != "ranking_parser":
        raise ValueError(f"parser {parser}")
    first = settings.get("model_1_name", "model_1")
    second = _OTHER[first]
    rows = [{"model": second, "rank": 1}, {"model": first, "rank": 2}]
    return {
        "parser": {"name": "ranking", "first": first, "second": second, "key": key},
        "example": {"text": json.dumps({key: rows} if key else rows), "verdict": "B"},
    }


def _messages(path: Path) -> tuple[str, str]:
    """The system and the user text of a prompt file."""
    text = _text(path)
    if "<|im_start|>" not in text:
        return "", _PLAIN.sub("", text)
    said = [(role, content.strip()) for role, content in _CHAT.findall(text)]
    roles = [role for role, _ in said]
    if roles not in (["user"], ["system", "user"]):
        raise UsageError(
            f"{path}: found messages of {excerpt(roles)}, expected one user message, with or "
            "without a system message before it; use another annotator"
        )
    return (said[0][1] if len(said) > 1 else ""), said[-1][1]


def _arguments(settings: Mapping[str, Any]) -> str:
    """What asks for a function's arguments as plain JSON, "" where no function is called."""
    tools = settings.get("tools")
    if not isinstance(tools, list) or not tools:
        return ""
    function = tools[0]["function"]
    schema = json.dumps(function["parameters"])
    return (
        f"\n\nAnswer with one JSON object that holds the arguments of {function['name']}, by this "
        f"schema, and with nothing else:\n{schema}"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise unreadable(path, error, "a file of alpaca-eval") from None
