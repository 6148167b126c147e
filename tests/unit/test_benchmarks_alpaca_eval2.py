"""AlpacaEval 2.0 from stored files: by hand, against the published figures, and bad input."""

from __future__ import annotations

import csv
import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.alpaca_eval2 import official
from benchmarks.alpaca_eval2.bridge import bridge
from benchmarks.alpaca_eval2.length_control import GRID
from benchmarks.alpaca_eval2.stored import LengthControl, rows
from results.errors import SrlmError, UsageError
from tests.alpaca_files import MODELS, annotations_of, row, write
from tests.real_data import real_data


def values(found: dict[str, Any]) -> dict[str, float | None]:
    return {name: m.value for name, m in found["metrics"].items() if name != "datasets"}


def test_figures_by_hand(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.json",
        [
            row("a", 2.0, output_2="12345"),
            row("b", 1.25, output_2="123"),
            row("c", 1.5, dataset="oasst", output_2=""),
            row("d", 0.0, output_2="1"),
            row("e", None, output_2="1"),
            row("f", -1.0, output_2="1"),
        ],
    )
    found = rows(path)[0]
    shares = [1.0, 0.25, 0.5, 0.5]
    assert values(found) == {
        "win_rate": sum(shares) / 4,
        "standard_error": pytest.approx(np.std(shares, ddof=1) / 2),
        "discrete_win_rate": (1 + 2 / 2) / 4,
        "n_wins": 1,
        "n_wins_base": 1,
        "n_draws": 2,
        "n_total": 4,
        "lc_win_rate": None,
        "lc_standard_error": None,
        "avg_length": 11 // 6,
    }
    assert found["n"] == 4
    assert found["metrics"]["win_rate"].of == 6
    assert found["unscored"]["reasons"] == {"no_preference": 1, "preference_out_of_range": 1}
    assert {k: m.value for k, m in found["metrics"]["datasets"].items()} == {
        "koala": (1 + 0.25 + 0.5) / 3,
        "oasst": 0.5,
    }
    assert found["note"].startswith("1 outputs are empty; no LC win rate: some prompts are none of")


def test_lengths_of_the_outputs_file(tmp_path: Path) -> None:
    outputs = [{"instruction": p, "output": t, "generator": "tested"}
               for p, t in (("a", "four"), ("b", "four"))]  # fmt: skip
    baseline = [{"instruction": p, "output": "the baseline's answer"} for p in "abc"]
    path = write(tmp_path / "a.json", [row("a", 2.0, output_2="four")])
    found = rows(path, write(tmp_path / "o.json", outputs), write(tmp_path / "b.json", baseline))[0]
    assert values(found)["avg_length"] == (4 + 4 + 0) // 3
    assert found["note"].startswith("2 of 3 prompts are missing; no LC win rate: ")


def test_outputs_of_a_larger_set_do_not_count(tmp_path: Path) -> None:
    outputs = [{"instruction": p, "output": p * 5, "generator": "tested"} for p in "abcdef"]
    path = write(tmp_path / "a.json", [row("a", 2.0, output_2="aaaaa")])
    file = write(tmp_path / "o.json", outputs)
    assert values(rows(path, file)[0])["avg_length"] == 5
    baseline = [{"instruction": p, "output": "the baseline's answer"} for p in "ab"]
    assert values(rows(path, file, write(tmp_path / "b.json", baseline))[0])["avg_length"] == 5


def test_a_part_called_value(tmp_path: Path) -> None:
    from results.leaderboard import to_markdown

    path = write(tmp_path / "a.json", [row("a", 2.0, dataset="value"), row("b", 2.0, dataset="x")])
    assert "| value % | x % |" in to_markdown(rows(path)).replace("  ", "")


def test_equal_lengths_have_nothing_to_control_for(tmp_path: Path) -> None:
    same = [
        {**item, "output_2": item["output_1"], "preference": 1.5}
        for item in annotated("claude-2.1")
    ]
    found = rows(write(tmp_path / "a.json", same), control=control())[0]["metrics"]["lc_win_rate"]
    assert found.value is None
    assert found.reason.startswith("all outputs differ by the same length")


