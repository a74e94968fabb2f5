"""An overview as a LaTeX table for the package booktabs."""

from __future__ import annotations

from calm_pl.report.overview import Mark, Overview, Value
from calm_pl.report.overview_cells import NEAR, one_line, told

_SPECIAL = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    **{char: f"{{{char}}}" for char in "[]*`"},  # behind \\ the first and the third are arguments
    "–": "--",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    NEAR: r"$^{\dagger}$",
}


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(char, char) for char in one_line(text))


def latex_text(table: Overview) -> str:
    """Return a `table` environment with its notes; several models have their rows below their name."""
    width = 1 + len(table.columns)
    heads = [[column.benchmark, column.metric, column.details] for column in table.columns]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        "\\toprule",
    ]
    for number, label in enumerate(("", "Method", "")):
        if any(head[number] for head in heads):
            lines.append(_row([label, *(escaped(head[number]) for head in heads)]))
    model = None
    for row in table.rows:
        if len(table.models) > 1 and row.model != model:
            lines += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{escaped(row.model)}}}}} \\\\"]
        elif model is None:
            lines.append("\\midrule")
        model = row.model
        lines.append(_row([escaped(row.method), *map(_cell, row.cells)]))
    notes = [*table.legend("Bold", NEAR), *table.notes]
    lines += ["\\bottomrule", "\\end{tabular}", "", "\\medskip"]
    lines += ["\\parbox{\\linewidth}{\\footnotesize\\raggedright", *map(escaped, notes), "}", "\\end{table}"]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _cell(cell: Value | None) -> str:
    text = escaped(told(cell))
    if cell is None or cell.mark is Mark.NONE:
        return text
    if cell.mark is Mark.BEST:
        return f"\\textbf{{{text}}}"
    return f"{text}\\rlap{{{escaped(NEAR)}}}"  # without width, so that the digits stay below each other
