"""`sweep`: evaluate many settings of the methods on head vectors that are encoded once."""

from __future__ import annotations

from collections.abc import Sequence

from calm_pl.commands.arguments import (
    add_config_arguments,
    add_dry_run_argument,
    add_limit_argument,
    parser,
    read_config,
)
from calm_pl.commands.checklist import dry_run
from calm_pl.errors import ConfigError

_EXAMPLES = """\
  {program} --config demo.yaml --config sweeps/figure4.yaml
  {program} --config esc50.yaml --config sweeps/table2.yaml data.root=/data/ESC-50 data.fold=all
  {program} --config esc50.yaml data.root=/data/ESC-50 data.draws=10 "sweep.grid.voter.top_k=[5,30%,all]"
  {program} --config esc50.yaml --config sweeps/temperatures.yaml data.root=/data/ESC-50 "methods=[calm]"
  {program} --config demo.yaml --config sweeps/figure5.yaml --print-config

In a file of yours, every case is combined with the whole grid:
  sweep:
    grid:
      voter: {{tau_p: [0.01, 0.03], top_k: [10, 30%, all]}}
      data: {{shots: [5, 10, 20]}}
    cases:
      paper: {{}}
      leave-one-out: {{voter: {{reliability_split: loo}}}}

`list sweeps` shows the paper's sweeps.
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Evaluate many settings of the methods. Each clip is encoded once or read from the bank; every\n"
        "setting, fold and draw is a row of sweep.csv. Run the same command again to resume.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    add_limit_argument(command)
    add_dry_run_argument(command)
    from calm_pl.sweeps.settings import load_sweep

    args, job = read_config(command, argv, load_sweep, "--config demo.yaml --config sweeps/table2.yaml")
    if job is None:
        return 0
    if job.bank.dir is None:
        raise ConfigError(["bank.dir: must be a folder for a sweep, but is null"])
    if args.dry_run:
        from calm_pl.sweeps.points import passes

        return dry_run(*(work.config for work in passes(job)))
    from calm_pl.sweeps.job import run_sweep

    run_sweep(job, quiet=not debug)
    return 0
