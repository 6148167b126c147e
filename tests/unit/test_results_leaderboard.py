"""The leaderboard's formats: goldens, grouping, marks, hostile names."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console

from results.errors import SrlmError
from results.leaderboard import to_csv, to_json, to_latex, to_markdown, to_rich
from results.records import Metric
from results.tables import build_tables


def metric(
    value: float | None, half: float = 0.04, n: int = 360, text: str = "c"
) -> dict[str, Any]:
    low, high = (None, None) if value is None else (value - half, value + half)
    return Metric(
        name="m", value=value, low=low, high=high, n=n, of=360, convention=text
    ).model_dump()


def row(model: str = "M1", **other: Any) -> dict[str, Any]:
    metrics = {
        "win_rate": metric(0.631, text="ties half"),
        "oracle_score": metric(3.8, n=355, text="mean over prompts"),
        "kendall_tau": metric(None, n=0, text="mean over prompts"),
    }
    base = {"model": model, "run": None, "iteration": 1, "benchmark": "micro_world",
            "judge": "oracle", "n": 360, "metrics": metrics, "gate": None}  # fmt: skip
    return {**base, **other}


def printed(rows: list[dict[str, Any]], width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(to_rich(rows, width))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


ROWS = [row("M1"), row("M2", iteration=2, gate="hold", judge_is_judged=True, note="stopped early")]


def test_markdown_golden() -> None:
    assert to_markdown(ROWS) == (
        "### micro_world, judge: oracle, n = 360\n"
        "\n"
        "| model   | iteration   | gate   | win rate %        | oracle score              "
        "| Kendall tau-b   |\n"
        "|:--------|:------------|:-------|:------------------|:--------------------------"
        "|:----------------|\n"
        "| M1      | 1           | \u2013      | 63.1 [59.1, 67.1] | 3.80 [3.76, 3.84] 355/360 "
        "| \u2013               |\n"
        "| M2\u2020     | 2           | hold   | 63.1 [59.1, 67.1] | 3.80 [3.76, 3.84] 355/360 "
        "| \u2013               |\n"
        "\n"
        "- win rate: ties half\n"
        "- oracle score, Kendall tau-b: mean over prompts\n"
        "- \\[low, high\\]: 95 % interval\n"
        "- \u2020 the judge is the judged model itself\n"
        "- M2: stopped early\n"
    )


def test_latex_golden() -> None:
    assert to_latex(ROWS) == (
        "\\begin{table}\n"
        "\\caption{micro\\_world, judge: oracle, n = 360}\n"
        "\\begin{tabular}{llllll}\n"
        "\\toprule\n"
        "model & iteration & gate & win rate \\% & oracle score & Kendall tau-b \\\\\n"
        "\\midrule\n"
        "M1 & 1 & -- & 63.1 [59.1, 67.1] & 3.80 [3.76, 3.84] 355/360 & -- \\\\\n"
        "M2$\\dagger$ & 2 & hold & 63.1 [59.1, 67.1] & 3.80 [3.76, 3.84] 355/360 & -- \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\par\\footnotesize win rate: ties half\n"
        "\\par\\footnotesize oracle score, Kendall tau-b: mean over prompts\n"
        "\\par\\footnotesize {}[low, high]: 95 \\% interval\n"
        "\\par\\footnotesize $\\dagger$ the judge is the judged model itself\n"
        "\\par\\footnotesize M2: stopped early\n"
        "\\end{table}\n"
    )


def test_terminal_golden() -> None:
    assert printed(ROWS, 100) == (
        "micro_world, judge: oracle, n = 360\n"
        "model  iteration  gate         win rate %               oracle score  Kendall tau-b\n"
        "M1             1     \u2013  63.1 [59.1, 67.1]  3.80 [3.76, 3.84] 355/360              "
        "\u2013\n"
        "M2\u2020            2  hold  63.1 [59.1, 67.1]  3.80 [3.76, 3.84] 355/360              "
        "\u2013\n"
        "win rate: ties half\n"
        "oracle score, Kendall tau-b: mean over prompts\n"
        "[low, high]: 95 % interval\n"
        "\u2020 the judge is the judged model itself\n"
        "M2: stopped early\n"
    )


@pytest.mark.parametrize("width", [40, 60, 80])
def test_narrow_terminal_turns_the_table_and_folds_no_figure(width: int) -> None:
    out = printed([row(f"M{i}") for i in range(5)], width)
    assert out.count("63.1 [59.1, 67.1]") == 5
    assert out.count("3.80 [3.76, 3.84] 355/360") == 5
    assert all(len(line) <= width for line in out.splitlines())


def test_a_wide_column_does_not_make_the_other_blocks_narrow() -> None:
    rows = [row(f"M{i}") for i in range(4)] + [row("M" + "x" * 30)]
    blocks = [line.split()[1:] for line in printed(rows, 80).splitlines() if "model " in line]
    assert blocks == [["M0", "M1"], ["M2", "M3"], ["M" + "x" * 30]]


def test_csv_has_bare_numbers_one_line_per_row() -> None:
    found = list(csv.DictReader(io.StringIO(to_csv(ROWS))))
    assert [line["model"] for line in found] == ["M1", "M2"]
    assert [line["judge_is_judged"] for line in found] == ["False", "True"]
    first = found[0]
    assert (first["table"], first["n"], first["gate"], first["baseline"]) == ("1", "360", "", "")
    ends = [first[f"win rate %{end}"] for end in ("", " low", " high")]
    assert ends == ["63.1", "59.1", "67.1"]
    assert first["Kendall tau-b"] == ""
    assert "ties half" in first["notes"]


def test_json_is_unrounded_and_keeps_every_key() -> None:
    third = row(metrics={"win_rate": Metric(name="w", value=1 / 3, n=1, of=1, convention="c")})
    text = to_json([row(baseline="sft", note="\u2020 \x9b31m"), third])
    assert text.isascii()
    rows = json.loads(text)["rows"]
    assert rows[0] == row(baseline="sft", note="\u2020 \x9b31m")
    assert rows[1]["metrics"]["win_rate"]["value"] == 1 / 3
    with pytest.raises(SrlmError, match="not finite"):
        to_json([row(metrics={"x": {"value": float("nan")}})])


@pytest.mark.parametrize(
    "other",
    [{"judge": "gpt"}, {"baseline": "sft"}, {"n": 359}, {"benchmark": "mt_bench"}, {"judge": None}],
)
def test_rows_that_differ_never_share_a_table(other: dict[str, Any]) -> None:
    rows = [row("A"), row("B", **other), row("C")]
    tables = build_tables(rows)
    assert [[line.model for line in table.lines] for table in tables] == [["A", "C"], ["B"]]
    assert to_markdown(rows).count("### ") == 2
    assert to_latex(rows).count("\\begin{tabular}") == 2
    assert [line["table"] for line in csv.DictReader(io.StringIO(to_csv(rows)))] == ["1", "1", "2"]
    assert printed(rows, 100).count("win rate %") == 2


def test_n_of_another_type_is_another_group() -> None:
    assert len(build_tables([row(n=360), row(n="360"), row(n=None)])) == 3


def test_metrics_are_the_union_with_dashes() -> None:
    rows = [row("A", metrics={"win_rate": metric(0.5)}), row("B", metrics={"new": metric(0.5)})]
    table = build_tables(rows)[0]
    assert table.metrics == ["win rate %", "new"]
    assert [line.cells for line in table.lines] == [
        ["50.0 [46.0, 54.0]", "\u2013"],
        ["\u2013", "0.500 [0.460, 0.540]"],
    ]


def test_counts_groups_and_things_that_are_no_figures() -> None:
    metrics = {
        "n_wins": 5,
        "average": 6.456,
        "categories": {"writing": {"value": 7.0}, "math": None},
        "reasons": {"no score": "x"},
        "flag": True,
        "position_bias": {"value": -0.0001, "low": None, "high": None},
    }
    table = build_tables([row(metrics=metrics)])[0]
    names = ["wins", "average", "writing", "math", "position bias %"]
    assert table.metrics == names
    assert table.lines[0].cells == ["5", "6.46", "7.00", "\u2013", "0.0"]


HOSTILE = "a|b\n\x1b[31m\x1b]0;t\x07[link](x) <img> `c` [bold]\u202e $\\end{x}&%#_^~"


def test_hostile_name_in_markdown() -> None:
    text = to_markdown([row(HOSTILE, note=HOSTILE)])
    line = next(line for line in text.splitlines() if line.startswith("| a"))
    assert line.startswith(r"| a\|b \[link\](x) &lt;img> \`c\` \[bold\] $\\end{x}&amp;%#_^~ | 1 ")
    assert "\x1b" not in text and "\u202e" not in text


def test_hostile_name_in_latex() -> None:
    text = to_latex([row("M1"), row(HOSTILE), row("[x]")])
    assert (
        r"a|b [link](x) \textless{}img\textgreater{} `c` [bold] "
        r"\$\textbackslash{}end\{x\}\&\%\#\_\textasciicircum{}\textasciitilde{} & 1"
    ) in text
    assert "\n{}[x] & 1" in text  # "[x]" after "\\" would be its argument
    assert "\x1b" not in text


def test_hostile_name_in_the_terminal() -> None:
    text = printed([row(HOSTILE, benchmark="[red]b[/red]", note="[link=x]n[/link]")], 200)
    assert "a|b [link](x) <img> `c` [bold] $" in text
    assert "[red]b[/red]" in text and "[link=x]n[/link]" in text
    assert "\x1b" not in text and "\u202e" not in text


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\x1b[m=x", " =x"])
def test_csv_holds_no_formula(name: str) -> None:
    line = next(csv.DictReader(io.StringIO(to_csv([row(name)]))))
    assert line["model"].startswith("'")


def test_number_like_names_stay() -> None:
    assert "| 1e3 " in to_markdown([row("1e3")]) and "| 007 " in to_markdown([row("007")])


@pytest.mark.parametrize("form", [to_markdown, to_csv, to_latex])
def test_no_rows_and_no_metrics(form: Any) -> None:
    assert "M1" not in form([])
    assert "M1" in form([row(metrics={})])
    assert "M1" in printed([row(metrics={})], 80)


def test_csv_keeps_a_part_apart_from_the_column_of_its_name() -> None:
    metrics = {"average": 6.5, "n_wins": 17.0, "categories": {"model": 5.0, "average": 4.0}}
    row = {"model": "m", "benchmark": "b", "judge": "j", "n": 3, "metrics": metrics}
    header, line = to_csv([row]).splitlines()
    found = dict(zip(header.split(","), line.split(","), strict=True))
    assert found["model"] == "m" and found["categories.model"] == "5.0"
    assert (found["average"], found["categories.average"], found["wins"]) == ("6.5", "4.0", "17")


def test_csv_has_the_coverage() -> None:
    metric = {"value": 1.0, "low": 1.0, "high": 1.0, "n": 6, "of": 138, "convention": "x"}
    row = {"model": "m", "benchmark": "b", "judge": "j", "n": 3, "metrics": {"five_best": metric}}
    (found,) = csv.DictReader(io.StringIO(to_csv([row])))
    assert (found["5-best %"], found["5-best % n"], found["5-best % of"]) == ("100.0", "6", "138")


def test_a_figure_that_no_row_has_says_why() -> None:
    null = {"value": None, "n": 0, "of": 4, "convention": "x", "reason": "no file"}
    rows = [{"model": m, "benchmark": "b", "judge": "j", "n": 3, "metrics": {"lc_win_rate": null}}
            for m in "ab"]  # fmt: skip
    assert "no LC win rate: no file" in to_markdown(rows)
    rows[1]["metrics"] = {"lc_win_rate": 0.5}
    assert "no file" not in to_markdown(rows)
