"""Pages about finished runs: one run, or several side by side, from their run folders alone. Floor 4."""

from calm_pl.report.run_page import write_run_page
from calm_pl.report.views import SoundRule
from calm_pl.runs.folder import RunFolder, read_run

__all__ = ["RunFolder", "SoundRule", "read_run", "write_run_page"]
