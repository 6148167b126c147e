"""Whether a model folder can take part in the loop, seen from its settings and tokenizer alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.tokens import NO_TEMPLATE, after_answer, turn_end
from results.errors import UsageError
from results.files import read_json

# The least share of the embedding's rows that the tokenizer uses: models pad by a few per cent.
LEAST_USED = 0.9
# Files that hold a vocabulary, of which a tokenizer has one at least.
VOCABULARIES = (
    "tokenizer.json", "tokenizer.model", "*.model", "vocab.json", "vocab.txt", "*.tiktoken",
    "tekken.json",
)  # fmt: skip


def check_model(folder: Path, tokenizer: Any) -> None:
    """Refuses in one line what would only fail, or silently go wrong, hours later.

    Args:
        folder: of the model; its weights are not read.
        tokenizer: the one that lies there.

    Raises:
        UsageError: no chat template, one that cannot show a question and an answer after it, or one
            that does not end an answer; a tokenizer with tokens that the model has no embedding
            for, or without the model's end token; no end token.
    """
    config = _read(folder / "config.json")
    size = config.get("vocab_size", (config.get("text_config") or {}).get("vocab_size"))
    rows = size if isinstance(size, int) else None
    highest = max(tokenizer.get_vocab().values(), default=0)
    if rows is not None and highest >= rows:
        raise UsageError(
            f"{folder}: the tokenizer has a token number {highest}, the model's embedding has "
            f"{rows} rows (vocab_size in config.json): the tokenizer is another model's; put this "
            "model's own beside its weights"
        )
    if rows is not None and highest + 1 < LEAST_USED * rows:
        raise UsageError(
            f"{folder}: the tokenizer's tokens go up to {highest}, the model's embedding has "
            f"{rows} rows (vocab_size in config.json): the tokenizer is another model's; put this "
            "model's own beside its weights, or resize the embedding to it"
        )
    ends = _ends(config) | _ends(_read(folder / "generation_config.json"))
    if rows is not None and any(highest < end < rows for end in ends):
        raise UsageError(
            f"{folder}: the model ends a text with its token {max(ends)} (eos_token_id in "
            f"config.json or generation_config.json), the tokenizer's tokens go up to {highest}: "
            "the tokenizer is another model's; put this model's own beside its weights"
        )
    if tokenizer.eos_token_id is None:
        raise UsageError(
            f"{folder}: the tokenizer names no end token (eos_token), so no answer would ever "
            "end; set it in tokenizer_config.json"
        )
    _refuse_ordinary_end(folder, tokenizer, ends)
    if not tokenizer.chat_template:
        raise UsageError(f"{folder}: {NO_TEMPLATE}")
    try:
        end = turn_end(tokenizer)
    except UsageError as error:
        raise UsageError(f"{folder}: {error}") from error
    if end is None:
        raise UsageError(
            f"{folder}: the chat template writes no end token after an answer (it writes "
            f"{after_answer(tokenizer)!r}), so no training would teach when to stop; end the "
            f"assistant's turn with eos_token ({tokenizer.eos_token!r}) in a file of your own, "
            "model.chat_template"
        )


def _refuse_ordinary_end(folder: Path, tokenizer: Any, ends: set[int]) -> None:
    """An end of the model that is a word or a sign to the tokenizer is another tokenizer's end."""
    marks = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    if ends and tokenizer.eos_token_id not in ends and not ends & marks:
        end = min(ends)
        raise UsageError(
            f"{folder}: the model ends a text with its token {end} (eos_token_id in config.json or "
            f"generation_config.json), which is {tokenizer.convert_ids_to_tokens(end)!r} in the "
            "tokenizer: the tokenizer is another model's; put this model's own beside its weights"
        )


def check_files(folder: Path) -> None:
    """Raises UsageError where no tokenizer lies: transformers makes an empty one of some kinds."""
    if not any(any(folder.glob(name)) for name in VOCABULARIES):
        raise UsageError(
            f"{folder}: the tokenizer cannot be loaded (none of {', '.join(VOCABULARIES)}); put "
            "the model's own tokenizer files beside its weights"
        )


def _read(path: Path) -> dict[str, Any]:
    found = read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _ends(settings: dict[str, Any]) -> set[int]:
    """The tokens that end a text by a model's settings: none, one or a list."""
    found = settings.get("eos_token_id")
    return {end for end in (found if isinstance(found, list) else [found]) if isinstance(end, int)}
