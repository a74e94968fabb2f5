"""The reference of the configuration, from the schema: a table a section."""

from __future__ import annotations

import inspect

from calm_pl.config.described import sections, settings
from calm_pl.config.suite import SuiteSettings


def settings_tables() -> str:
    """Markdown: a table a section."""
    parts = []
    for path, schema in (*sections(), ("suite.", SuiteSettings)):
        rows = [
            f"| `{one.path}` | {_cell(one.value)} | {f'`{one.default}`' if one.default else 'required'}"
            f" | {_cell(one.description)} |"
            for one in settings(path, schema)
        ]
        table = "\n".join(["| setting | value | default | description |", "|---|---|---|---|", *rows])
        # Wide enough for its descriptions, see site.css.
        table = f'<div class="settings" markdown>\n\n{table}\n\n</div>'
        parts.append(f"## {path.rstrip('.') or 'Top level'}\n\n{inspect.getdoc(schema)}\n\n{table}")
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
