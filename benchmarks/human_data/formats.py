"""The formats of human data, and how one is told from the keys of the first object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results.errors import UsageError
from results.plugins import Table
from results.text import excerpt

FORMATS = Table(
    "human data format",
    "srlm.human_data",
    {
        "ranked": "benchmarks.human_data.ranked:read",
        "pairwise": "benchmarks.human_data.pairwise:read",
        "oasst_trees": "benchmarks.human_data.oasst_trees:read_trees",
        "oasst_messages": "benchmarks.human_data.oasst_trees:read_messages",
        "oasst_quality": "benchmarks.human_data.oasst_quality:read",
        "topical_chat": "benchmarks.human_data.topical_chat:read",
        "fastchat_votes": "benchmarks.human_data.fastchat_votes:read",
        "pandalm": "benchmarks.human_data.pandalm:read",
        "llmbar": "benchmarks.human_data.llmbar:read",
        "judgebench": "benchmarks.human_data.judgebench:read",
        "rewardbench2": "benchmarks.human_data.rewardbench2:read",
        "hhh": "benchmarks.human_data.hhh:read",
    },
    {},
)
# Formats of which a part is named behind a colon (topical_chat:engagingness).
WITH_PART = ("topical_chat",)

# The keys that an object of each format has and that no other's has together; the first that fits.
KEYS = {
    "ranked": {"prompt", "responses"},
    "oasst_trees": {"message_tree_id", "prompt"},
    "oasst_messages": {"message_id", "text", "role"},
    "oasst_quality": {"prompt_id", "response_id", "quality_score"},
    "topical_chat": {"source", "system_output", "scores"},
    "fastchat_votes": {"question_id", "model_a", "model_b", "winner"},
    "pandalm": {"instruction", "response1", "response2", "annotator1"},
    "llmbar": {"input", "output_1", "output_2", "label"},
    "judgebench": {"question", "response_A", "response_B", "label"},
    "rewardbench2": {"prompt", "chosen", "rejected"},
    "hhh": {"source", "chosen_instruction", "rejected_instruction"},
    "pairwise": {"prompt", "first", "second", "label"},
}


def split_format(name: str) -> tuple[str, str]:
    """Returns format and part of ``format`` or ``format:part``.

    Raises:
        UsageError: the format has no parts. Whether it is there is found when it is loaded.
    """
    base, colon, part = name.partition(":")
    if colon and base not in WITH_PART and base in FORMATS.names():
        raise UsageError(f"human data format {base!r} has no parts, found {name!r}; say {base!r}")
    return base, part


def tell_format(where: str, first: Mapping[str, Any]) -> str:
    """Returns the name of the format that ``first``, the object at ``where``, is of.

    Raises:
        UsageError: it is of none.
    """
    for name, keys in KEYS.items():
        if keys <= first.keys():
            return name
    raise UsageError(
        f"{where}: found an object with the keys {excerpt(', '.join(first), 100)}, which is no "
        f"format of human data that is known here ({', '.join(FORMATS.names())}); "
        "name the format, or write the data in one of them"
    )