def test_several_models_are_several_rows(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.json", [row("a", 2.0), row("a", 1.0, generator_2="other"), row("b", 2.0)]
    )
    assert [(r["model"], r["n"]) for r in rows(path)] == [("tested", 2), ("other", 1)]
    with pytest.raises(UsageError, match="found 2 models, expected one with --outputs"):
        rows(path, write(tmp_path / "o.json", [{"instruction": "a", "output": "x"}]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "found an empty list, expected a JSON list of AlpacaEval annotations"),
        ('{"a": 1}', "expected a JSON list"),
        ("[1]", "row 0: the whole"),
        ("[", "not JSON"),
        (json.dumps([row("a", 2.0) | {"preference": "2"}]), "row 0: preference"),
        (json.dumps([row("a", 2.0), row("a", 1.0)]), "row 1: the prompt 'a' is in row 0 too"),
        (
            json.dumps([row("a", 2.0), row("b", 1.0, generator_1="x")]),
            "row 1: generator_1: found baseline 'x' after 'base'",
        ),
        (
            json.dumps([row("a", 2.0), row("b", 1.0, annotator="x")]),
            "row 1: annotator: found annotator 'x' after 'judge'",
        ),
    ],
)
def test_what_is_no_annotations_file(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(SrlmError) as caught:
        rows(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_outputs_of_another_set_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [row("a", 2.0), row("b", 1.0)])
    other = write(tmp_path / "b.json", [{"instruction": "a", "output": "the baseline's answer"}])
    with pytest.raises(SrlmError, match="row 1: the prompt 'b' is not in"):
        rows(path, baseline_outputs=other)
    changed = write(tmp_path / "c.json", [{"instruction": p, "output": "x"} for p in "ab"])
    with pytest.raises(SrlmError, match="row 0: output_1: found"):
        rows(path, baseline_outputs=changed)
    with pytest.raises(SrlmError, match="row 0: output_2: found"):
        rows(path, outputs=changed)


def control(**more: Any) -> LengthControl:
    folder = real_data("alpaca_eval", "derived")
    return LengthControl(gamed=folder / "df_gamed_surrogate.csv", rounds=20, **more)


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, str]]:
    path = real_data(
        "alpaca_eval", "leaderboards", "weighted_alpaca_eval_gpt4_turbo_leaderboard.csv"
    )
    with path.open() as file:
        return {line[""]: line for line in csv.DictReader(file)}


@pytest.mark.parametrize("model", MODELS)
def test_published_figures(model: str, published: dict[str, dict[str, str]]) -> None:
    table = published[model]
    coefficients = real_data(
        "alpaca_eval",
        "leaderboards",
        "glm_weights_length_controlled_v1_baseline_gpt4_1106_preview.csv",
    )
    difficulty = real_data("alpaca_eval", "derived", "instruction_difficulty_recovered.csv")
    by_table = LengthControl(coefficients=coefficients, difficulty=difficulty, join="position")
    found = values(rows(annotations_of(model), control=by_table)[0])
    for ours, theirs, unit in (
        ("win_rate", "win_rate", 100),
        ("standard_error", "standard_error", 100),
        ("discrete_win_rate", "discrete_win_rate", 100),
        ("n_wins", "n_wins", 1),
        ("n_wins_base", "n_wins_base", 1),
        ("n_draws", "n_draws", 1),
        ("n_total", "n_total", 1),
        ("avg_length", "avg_length", 1),
        ("lc_win_rate", "length_controlled_winrate", 100),
    ):
        value = found[ours]
        assert value is not None
        assert unit * value == pytest.approx(float(table[theirs]), abs=1e-6), ours
    if table["lc_standard_error"]:
        assert found["lc_standard_error"] == pytest.approx(float(table["lc_standard_error"]) / 100)


@pytest.mark.parametrize("model", MODELS)
def test_refitted_length_control(model: str, published: dict[str, dict[str, str]]) -> None:
    stated = float(published[model]["length_controlled_winrate"])
    c = float(GRID[np.abs(GRID - MODELS[model]).argmin()])
    given = rows(annotations_of(model), control=control(join="position", c=c))[0]["metrics"]
    assert 100 * given["lc_win_rate"].value == pytest.approx(stated, abs=0.02)
    chosen = rows(annotations_of(model), control=control(join="position"))[0]["metrics"]
    lc = chosen["lc_win_rate"]
    assert 100 * lc.value == pytest.approx(stated, abs=0.16)
    assert lc.low < lc.value < lc.high


