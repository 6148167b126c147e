"""Every stored raw judge text is read as published, but for a written list of wrong readings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.proofs.parse_corpus import corpora, exceptions, main
from tests.real_data import real_data

TEXTS = {"additive": 1182, "mt_bench": 1760, "llmbar": 5952, "alpaca_eval": 4011}
UNSCORED = {"additive": 21, "mt_bench": 15, "llmbar": 17, "alpaca_eval": 0}


@pytest.mark.parametrize("name", TEXTS)
def test_as_published(name: str) -> None:
    folder = real_data("judge_validation").parent
    found = [one for corpus, reads in corpora(folder) if corpus == name for one in reads()]
    assert len(found) == len({one.id for one in found}) == TEXTS[name]
    # Nothing else differs, and no reason is written for a text that is read as published.
    assert {one.id for one in found if one.ours != one.published} == set(exceptions().get(name, {}))
    assert sum(one.ours is None for one in found) == UNSCORED[name]
    reasons = Counter(one.reason for one in found if one.ours is None)
    if name == "additive":
        assert reasons == {"partial": 14, "ambiguous": 7}
    if name == "mt_bench":
        assert reasons == {"no_score": 15}


def test_the_list_holds_reasons_and_no_text() -> None:
    for corpus, reasons in exceptions().items():
        assert corpus in TEXTS
        assert all(10 < len(reason) < 120 for reason in reasons.values())


def test_without_the_data_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path) == 1
    assert "SRLM_REAL_DATA" in capsys.readouterr().out
