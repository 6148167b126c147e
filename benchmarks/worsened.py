"""Answers worsened on purpose: rankings where nobody ranked anything.

After Self-Taught Evaluators (Wang et al. 2024, arXiv 2408.02666): an answer to another, similar
instruction is worse than the answer to this one. That paper has a model write the other
instruction and compares two answers; here the other instruction comes from the seed data, and the
judge gives scores, so this is a pointwise form of it. Damaged texts are ours.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any, Literal

from benchmarks.human_data.split import bare_text
from results.records import Example

Damage = Literal["cut", "appended"]
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n")
BLOCK = 256  # instructions that are compared with all others at once


def most_similar(ift: Sequence[Example], chosen: Sequence[int], seed: int) -> list[int | None]:
    """For each of ``chosen`` the place of the most similar instruction with another text.

    Similarity is the overlap of the two sets of words (Jaccard: common words over all words, in any
    case); among equals one is drawn with ``seed``. Null where no instruction has another text.
    """
    import numpy as np

    texts = [bare_text(example.prompt).casefold() for example in ift]
    rows = _word_rows(texts)
    sizes = np.asarray(rows.sum(axis=1)).ravel()
    names = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    text_of = np.array([names[text] for text in texts])
    found: list[int | None] = []
    for start in range(0, len(chosen), BLOCK):
        block = list(chosen[start : start + BLOCK])
        common = np.asarray((rows[block] @ rows.T).todense())
        union = np.maximum(sizes[block][:, None] + sizes[None, :] - common, 1)
        overlap = np.where(text_of[block][:, None] == text_of[None, :], -1.0, common / union)
        for place, row in zip(block, overlap, strict=True):
            best = row.max()
            equals = np.flatnonzero(row >= best - 1e-12).tolist()
            rng = random.Random(f"similar:{seed}:{ift[place].id}")
            found.append(None if best < 0 else int(rng.choice(equals)))
    return found


def _word_rows(texts: Sequence[str]) -> Any:
    """A sparse (texts, words) matrix: 1 where the text has the word."""
    import numpy as np
    from scipy.sparse import csr_matrix

    words = [set(re.findall(r"\w+", text)) for text in texts]
    columns: dict[str, int] = {}
    indices = [columns.setdefault(word, len(columns)) for own in words for word in sorted(own)]
    ends = np.cumsum([0, *(len(own) for own in words)])
    shape = (len(texts), max(len(columns), 1))
    return csr_matrix((np.ones(len(indices)), indices, ends), shape=shape)


def damaged(text: str, others: Sequence[str], rng: random.Random) -> tuple[Damage, str] | None:
    """``text`` with a part cut away, or with a sentence of one of ``others`` appended.

    Cut: between a quarter and three quarters of its words stay, from the front. Which of the two is
    done is drawn; where it cannot be (one word; no other text) the other one is. Null where neither
    can.
    """
    words = list(re.finditer(r"\S+", text))
    sentences = [
        sentence
        for other in rng.sample(others, min(len(others), 3))
        if (sentence := _a_sentence(other, rng)) and sentence not in text
    ]
    can_cut = len(words) > 1
    if sentences and (not can_cut or rng.random() < 0.5):
        return "appended", f"{text.rstrip()} {sentences[0]}"
    if not can_cut:
        return None
    low = max(1, len(words) // 4)
    stay = rng.randint(low, max(low, 3 * len(words) // 4))
    return "cut", text[: words[stay - 1].end()]


def _a_sentence(text: str, rng: random.Random) -> str | None:
    found = [s for sentence in _SENTENCE_END.split(text) if (s := sentence.strip())]
    return rng.choice(found) if found else None
