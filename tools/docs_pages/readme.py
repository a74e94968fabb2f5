"""The README's opening, which is the site's home too."""

from __future__ import annotations

import re
from pathlib import Path

_README = Path(__file__).parents[2] / "README.md"
_END = "\n## Where to go next"
_CARD = "calm_pl/assets/{}/README.md"


def opening() -> str:
    """Return the README from below its title to its list of pages, with the links of the site.

    Raises:
        ValueError: the README has no such section any more.
    """
    text = _README.read_text(encoding="utf-8")
    body = text[text.index("\n") : text.index(_END)].strip()
    return re.sub(r"(\]\(|=\")docs/", r"\1", body).replace(
        f"]({_CARD.format('tiny_lalm')})", "](bundled-model.md)"
    )


def model_card(name: str) -> str:
    """A bundled model's card without its metadata and title, its links those of the site."""
    card = (_README.parent / _CARD.format(name)).read_text(encoding="utf-8")
    text = card.split("---\n", 2)[2].strip().split("\n", 1)[1]
    return text.replace("](../tiny_lalm/README.md)", "](bundled-model.md)").replace("](../../../docs/", "](")
