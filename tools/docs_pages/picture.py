"""The picture of a report page on the first page, made from a run of the demo.

python -m docs_pages.picture    # in tools/; needs the tests' Chromium
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).parents[2]
PICTURE = REPO / "docs" / "report.png"
_WIDTH, _HEIGHT = 1100, 760


def take(page: Path) -> None:
    """Take the picture of a run's page, from its classes on."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        # The system's browser, where Playwright has none of its own.
        browser = play.chromium.launch(executable_path=shutil.which("chromium"))
        tab = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        tab.goto(page.resolve().as_uri())
        tab.evaluate("document.querySelector('#classes .controls').scrollIntoView()")
        tab.screenshot(path=str(PICTURE))
        browser.close()


def main() -> None:
    """Run the demo in an empty folder and take the picture of its page."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(REPO / "launch.py"), "fit-free", "--config", "demo.yaml"]
        subprocess.run([*command, "run.dir=demo", "wandb.mode=disabled"], cwd=folder, check=True)
        take(Path(folder, "demo", "report.html"))
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
