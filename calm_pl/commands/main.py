"""Find the sub-command, run it, and turn its errors into messages."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
import time
import traceback
import warnings
from collections.abc import Sequence

from calm_pl.commands.streams import lenient_streams
from calm_pl.errors import CalmError, StoppedRunError
from calm_pl.jobs.provenance import COMMAND, Command

# name: (module, what it does); a module is imported only when its command is called
COMMANDS = {
    "fit-free": ("calm_pl.commands.fit_free", "fit on the support, evaluate on the query, without training"),
    "sweep": ("calm_pl.commands.sweep", "ablations: many settings from a single encoding of the clips"),
    "fit-mask": (
        "calm_pl.commands.fit_mask",
        "learn which heads to switch off to perform a task without an instruction",
    ),
    "masks": ("calm_pl.commands.masks", "compare masks, or run a model under one"),
    "extract": ("calm_pl.commands.extract", "encode clips into the head bank, for later runs"),
    "pseudo-label": ("calm_pl.commands.pseudo_label", "label clips with the model's own sampled answers"),
    "doctor": ("calm_pl.commands.doctor", "check data, disk and model before a long run"),
    "train": ("calm_pl.commands.train", "make a classifier from your own sounds"),
    "predict": ("calm_pl.commands.predict", "classify audio files with a fitted classifier"),
    "report": ("calm_pl.commands.report", "rewrite a run's report page, or compare runs"),
    "table": ("calm_pl.commands.table", "show many runs in one table, for a terminal or a paper"),
    "dashboard": ("calm_pl.commands.dashboard", "create a Weights & Biases workspace for a project"),
    "figures": ("calm_pl.commands.figures", "redraw the figures of a run or a sweep"),
    "bank": ("calm_pl.commands.bank", "inspect, check, prune or export a head bank"),
    "list": ("calm_pl.commands.list_things", "list benchmarks, models, methods, settings and so on"),
    "config": ("calm_pl.commands.config", "print or copy a shipped configuration"),
}
_RUNS = ("fit-free", "train", "sweep", "fit-mask", "extract", "pseudo-label")
"""Commands whose results are files, so that losing what they print is not an error."""
_HELP = """\
usage: {program} COMMAND [options]

Evaluate frozen audio language models without training, through their attention heads.

commands:
{commands}

examples:
  {program} fit-free --config demo.yaml
  {program} fit-free --config esc50.yaml data.root=/data/ESC-50 trainer.devices=8
  {program} sweep --config esc50.yaml --config sweeps/table2.yaml data.root=/data/ESC-50
  {program} doctor --config esc50.yaml data.root=/data/ESC-50
  {program} train birds/
  {program} predict --classifier runs/birds/classifier.safetensors clip.wav
  {program} list models

{program} COMMAND --help shows its options. --debug shows the traceback of an error.
--plugins my_voter.py loads a Python file of yours, which may add methods; it may be repeated.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; return 0, 1 for an error, 2 for wrong arguments, 130 for Ctrl-C."""
    with lenient_streams() as out:
        status = _run(argv)
    if out.fault is None:
        return status
    print(f"warning: standard output could not be written: {out.fault.strerror}", file=sys.stderr)
    written_elsewhere = (sys.argv[1:] if argv is None else argv)[0] in _RUNS
    return status if written_elsewhere else status or 1


def _run(argv: Sequence[str] | None) -> int:
    args = list(sys.argv[1:] if argv is None else argv)
    program = "python launch.py" if sys.argv[0].endswith("launch.py") else "calm-pl"
    if not args or args[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        rows = "\n".join(f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items())
        print(_HELP.format(program=program, commands=rows))
        return 0 if args else 2
    if args[0] == "--version":
        from calm_pl import __version__

        print(__version__)
        return 0
    if args[0] not in COMMANDS:
        print(f"error: unknown command {args[0]!r}; the commands are: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    # Before torch starts its threads: spinning threads starve each other and the DataLoader's processes if
    # cores are few or busy. Measured on two busy cores: the demo in 10 s instead of 61.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    debug = "--debug" in args
    rest = [arg for arg in args[1:] if arg != "--debug"]
    if not debug and not sys.warnoptions:
        _hide_deprecations()
    started = COMMAND.set(Command(f"{program} {shlex.join(args)}", time.perf_counter()))
    try:
        rest = _load_plugins(rest)
        command = importlib.import_module(COMMANDS[args[0]][0])
        status = command.run(rest, f"{program} {args[0]}", debug)
        sys.stdout.flush()
        return int(status)
    except StoppedRunError as error:
        print(error, file=sys.stderr)
        return 128 + error.signal  # as shells report a signal
    except CalmError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of the output closed it, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nInterrupted. No results were written; encoded clips stay in the bank.", file=sys.stderr)
        return 130
    finally:
        COMMAND.reset(started)


def _load_plugins(args: list[str]) -> list[str]:
    """Load the files given with `--plugins`, anywhere in the arguments; return the other arguments."""
    if not any(arg == "--plugins" or arg.startswith("--plugins=") for arg in args):
        return args
    from calm_pl.plugins import load_plugins

    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    reader.add_argument("--plugins", action="append", default=[])
    named, others = reader.parse_known_args(args)
    load_plugins(named.plugins)
    return others


def _hide_deprecations() -> None:
    """Hide deprecations: they concern developers, who see them in tests, with `--debug` and `python -W`."""
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category)
