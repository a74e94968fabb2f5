"""The frame of a page: style, script and data are inline, and a policy forbids everything else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.report.html import Html, data_block, tag

_ASSETS = Path(__file__).parent / "assets"


class Section(NamedTuple):
    """A section of a page.

    Attributes:
        id: its anchor.
        title: its heading, also in the table of contents.
        body: markup.
    """

    id: str
    title: str
    body: Html


def page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    data: Any = None,
    scripts: Sequence[str] = ("tables.js",),
) -> str:
    """Return a complete, self-contained page that loads nothing.

    Args:
        title: heading and title of the page.
        subtitle: a line below the heading.
        sections: sections, in order.
        data: data for the scripts, as JSON.
        scripts: files in `assets`, in order.
    """
    style = _asset("style.css")
    script = "".join(_asset(name) for name in ("page.js", *scripts))
    # Hashes instead of 'unsafe-inline': only the scripts and styles written here take effect.
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)};"
        " img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),  # else browsers request one from a server
        tag("title", title),
        Html(f"<style>{style}</style>"),
    )
    contents = (tag("li", tag("a", one.title, href=f"#{one.id}")) for one in sections)
    body = tag(
        "body",
        tag("a", "Skip to the results", class_="skip", href="#main"),
        tag(
            "header",
            tag("h1", title),
            tag("p", subtitle, class_="muted"),
            tag("nav", tag("ul", contents), aria_label="Contents"),
        ),
        tag("main", (_section(one) for one in sections), id="main", tabindex=-1),
        data_block("data", data),
        Html(f"<script>{script}</script>"),
    )
    return f'<!doctype html>\n<html lang="en">{head}{body}</html>\n'


def _section(one: Section) -> Html:
    heading = f"{one.id}-title"
    return tag("section", tag("h2", one.title, id=heading), one.body, id=one.id, aria_labelledby=heading)


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
