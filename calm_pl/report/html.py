"""HTML from Python in which text cannot become markup: everything except `Html` is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

_VOID = {"br", "col", "img", "input", "link", "meta", "source"}


class Html(str):
    """Markup."""

    __slots__ = ()


def tag(name: str, /, *children: str | Iterable[str] | None, **attributes: str | float | bool | None) -> Html:
    """Return an element.

    Args:
        name: the element's name.
        children: markup, text (which is escaped), or several of them; None is omitted.
        attributes: `class_` is class, `aria_label` is aria-label; True gives an attribute without a value,
            False and None omit it.
    """
    given = (
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    start = f"<{name}{''.join(given)}>"
    return Html(start if name in _VOID else f"{start}{join(children)}</{name}>")


def join(parts: Iterable[str | Iterable[str] | None], between: str = "") -> Html:
    """Concatenate markup and text."""
    return Html(between.join(_markup(part) for part in parts if part is not None))


def data_block(identity: str, value: Any) -> Html:
    """Embed data for the page's script; no content can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(f'<script type="application/json" id="{escape(identity)}">{text}</script>')


def _markup(part: str | Iterable[str]) -> str:
    if isinstance(part, Html):
        return part
    return escape(part) if isinstance(part, str) else join(part)
