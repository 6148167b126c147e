"""How long the filter against near copies takes, by its index and without, and that both agree.

``python -m tests.proofs.similar_prompts`` makes up kept and new instructions (words by Zipf's law,
a fifth of the new ones are edited copies of kept ones) and compares each new one with all kept ones
by ROUGE-L: through the index; with rapidfuzz, one after the other; and with rouge-score. The two
slow ways look at the first new ones only, and the time for all is their share. Seconds are of
processor time, so that another load on the machine does not count.
"""

from __future__ import annotations

import argparse
import random
import time
import warnings
from itertools import accumulate

from harness.prompt_filters.similar import SimilarTexts, tokens_of

VOCABULARY = 8000
THRESHOLD = 0.7


def texts(n: int, rng: random.Random) -> list[list[str]]:
    """``n`` instructions of 4 to 60 words, 16 in the mean; the commonest word is 8 % of all."""
    words = [f"w{i}" for i in range(VOCABULARY)]
    weights = list(accumulate(1 / (rank + 1.5) for rank in range(VOCABULARY)))
    lengths = [min(60, max(4, round(rng.lognormvariate(2.6, 0.6)))) for _ in range(n)]
    return [rng.choices(words, cum_weights=weights, k=length) for length in lengths]


def edited(words: list[str], other: list[str], rng: random.Random) -> list[str]:
    """A copy in which words are replaced and left out, from one to half of them."""
    new = list(words)
    for _ in range(rng.randint(1, max(1, len(words) // 2))):
        at = rng.randrange(len(new))
        new[at : at + 1] = [rng.choice(other)] if rng.random() < 0.7 else []
        if len(new) < 4:
            break
    return new


def main() -> None:
    """Prints a table of the three ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", type=int, default=20_000)
    parser.add_argument("--new", type=int, default=5_000)
    parser.add_argument("--brute", type=int, default=500, help="new ones that rapidfuzz looks at")
    parser.add_argument("--rouge", type=int, default=5, help="new ones that rouge-score looks at")
    arguments = parser.parse_args()
    rng = random.Random(0)
    kept = texts(arguments.kept, rng)
    fresh = texts(arguments.new, rng)
    new = [edited(rng.choice(kept), w, rng) if i % 5 == 0 else w for i, w in enumerate(fresh)]
    old_texts, new_texts = [" ".join(w) for w in kept], [" ".join(w) for w in new]

    begun = time.process_time()
    index = SimilarTexts(THRESHOLD)
    for number, text in enumerate(old_texts):
        index.add(str(number), text)
    built = time.process_time() - begun
    begun = time.process_time()
    by_index = [match and match.f1 for match in map(index.most_similar, new_texts)]
    asked = time.process_time() - begun

    begun = time.process_time()
    by_brute = brute(old_texts, new_texts[: arguments.brute])
    brute_all = (time.process_time() - begun) * arguments.new / max(1, arguments.brute)
    if arguments.rouge:
        best, seconds = rouge(old_texts, new_texts[: arguments.rouge])
        rouge_all = seconds * arguments.new / arguments.rouge
        assert best == by_index[: arguments.rouge], "the index and rouge-score differ"
    for ours, theirs in zip(by_index, by_brute, strict=False):
        same = ours is theirs is None or (ours and theirs and abs(ours - theirs) < 1e-9)
        assert same, f"the index found {ours}, rapidfuzz over all {theirs}"

    print(f"{arguments.new:,} new against {arguments.kept:,} kept, ROUGE-L F1 > {THRESHOLD}: "
          f"{sum(f1 is not None for f1 in by_index):,} dropped")  # fmt: skip
    print(f"index        {asked:10.1f} s, and {built:.1f} s to build it")
    print(f"rapidfuzz    {brute_all:10.1f} s (from {arguments.brute}, same decisions)")
    if arguments.rouge:
        print(f"rouge-score  {rouge_all:10.0f} s (from {arguments.rouge}, same values)")


def brute(kept: list[str], new: list[str]) -> list[float | None]:
    """The highest F1 above the threshold of each new one. 2L/(m + n), the F1, is what rapidfuzz
    calls the normalised indel similarity.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    numbers: dict[str, int] = {}

    def numbered(text: str) -> list[int]:
        return [numbers.setdefault(token, len(numbers)) for token in tokens_of(text)]

    choices = [numbered(text) for text in kept]
    found = [
        process.extractOne(numbered(text), choices, scorer=Indel.normalized_similarity,
                           score_cutoff=THRESHOLD)
        for text in new
    ]  # fmt: skip
    return [match[1] if match and match[1] > THRESHOLD + 1e-12 else None for match in found]


def rouge(kept: list[str], new: list[str]) -> tuple[list[float | None], float]:
    """The same by rouge-score, pair by pair, and the seconds that it took."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        from rouge_score.rouge_scorer import RougeScorer
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    begun = time.process_time()
    best = [max(scorer.score(old, text)["rougeL"].fmeasure for old in kept) for text in new]
    return [f1 if f1 > THRESHOLD else None for f1 in best], time.process_time() - begun


if __name__ == "__main__":
    main()
