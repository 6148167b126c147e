"""The leaderboard in the formats that people read: Markdown, CSV, LaTeX, HTML, the
terminal, JSON.

Rows keep the order in which they are given. Names may be hostile: each format escapes its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from results.errors import SrlmError
from results.figures import NULL, figures, heading, kind_of, table_value
from results.tables import MARK, Line, Row, Table, build_tables, group_rows, metric_names, notes
from results.text import markdown, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>srlm leaderboard</title>
<style>
body {{ font: 14px/1.5 sans-serif; margin: 2em; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd; }}
th:first-child, td:first-child {{ text-align: left; }}
ul {{ color: #555; }}
</style>
</head>
<body>
{body}</body>
</html>
"""
_CSV_KEYS = ("benchmark", "judge", "baseline", "n", "model", "run", "iteration", "gate")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    NULL: "--",
    MARK: r"$\dagger$",
}


def to_json(rows: Sequence[Row]) -> str:
    """Returns ``{"rows": [...]}`` with unrounded figures; pure ASCII, so no control sequence.

    Raises SrlmError on NaN or an infinity.
    """
    try:
        return json.dumps({"rows": list(rows)}, indent=2, allow_nan=False, default=as_json)
    except ValueError as error:
        raise SrlmError(f"leaderboard: a figure is not finite ({error}), expected null") from None


def to_markdown(rows: Sequence[Row]) -> str:
    """Returns one heading, GitHub table and list of notes for each group of rows."""
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    parts = []
    for table in build_tables(rows):
        head = [_markdown(text) for text in _head(table)]
        body = [[_markdown(text, ours) for text, ours in _flat(line)] for line in table.lines]
        # disable_numparse: tabulate would rewrite a model named "1e3" as 1000.
        text = pd.DataFrame(body, columns=head).to_markdown(index=False, disable_numparse=True)
        below = "\n".join(f"- {_markdown(note)}" for note in table.notes)
        parts.append(
            f"### {_markdown(table.title)}\n\n{text}\n" + (f"\n{below}\n" if below else "")
        )
    return "\n".join(parts)


def to_latex(rows: Sequence[Row]) -> str:
    """Returns one ``table`` environment (package booktabs) for each group of rows."""
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    parts = []
    for table in build_tables(rows):
        head = [_latex(text) for text in _head(table)]
        body = [[_latex(text) for text, _ in _flat(line)] for line in table.lines]
        text = pd.DataFrame(body, columns=head).to_latex(index=False, escape=False)
        below = "".join(f"\n\\par\\footnotesize {_latex(note)}" for note in table.notes)
        parts.append(
            f"\\begin{{table}}\n\\caption{{{_latex(table.title)}}}\n{text.strip()}{below}\n"
            "\\end{table}\n"
        )
    return "\n".join(parts)


def to_html(rows: Sequence[Row]) -> str:
    """Returns one page with a heading, table and notes for each group of rows; nothing is loaded
    from elsewhere, and no name can be markup.
    """
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    parts = []
    for table in build_tables(rows):
        body = [[text for text, _ in _flat(line)] for line in table.lines]
        text = pd.DataFrame(body, columns=_head(table)).to_html(index=False, border=0)
        below = "".join(f"<li>{escape(note)}</li>\n" for note in table.notes)
        notes_list = f"<ul>\n{below}</ul>\n" if below else ""
        parts.append(f"<h2>{escape(table.title)}</h2>\n{text}\n{notes_list}")
    return _PAGE.format(body="".join(parts))


