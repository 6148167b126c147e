"""Whether a model folder can take part in the loop, seen from its settings and tokenizer alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.tokens import NO_TEMPLATE, chat_turns
from results.errors import UsageError
from results.files import read_json
from results.records import Message

QUESTION = "What is asked?"
ANSWER = "What is answered."


def check_model(folder: Path, tokenizer: Any) -> None:
    """Refuses in one line what would only fail, or silently go wrong, hours later.

    Args:
        folder: of the model; its weights are not read.
        tokenizer: the one that lies there.

    Raises:
        UsageError: no chat template, one that cannot show a question, or one under which an
            answer that is trained does not follow the prompt that is asked; a tokenizer with
            tokens that the model has no embedding for; no end token.
    """
    rows = _embeddings(folder)
    highest = max(tokenizer.get_vocab().values(), default=0)
    if rows is not None and highest >= rows:
        raise UsageError(
            f"{folder}: the tokenizer has a token number {highest}, the model's embedding has "
            f"{rows} rows (vocab_size in config.json): the tokenizer is another model's; put this "
            "model's own beside its weights"
        )
    if tokenizer.eos_token_id is None:
        raise UsageError(
            f"{folder}: the tokenizer names no end token (eos_token), so no answer would ever "
            "end; set it in tokenizer_config.json"
        )
    if not tokenizer.chat_template:
        raise UsageError(f"{folder}: {NO_TEMPLATE}")
    try:
        turns, asked = chat_turns(tokenizer, (Message(role="user", content=QUESTION),))
    except UsageError as error:
        raise UsageError(f"{folder}: {error}") from error
    answer = {"role": "assistant", "content": ANSWER}
    try:
        trained = tokenizer.apply_chat_template([*turns, answer], tokenize=False)
    except Exception as error:  # jinja's own and what a template raises
        why = " ".join(str(error).split())
        raise UsageError(
            f"{folder}: the chat template cannot show an answer: {why}; give another in "
            "model.chat_template"
        ) from error
    if not trained.startswith(asked) or ANSWER not in trained[len(asked) :]:
        raise UsageError(
            f"{folder}: under the chat template an answer does not follow the prompt that asks for "
            f"it (asked: {asked[-40:]!r}, trained: {trained[-60:]!r}): the model would be trained "
            "on another text than it sees; give another in model.chat_template, or set what it "
            "reads in model.chat_template_options"
        )


def _embeddings(folder: Path) -> int | None:
    """Rows of the embedding by config.json; null where it does not say."""
    path = folder / "config.json"
    config = read_json(path) if path.is_file() else {}
    size = config.get("vocab_size", (config.get("text_config") or {}).get("vocab_size"))
    return size if isinstance(size, int) else None
