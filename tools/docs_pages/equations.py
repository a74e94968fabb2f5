"""Equations of the pages: TeX between fences, typeset while the site is built, so that no script is fetched.

A block as GitHub shows it too:

    ```math
    w_h = \\exp(r_h) \\tag{8}
    ```

becomes an SVG path in the colour of the text. Matplotlib's mathtext knows the TeX that is used here.
"""

from __future__ import annotations

import html
import re

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

_BLOCK = re.compile(r"^```math\n(.+?)\n```$", re.MULTILINE | re.DOTALL)
_TAG = re.compile(r"\s*\\tag\{([^}]*)\}")
_POINTS = 15.0
_LETTERS = {1: "M", 2: "L", 3: "Q", 4: "C"}
_LENGTHS = {1: 1, 2: 1, 3: 2, 4: 3}
_CLOSE = 79


def typeset(markdown: str) -> str:
    """Return a page with its equations as drawings; their TeX stays as the text for those who cannot see.

    Raises:
        ValueError: TeX that mathtext does not know.
    """
    return _BLOCK.sub(lambda block: _figure(block[1]), markdown)


def _figure(tex: str) -> str:
    tag = _TAG.search(tex)
    shown = _TAG.sub("", tex)
    number = f"<span>({html.escape(tag[1])})</span>" if tag else ""
    return f'<div class="equation">{svg(shown)}{number}</div>'


def svg(tex: str) -> str:
    """Return an equation as an element."""
    font = FontProperties(math_fontfamily="stix")
    # As displayed equations have them: fractions in full size.
    display = tex.replace(r"\frac", r"\dfrac")
    path = TextPath((0, 0), f"${display}$", size=_POINTS, prop=font)
    box = path.get_extents()
    parts: list[str] = []
    at = 0
    while at < len(path.codes):
        code = int(path.codes[at])
        if code == _CLOSE:
            parts.append("Z")
            at += 1
            continue
        points = path.vertices[at : at + _LENGTHS[code]]
        # SVG counts downwards.
        parts.append(_LETTERS[code] + " ".join(f"{x:.2f} {-y:.2f}" for x, y in points))
        at += _LENGTHS[code]
    place = f"{box.x0 - 1:.2f} {-box.y1 - 1:.2f} {box.width + 2:.2f} {box.height + 2:.2f}"
    size = f'width="{(box.width + 2) * 1.25:.0f}" height="{(box.height + 2) * 1.25:.0f}"'
    return (
        f'<svg role="img" aria-label="{html.escape(tex)}" viewBox="{place}" {size}>'
        f'<path fill="currentColor" d="{"".join(parts)}"/></svg>'
    )