def test_the_fit_is_upstreams(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("alpaca_eval")
    import logging
    import warnings

    import pandas as pd

    gamed = control().gamed
    level = logging.getLogger().level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alpaca_eval.metrics import glm_winrate

        monkeypatch.setattr(glm_winrate, "hf_hub_download", lambda **_: str(gamed))
        import gzip

        with gzip.open(annotations_of("claude-2.1")) as file:
            table = pd.DataFrame(json.load(file)).drop(columns=["raw_completion"])
        theirs = glm_winrate.get_length_controlled_winrate(
            table, save_weights_dir=None, is_add_glm_preference_inplace=False
        )
    logging.getLogger().setLevel(level)  # alpaca-eval changes the root logger
    ours = values(rows(annotations_of("claude-2.1"), control=control())[0])
    for name, key, within in (
        ("win_rate", "win_rate", 1e-9),
        ("standard_error", "standard_error", 1e-9),
        ("discrete_win_rate", "discrete_win_rate", 1e-9),
        ("lc_win_rate", "length_controlled_winrate", 2e-4),  # liblinear stops at 1e-4
        ("lc_standard_error", "lc_standard_error", 2e-5),
    ):
        assert ours[name] == pytest.approx(theirs[key] / 100, abs=within), name


def annotated(model: str) -> list[dict[str, Any]]:
    import gzip

    with gzip.open(annotations_of(model)) as file:
        found: list[dict[str, Any]] = json.load(file)
    return found


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    whole = annotated("claude-2.1")
    path = write(tmp_path / "a.json", whole[::-1])
    reversed_rows = values(rows(path, control=control())[0])
    assert reversed_rows == values(rows(annotations_of("claude-2.1"), control=control())[0])


def test_a_partial_set_has_no_length_control(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", annotated("claude-2.1")[:-1])
    found = rows(path, control=control())[0]
    lc = found["metrics"]["lc_win_rate"]
    assert (lc.value, lc.n, lc.of) == (None, 804, 805)
    assert lc.reason.startswith("804 of 805 prompts are there; annotate the rest")
    assert found["note"].startswith("1 of 805 prompts are missing")


def test_unscored_rows_leave_the_fit_and_stay_in_the_mean(tmp_path: Path) -> None:
    whole = annotated("claude-2.1")
    whole[0]["preference"] = None
    found = rows(write(tmp_path / "a.json", whole), control=control())[0]
    lc = found["metrics"]["lc_win_rate"]
    assert (lc.n, lc.of) == (804, 805)
    assert lc.value == pytest.approx(0.2525, abs=0.002)


OFFICIAL = {"generator_1": "gpt4_1106_preview"}
TWO = [row(p, 2.0, output_2=text, **OFFICIAL) for p, text in (("p", "short"), ("q", "longer"))]


@pytest.mark.parametrize(
    ("control", "found", "said"),
    [
        (LengthControl(), [row("a", 2.0)], "some prompts are none of AlpacaEval's 2"),
        (LengthControl(), TWO, "df_gamed.csv: missing; get it with: srlm data fetch alpaca_eval"),
        (LengthControl(coefficients=Path("x")), TWO, "or name it: control.difficulty=FILE"),
        (LengthControl(), TWO[:1], "1 of 2 prompts are there"),
        (LengthControl(), [row(p, 2.0) for p in "pq"], "the baseline is 'base'"),
        (LengthControl(), [row(p, None, **OFFICIAL) for p in "pq"], "no row has a preference"),
    ],
)
def test_why_there_is_no_length_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control: LengthControl,
    found: list[dict[str, Any]], said: str,
) -> None:  # fmt: skip
    two = {"p": 0, "q": 1}
    monkeypatch.setenv("SRLM_DATA", str(tmp_path))
    monkeypatch.setattr("benchmarks.alpaca_eval2.stored.place", two.get)
    monkeypatch.setattr("benchmarks.alpaca_eval2.stored.places", lambda: two)
    metric = rows(write(tmp_path / "a.json", found), control=control)[0]["metrics"]["lc_win_rate"]
    assert metric.value is None
    assert said in metric.reason


def gamed_file(path: Path, **changed: str) -> Path:
    """A df_gamed.csv of all 805 prompts; ``changed`` replaces cells of its first row."""
    columns = ("model", "preference", "index", "std_delta_len", "instruction_difficulty")
    lines = [",".join(columns)]
    for at in [*range(805), *range(805)]:
        cells = {"model": "m", "preference": "0.5", "index": str(at), "std_delta_len": "0.1",
                 "instruction_difficulty": "0.2"}  # fmt: skip
        lines.append(
            ",".join((cells | (changed if len(lines) == 1 else {}))[name] for name in columns)
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"preference": "x"}, ":2: preference: found 'x', expected a finite number"),
        ({"index": "805"}, ":2: index: found '805', expected a place from 0 to 804"),
        ({"index": "1"}, "found 1 rows of prompt 0, expected 2"),
        ({"preference": "1.5"}, ":2: preference: found 1.5, expected 0 to 1"),
        (
            {"instruction_difficulty": "9"},
            "instruction_difficulty: found 0.2 after 9.0 for prompt 0",
        ),
        ({"std_delta_len": "nan"}, ":2: std_delta_len: found 'nan'"),
    ],
)
def test_a_damaged_gamed_file(tmp_path: Path, changed: dict[str, str], said: str) -> None:
    from benchmarks.alpaca_eval2.glm_files import read_gamed

    with pytest.raises(SrlmError) as caught:
        read_gamed(gamed_file(tmp_path / "g.csv", **changed))
    assert said in str(caught.value)


