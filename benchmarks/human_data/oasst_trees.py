"""Open Assistant: conversations in which people ranked the assistant's replies (rank 0 = best).

Two exports: trees (one tree a line, replies inside) and messages (one message a line, joined by
``parent_id``, with or without replies inside). Both end as message trees here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.human_data.grades import rank_of, score_of
from benchmarks.human_data.source import Found, Row, Source
from judges.rankings import RankedPrompt
from results.errors import UsageError
from results.lines import to_record

ROLES = {"prompter": "user", "assistant": "assistant"}
ANOTHER = "prompt is in another language, left out"
REPLY = "reply {!r}"


@dataclass(frozen=True)
class _Node:
    """A message, the line it began at, and the turns that lead to it (itself not among them)."""

    line: int
    message: dict[str, Any]
    before: tuple[dict[str, Any], ...] = ()


def read_trees(source: Source) -> Iterator[Found]:
    """Yields the reply groups of tree exports that have a ranked reply at all."""
    yield from _groups(source, _roots(source))


def read_messages(source: Source) -> Iterator[Found]:
    """The same of message exports. Each is read whole: a reply may stand before its prompt."""
    yield from _groups(source, iter(_joined(source)))


def _roots(source: Source) -> Iterator[Row]:
    for line, tree in source.rows:
        root = tree.get("prompt")
        if not isinstance(root, dict) or "text" not in root:
            raise UsageError(
                f"{source.path}:{line}: not a message tree: no 'prompt' with a 'text' "
                "(expected an Open Assistant tree export)"
            )
        yield line, root


def _joined(source: Source) -> list[Row]:
    """Returns the messages without a parent, each with its replies at every depth inside."""
    rows: dict[str, Row] = {}
    for line, message in source.rows:
        name = message.get("message_id")
        if not isinstance(name, str) or "text" not in message:
            raise UsageError(
                f"{source.path}:{line}: not a message: no 'message_id' with a 'text' "
                "(expected an Open Assistant message export)"
            )
        if name in rows:
            source.notes.add(
                line,
                "message id is there already, the later message left out",
                "message {!r}, first at line {}",
                name,
                rows[name][0],
            )
            continue
        rows[name] = (line, {**message, "replies": _replies(message)})
    roots = []
    for line, message in rows.values():
        parent = message.get("parent_id")
        if parent is None:
            roots.append((line, message))
        elif str(parent) in rows:
            rows[str(parent)][1]["replies"].append(message)
        else:
            source.notes.add(
                line,
                "parent of the message is not in the file, left out with its replies",
                "message {!r}",
                message["message_id"],
            )
    return roots


def _groups(source: Source, roots: Iterator[Row]) -> Iterator[Found]:
    """Yields a ranked prompt for every prompt of the trees that has a ranked reply."""
    for line, root in roots:
        waiting = [_Node(line, root)]
        while waiting:
            node = waiting.pop()
            if node.message.get("role", "prompter") == "prompter":
                yield from _group(source, node)
            if source.first_turn:
                break
            before = (*node.before, node.message)
            replies = reversed(_replies(node.message))
            waiting.extend(_Node(line, reply, before) for reply in replies)


def _group(source: Source, node: _Node) -> Iterator[Found]:
    message, notes = node.message, source.notes
    answers = [reply for reply in _replies(message) if reply.get("role") == "assistant"]
    if not answers or message.get("deleted"):
        return
    if not _spoken(source, message):
        notes.add(node.line, ANOTHER, "language {!r}", message.get("lang"))
        return
    responses = []
    for reply in answers:
        name = reply.get("message_id")
        if reply.get("deleted"):
            notes.add(node.line, "reply is deleted, left out", REPLY, name)
            continue
        if not _spoken(source, reply):
            notes.add(node.line, "reply is in another language, left out", REPLY, name)
            continue
        rank = rank_of(reply.get("rank"), name, node.line, notes)
        if rank is None:
            if len(answers) > 1:  # a lone reply has nothing to be ranked against
                notes.add(node.line, "reply has no rank, left out", REPLY, name)
            continue
        quality = score_of(_quality(reply.get("labels")), name, node.line, notes)
        responses.append({"id": name, "text": reply.get("text"), "rank": rank, "score": quality})
    if responses:
        found = {"id": message.get("message_id"), "prompt": _prompt(node), "responses": responses}
        yield node.line, to_record(source.path, node.line, found, RankedPrompt)


def _replies(message: dict[str, Any]) -> list[dict[str, Any]]:
    replies = message.get("replies")
    return [r for r in replies if isinstance(r, dict)] if isinstance(replies, list) else []


def _quality(labels: Any) -> Any:
    """The mean quality (0 to 1) that people gave a reply; null where the export has no labels.

    Tree exports have ``{"quality": {"value": 0.75, "count": 3}}``, the hub's table has the columns
    ``{"name": ["quality"], "value": [0.75], "count": [3]}``.
    """
    if not isinstance(labels, dict):
        return None
    names, values = labels.get("name"), labels.get("value")
    if isinstance(names, list) and isinstance(values, list):
        return dict(zip(names, values, strict=False)).get("quality")
    quality = labels.get("quality")
    return quality.get("value") if isinstance(quality, dict) else None


def _spoken(source: Source, message: dict[str, Any]) -> bool:
    return source.language is None or message.get("lang") == source.language


def _prompt(node: _Node) -> Any:
    """Returns the opening prompt as text, a later one as the conversation up to it."""
    if not node.before:
        return node.message.get("text")
    turns = (*node.before, node.message)
    return [{"role": ROLES.get(str(t.get("role"))), "content": t.get("text")} for t in turns]
