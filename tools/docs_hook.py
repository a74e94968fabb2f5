"""MkDocs hook: pages whose content is made from code while the site is built, so that it cannot go stale.

A page asks for it with a line `<!-- made: NAME -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from docs_pages.benchmarks import benchmarks_table
from docs_pages.commands import command_line
from docs_pages.equations import typeset
from docs_pages.full_size import full_size_table
from docs_pages.needs import needs_table
from docs_pages.notebook import page
from docs_pages.readme import model_card, opening
from docs_pages.recordings import recordings_table
from docs_pages.settings import settings_tables

MADE: dict[str, Callable[[], str]] = {
    "benchmarks": benchmarks_table,
    "command line": command_line,
    "full size": full_size_table,
    "long recordings": recordings_table,
    "model card": partial(model_card, "tiny_lalm"),
    "needs": needs_table,
    "notebook": page,
    "plain model card": partial(model_card, "plain_lalm"),
    "readme": opening,
    "settings": settings_tables,
}
_MARKER = re.compile(r"^<!-- made: (.+) -->$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """MkDocs' event: without the address of the sources there are no links to edit them."""
    if not config["repo_url"]:
        config["edit_uri"] = ""
    return config


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """MkDocs' event: the page's Markdown with its markers replaced and its equations typeset.

    Raises:
        KeyError: a marker of another name.
    """
    return typeset(_MARKER.sub(lambda marker: MADE[marker[1]](), markdown))
