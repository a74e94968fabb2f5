"""The checklist of `doctor` and of `--dry-run`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calm_pl.config.schema import Config
    from calm_pl.jobs.findings import Finding


def dry_run(*configs: Config) -> int:
    """Examine what jobs would need; returns the exit status."""
    from calm_pl.jobs.checkup import DRY_RUN, examine

    return max(print_findings(examine(config, DRY_RUN)) for config in configs)


def print_findings(findings: Iterable[Finding]) -> int:
    """Print a checklist as it is made, and whether the job can run; returns the exit status."""
    failed = unmade = 0
    for finding in findings:
        mark = "?" if finding.unmade else {True: "✓", False: "✗", None: "–"}[finding.good]
        print(f"{mark} {finding.text}".replace("\n", "\n  "), flush=True)
        failed += finding.good is False
        unmade += finding.unmade
    open_ones = f"{unmade} of the checks could not be made (?)" if unmade else ""
    if failed:
        print(f"{failed} of the checks failed" + (f"; {open_ones}." if unmade else "."))
    else:
        print(f"No check failed, but {open_ones}." if unmade else "All is well.")
    return 1 if failed else 0