def test_the_official_prompts_are_805() -> None:
    assert len(official.places()) == 805
    assert official.place("no prompt of theirs") is None
    with real_data("alpaca_eval", "reference", "gpt4_1106_preview_model_outputs.json.gz").open(
        "rb"
    ) as file:
        import gzip

        whole = json.loads(gzip.decompress(file.read()))
    assert [official.place(r["instruction"]) for r in whole] == list(range(805))


def test_bridge_by_hand(tmp_path: Path) -> None:
    old = [row("a", 2.0), row("b", 1.2), row("c", 1.5), row("d", 2.0)]
    new = [row("a", 1.0), row("b", 1.4), row("c", 1.5), row("e", 1.0)]
    for item in new:
        item["annotator"] = "other"
    found = bridge(write(tmp_path / "o.json", old), write(tmp_path / "n.json", new))
    metrics = {name: m.value for name, m in found["metrics"].items()}
    assert metrics == {
        "agreement": pytest.approx(2 / 3),
        "offset": pytest.approx((-1 + 0.2 + 0) / 3),
        "win_rate_before": pytest.approx((1 + 0.2 + 0.5) / 3),
        "win_rate_after": pytest.approx((0 + 0.4 + 0.5) / 3),
        "model_kendall_tau": None,
    }
    assert (found["n"], found["metrics"]["agreement"].of) == (3, 4)
    assert found["metrics"]["model_kendall_tau"].reason == "1 models; a ranking needs three"


def test_bridge_ranks_models(tmp_path: Path) -> None:
    old, new = [], []
    for rank, model in enumerate(("x", "y", "z")):
        for prompt in range(20):
            share = 1.1 + 0.3 * rank
            other = {"x": 1.2, "y": 1.9, "z": 1.4}[model]
            old.append(row(str(prompt), share, generator_2=model))
            new.append(row(str(prompt), other, generator_2=model, annotator="other"))
    found = bridge(write(tmp_path / "o.json", old), write(tmp_path / "n.json", new))
    tau = found["metrics"]["model_kendall_tau"]
    assert tau.value == pytest.approx(1 / 3)
    assert (tau.low, tau.high) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert found["metrics"]["offsets"]["y"].value == pytest.approx(0.5)


def test_bridge_refuses(tmp_path: Path) -> None:
    old = write(tmp_path / "o.json", [row("a", 2.0)])
    with pytest.raises(SrlmError, match="the annotator is 'judge' in both"):
        bridge(old, old)
    other = write(tmp_path / "n.json", [row("b", 2.0, annotator="x")])
    with pytest.raises(SrlmError, match="found no pair that"):
        bridge(old, other)
    changed = write(tmp_path / "c.json", [row("a", 2.0, annotator="x", output_2="else")])
    with pytest.raises(SrlmError, match="output_2 of the prompt 'a': found 'else'"):
        bridge(old, changed)


def test_bridge_of_the_official_judge_to_another() -> None:
    other = real_data(
        "alpaca_eval", "annotations", "claude-2.1__alpaca_eval_cot_gpt4_turbo_fn.json.gz"
    )
    found = bridge(annotations_of("claude-2.1"), other)["metrics"]
    assert found["offset"].value == pytest.approx(-0.0281, abs=1e-4)
    assert found["agreement"].value == pytest.approx(731 / 805)
    assert found["offset"].low < found["offset"].value < found["offset"].high < 0
    assert math.isfinite(found["win_rate_after"].value)


def test_verdicts_alone_are_no_preferences_in_a_stored_file_either(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [row("a", 2.0, annotator="judge (discrete)"),
                                       row("b", 1.0, annotator="judge (discrete)")])  # fmt: skip
    (found,) = rows(path)
    assert found["metrics"]["discrete_win_rate"].value == 0.5
    for name in ("win_rate", "standard_error", "lc_win_rate", "lc_standard_error"):
        assert found["metrics"][name].value is None and found["metrics"][name].reason
    assert "datasets" not in found["metrics"]


def test_half_a_character_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [row("a", 2.0), row("b", 2.0, output_2="cut \ud83d")])
    with pytest.raises(SrlmError, match=r"a\.json: row 1: found half a character \(.u?d83d"):
        rows(path)


def test_row_numbers_stand_for_prompts_only_in_the_order_of_the_set(tmp_path: Path) -> None:
    path = annotations_of("claude-2.1")
    with gzip.open(path) as file:
        whole = json.load(file)
    gamed = real_data("alpaca_eval", "derived", "df_gamed_surrogate.csv")
    control = LengthControl(gamed=gamed, c=2.7826, join="position", rounds=10)
    for place, (found, holds) in enumerate(
        [(whole[3:], True), (whole[:100], False), (whole[::-1], False)]
    ):
        (made,) = rows(write(tmp_path / f"{place}.json", found), None, None, control)
        figure = made["metrics"]["lc_win_rate"]
        assert (figure.value is not None) == holds
        assert holds or "not the set in its order" in figure.reason