def to_csv(rows: Sequence[Row]) -> str:
    """Returns one line per row: what it may be compared by, then value, low, high and coverage
    (n, of) per metric.

    For programs and spreadsheets: bare numbers, shares in percent, an empty cell for null. Lines
    of one group stand together and share a ``table`` number; compare only within one.
    """
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    names = metric_names(rows)
    columns = _columns(names)
    lines = []
    for index, group in enumerate(group_rows(rows), start=1):
        for row in group:
            line: dict[str, Any] = {"table": index}
            for key in _CSV_KEYS:
                line[key] = _csv(row.get(key))
            line["judge_is_judged"] = bool(row.get("judge_is_judged"))
            found = dict(figures(row["metrics"]))
            for name in names:
                for end in ("value", "low", "high", "n", "of"):
                    column = columns[name] if end == "value" else f"{columns[name]} {end}"
                    value = found.get(name, {}).get(end)
                    if isinstance(value, float) and kind_of(name) == "count":
                        value = int(value)
                    # 10 digits: "* 100" must not print 56.99999999999999.
                    elif isinstance(value, float):
                        value = float(f"{table_value(name, value):.10g}")
                    line[_csv(column)] = value
            line["notes"] = _csv("; ".join(notes([row])))
            lines.append(line)
    # dtype=object: a column of counts with a null in it must not turn into floats.
    return str(pd.DataFrame(lines, dtype=object).to_csv(index=False, lineterminator="\n"))


def _columns(names: Sequence[str]) -> dict[str, str]:
    """The heading of each metric; its own name where the heading is that of another column (a
    category may be called "model").
    """
    taken = Counter(map(heading, names))
    taken.update((*_CSV_KEYS, "table", "judge_is_judged", "notes"))
    return {name: heading(name) if taken[heading(name)] == 1 else name for name in names}


def to_rich(rows: Sequence[Row], width: int = 100) -> RenderableType:
    """Returns the tables for a terminal of ``width`` columns.

    A table that is too wide is turned on its side (a column per model), in as many blocks as the
    width asks for: figures are never folded.
    """
    from rich.cells import cell_len
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for table in build_tables(rows):
        parts.append(Text(table.title, style="bold"))
        upright = [_head(table)] + [[text for text, _ in _flat(line)] for line in table.lines]
        sizes = [max(map(cell_len, column)) for column in zip(*upright, strict=True)]
        if sum(sizes) + 2 * len(sizes) <= width:
            parts.append(_rich(upright))
        else:
            head, *lines = upright
            widths = [max(map(cell_len, line)) for line in lines]
            for block in _blocks(widths, width - max(map(cell_len, head))):
                kept = [head, *(lines[at] for at in block)]
                parts.append(_rich([list(column) for column in zip(*kept, strict=True)]))
        parts += [Text(note, style="dim") for note in table.notes]
        parts.append(Text(""))
    return Group(*parts)


def _blocks(widths: Sequence[int], room: int, gap: int = 2) -> list[list[int]]:
    """Returns the positions of columns in blocks of at most ``room``, at least one in each."""
    blocks: list[list[int]] = []
    left = 0
    for at, needed in enumerate(widths):
        if not blocks or needed + gap > left:
            blocks.append([])
            left = room
        blocks[-1].append(at)
        left -= needed + gap
    return blocks


def _rich(grid: Sequence[Sequence[str]]) -> RenderableType:
    """Returns a grid with its first row as head. Text objects only: strings would be markup."""
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for position, text in enumerate(grid[0]):
        # One line each, or a long name would fold the figures beside it.
        table.add_column(Text(text), justify="right" if position else "left", no_wrap=position > 0)
    for row in grid[1:]:
        table.add_row(*(Text(text) for text in row))
    return table


def _head(table: Table) -> list[str]:
    return ["model", *table.labels, *table.metrics]


def _flat(line: Line) -> list[tuple[str, bool]]:
    """Returns the cells of a line, each with whether we wrote it (else a user or model did)."""
    name = line.model + (MARK if line.marked else "")
    theirs = [(text, False) for text in (name, *line.labels)]
    return theirs + [(text, True) for text in line.cells]


def _markdown(text: str, ours: bool = False) -> str:
    """Returns ``text`` for a table cell; what a name holds is no markup."""
    return text if ours else markdown(text)


def _latex(text: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in text)
    # After the line break of the row above, a bracket would be read as its argument.
    return "{}" + escaped if escaped.startswith("[") else escaped


def _csv(value: Any) -> Any:
    """Returns a label as one clean line that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def plain_json(document: Any) -> Any:
    """Returns a document with metrics in it as JSON data, as it is printed and kept."""
    return json.loads(json.dumps(document, default=as_json))


def as_json(value: object) -> Any:
    """The ``default`` of ``json.dumps``: a model as its data; ValueError on anything else."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise ValueError(f"{type(value).__name__} is not JSON data")
