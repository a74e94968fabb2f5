"""`report.html`: a run's results on one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from calm_pl.commands.job import JobRecord
from calm_pl.commands.table import NAMES, cells, headings, notes, percent
from calm_pl.data.base import FewShotDataModule
from calm_pl.files import replacing
from calm_pl.module import FitFreeModule

_CONFUSIONS_SHOWN = 20
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0 0 1rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { white-space: nowrap; padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
td.left, th.left { text-align: left; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid #8884; }
"""


class ReportWriter(Callback):
    """Writes the report of a `FitFreeModule` after test, on rank 0.

    Args:
        record: what is to be said about the job.
    """

    def __init__(self, record: JobRecord) -> None:
        self.record = record

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the page; it appears under its name only when complete."""
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, FitFreeModule)
        data: FewShotDataModule = trainer.datamodule  # type: ignore[attr-defined]
        with replacing(self.record.run_dir / "report.html") as part:
            part.write_text(page(self.record, pl_module, data), encoding="utf-8")


def page(record: JobRecord, module: FitFreeModule, data: FewShotDataModule) -> str:
    """The whole page as HTML."""
    title = f"{record.benchmark} · {record.model_path}"
    names = [NAMES[method] for method in module.methods]
    results = [cells(name, result, module) for name, result in module.results.items()]
    parts = [
        f"<h1>{escape(title)}</h1>",
        _table("Results", headings(module.task), results),
        "<ul>",
        *(f"<li>{escape(line)}</li>" for line in notes(module, data)),
        "</ul>",
        _table(
            "Accuracy of each class",
            ["class", "clips", *names],
            _class_rows(module),
        ),
        _table(
            "Most frequent confusions",
            ["method", "truth", "predicted", "clips"],
            _confusion_rows(module),
            text_columns=3,
        ),
        "<h2>Run it again</h2>",
        "<pre>python launch.py fit-free --config config.yaml</pre>",
        "<h2>Configuration</h2>",
        f"<pre>{escape(record.config_yaml)}</pre>",
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _class_rows(module: FitFreeModule) -> Iterator[list[str]]:
    """Share of right answers a class; a class without query clips has a dash."""
    tables = [result.confusion_CC for result in module.results.values()]
    for c, label in enumerate(module.task.classes):
        clips = round(tables[0][c].sum())
        yield [label, str(clips), *(percent(t[c, c] / clips) if clips else "–" for t in tables)]


def _confusion_rows(module: FitFreeModule) -> Iterator[list[str]]:
    """The largest cells off the diagonal of all methods, largest first."""
    cells = []
    for name, result in module.results.items():
        wrong_CC = result.confusion_CC.copy()
        np.fill_diagonal(wrong_CC, 0)
        cells += [(wrong_CC[t, p], name, t, p) for t, p in zip(*wrong_CC.nonzero(), strict=True)]
    for count, name, t, p in sorted(cells, key=lambda cell: -cell[0])[:_CONFUSIONS_SHOWN]:
        yield [NAMES[name], module.task.classes[t], [*module.task.classes, "no answer"][p], f"{count:g}"]


def _table(caption: str, header: list[str], rows: Iterable[list[str]], text_columns: int = 1) -> str:
    """A table whose first `text_columns` columns are words, the others numbers."""

    def cells(tag: str, values: list[str]) -> str:
        kinds = (' class="left"' if i < text_columns else "" for i in range(len(values)))
        return "".join(f"<{tag}{kind}>{escape(v)}</{tag}>" for kind, v in zip(kinds, values, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{cells('th', header)}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def from_record(record: JobRecord) -> ReportWriter:
    """For a job of the command line."""
    return ReportWriter(record)
