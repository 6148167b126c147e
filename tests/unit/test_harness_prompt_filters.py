"""Each filter of written instructions alone, and the chain that gives every one a single reason."""

from __future__ import annotations

import gzip
import json
import time

import pytest

from harness.config import PromptFilters
from harness.prompt_filters.chain import Dropped, Filters, among, form_check
from harness.prompt_filters.contamination import Contamination
from harness.prompt_filters.form import form_filter
from harness.prompt_filters.language import Language
from harness.prompt_filters.similar import SimilarTexts
from results.errors import UsageError
from tests.real_data import real_data

FINE = "Name three birds that sing."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FINE, None),
        ("", "empty"),
        (" \n\t", "empty"),
        ("Name three birds", "too_short"),
        ("Name three birds now", None),
        ("word " * 150, None),
        ("word " * 151, "too_long"),
        ("a b c " + "x" * 10_000_000, "too_long"),
        ("Explain what the IMAGE shows here.", "keyword"),
        ("Explain the geography of the moon.", None),  # "graph" is no word of it
        ("Tell a story, then draw: a hen.", "keyword"),
        ("Where do you go to rest?", "keyword"),
        ("Write a program that adds two numbers.", "keyword"),
        ("WRITE A PROGRAM that adds two numbers.", "keyword"),
        ("Please write a program that adds.", None),
        ("- name three birds that sing", "bad_start"),
        ("Äpfel sind rot und rund", "bad_start"),
        ("\x1b[31mName three birds now", "bad_start"),
        ("\x00 name three birds now", "bad_start"),
        ("3 birds sing: name them", None),
    ],
)
def test_form(text: str, reason: str | None) -> None:
    assert form_filter(PromptFilters())(text) == reason


def test_each_form_filter_can_be_off() -> None:
    off = PromptFilters(min_words=0, keywords=[], starts=[], bad_start=False)
    for text in ("Why?", "Draw a map of it.", "Write a program now.", "¿Por qué?"):
        assert form_filter(off)(text) is None
    own = form_filter(PromptFilters(keywords=["c++"], starts=["Act as"]))
    assert own("Explain c++ to a child.") == own("act as a very old pirate") == "keyword"
    assert own("Explain the image to a child.") is None


def test_surely_another_language() -> None:
    english = Language("en")
    for text in (
        "Erkläre mir, wie eine Brücke gebaut wird.", "Écris un poème sur la mer.",
        "Escribe una carta a tu abuela.", "Скажи мне, что едят коровы.", "写一首关于春天的诗",
    ):  # fmt: skip
        assert english.other(text) not in (None, "en"), text
    for text in (FINE, "python vs julia", "hi", "2 + 2 = ?", "", "\x00\x1b[0m", "🙂"):
        assert english.other(text) is None, text
    assert Language("de").other("Erkläre mir, wie eine Brücke gebaut wird.") is None
    assert Language("de").other(FINE) == "en"


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(UsageError, match=r"^prompts\.filters\.language: 'zz' is not among .*en"):
        Language("zz")


def test_a_long_text_is_not_read_to_its_end() -> None:
    begun = time.process_time()
    assert Language("en").other("Name three birds that sing. " * 400_000) is None
    assert time.process_time() - begun < 5  # the first one loads the identifier


def test_real_english_instructions_pass_the_language_filter() -> None:
    path = real_data("instruction_seeds", "self_instruct_user_oriented_instructions.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [json.loads(line)["instruction"] for line in file]
    english = Language("en")
    assert len(found) == 252 and [t for t in found if english.other(t)] == []


ASKED = "How many legs does a spider that lives in the garden have in all?"  # 14 words


def index(*texts: str, ngram: int = 13) -> Contamination:
    return Contamination([(f"set {i}", text) for i, text in enumerate(texts)], ngram)


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        (ASKED, ASKED),
        # 13 words in a row, in other spacing, case and punctuation, inside of something longer.
        (f"Tell me:\n{ASKED[4:].upper()} Thanks!", ASKED[4:]),
        ("many legs does a spider that lives in the garden have in", None),  # 12 of them
        ("How many legs does a fly that lives in the garden have in all?", None),
    ],
)
def test_an_ngram_of_an_evaluation_text(text: str, shared: str | None) -> None:
    hit = index("Something else.", ASKED).hit(text)
    words = None if shared is None else shared.lower().rstrip("?")
    assert hit == (None if words is None else f"set 1: {words}")


def test_a_shorter_evaluation_text_is_compared_whole() -> None:
    nine, two = "Why does the moon shine so brightly at night?", "How are you?"
    found = index(nine, two)
    assert found.hit(f"Tell me in short: {nine} I wonder.") is not None
    assert found.hit("Why does the moon shine so brightly at noon?") is None
    assert found.hit("how are YOU") == "set 1: how are you"
    assert found.hit("Ask a friend: how are you?") is None  # a phrase, not that prompt
    assert found.hit("") is None and index("", "!?").hit("") is None


def test_small_ngrams_compare_texts_as_short_as_they_are() -> None:
    assert index("one two three four", ngram=3).hit("zero two three four five") is not None
    assert index("one two", ngram=3).hit("zero one two three") is None


def test_hostile_texts_take_no_time() -> None:
    found = index(ASKED)
    begun = time.process_time()
    for text in ("a " * 50_000, "\x00" * 1_000_000, "\n" * 1_000_000, "x" * 10_000_000):
        assert found.hit(text) is None
    assert time.process_time() - begun < 5


def test_the_first_reason_counts_and_counts_add_up() -> None:
    similar = SimilarTexts(0.7)
    similar.add("seed: x", "Say what animal 3 eats today.")
    filters = Filters(
        [form_check(form_filter(PromptFilters()))],
        [among(["Say what animal 3 eats today."], "in_seed_data")], 2, similar,
    )  # fmt: skip
    texts = [
        "Hi", FINE, FINE, "Say what animal 3 eats today.", "Say what animal 4 eats today.",
        "Name three birds that sing loudly.", "Why is the sky so blue?", "What is a good name?",
        "Name three birds that sing.",
    ]  # fmt: skip
    found = [filters.offer(f"p{i}", text) for i, text in enumerate(texts)]
    assert [d and d.reason for d in found] == [
        "too_short", None, "duplicate", "in_seed_data", "similar", "similar", None, "surplus",
        "duplicate",
    ]  # fmt: skip
    assert found[4] == Dropped("similar", "0.833 seed: x")
    assert found[5] == Dropped("similar", "0.909 p1")
    assert list(filters.kept) == [FINE, "Why is the sky so blue?"] and filters.missing == 0


@pytest.mark.parametrize(
    "written",
    [
        "the castles of the kings stand high above",
        "the cas\u00adtles of the ki\u00adngs stand high above",
        "the cas-\ntles of the kings stand high above",
        "the cas\u200dtles of the kings stand hi\u0332gh above",
    ],
)
def test_marks_inside_words_hide_no_evaluation_text(written: str) -> None:
    from harness.prompt_filters.contamination import Contamination

    index = Contamination([("q1", "The castles of the kings stand high above")], 13)
    assert index.hit(f"Please explain: {written}, and why.") is not None
