"""Make the numbers and figures of the documentation anew, from runs of the bundled model.

    python tools/refresh_docs.py    # or: make docs-numbers

Every command that the worked pages show is run, as their test does; then the numbers in the output that a
page shows become those that were printed, the figures of the first run those in `docs/figures/`, and its page
`docs/report.png` (needs Chromium); the notebook is executed. Text that was not printed is left as it is, and
named.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).parents[1]
FIGURES = ("methods.svg", "methods-dark.svg")


def main() -> int:
    """Run the command; the status is 1 if a page shows what is not printed."""
    sys.path[:0] = [str(REPO), str(REPO / "tools"), str(REPO / "tests"), str(REPO / "tests" / "docs")]
    import documents
    import test_worked_examples as examples

    from docs_pages import notebook, picture

    with tempfile.TemporaryDirectory() as folder:
        steps = examples.work_through(Path(folder))
        demo = next(Path(folder).glob("runs/esc50-tiny_lalm-*"))
        target = REPO / "docs" / "figures"
        target.mkdir(exist_ok=True)
        for name in FIGURES:
            shutil.copy(demo / "figures" / name, target / name)
        picture.take(demo / "report.html")
    notebook.main()
    (opening,) = [one for one in documents.blocks(REPO / "README.md") if one.text.startswith("esc50 ·")]
    shown = [(REPO / step.block.page, step.shown, step.printed) for step in steps if step.shown]
    shown.append((REPO / "README.md", opening.text, steps[0].printed))
    stale = 0
    for path, text, printed in shown:
        new, missing = documents.refreshed(text, printed)
        for piece in missing:
            print(f"{path.relative_to(REPO)} shows what is not printed: {piece}", file=sys.stderr)
        stale += len(missing)
        _replace(path, text, new)
    return 1 if stale else 0


def _replace(path: Path, old: str, new: str) -> None:
    """Replace a block of a page, indented or not."""
    page = path.read_text(encoding="utf-8")
    for indent in ("", "    "):
        before, after = (
            "\n".join(f"{indent}{line}".rstrip() for line in text.split("\n")) for text in (old, new)
        )
        if before in page:
            path.write_text(page.replace(before, after), encoding="utf-8")
            return
    raise SystemExit(f"{path}: the block that begins with {old[:40]!r} was not found again.")


if __name__ == "__main__":
    raise SystemExit(main())
