"""Put nonsense into the `results.json` of runs, and let everything read them that reads runs.

    python benchmarks/mutated_results.py RUN... --mutations 500 --out benchmarks/results/mutated_results.json

A mutation replaces one value of the file, however deep, by one of a list, or deletes it. Readers must take
what is left or refuse it in a sentence (`CalmError`); any other exception, and more than 20 s, is a fault.
The record counts both, and lists the faults.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import datetime
import io
import json
import math
import random
import shutil
import signal
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import calm_pl
from calm_pl.errors import CalmError
from calm_pl.report import SoundRule, write_run_page
from calm_pl.report.comparison import compare
from calm_pl.report.comparison_page import write_comparison_page
from calm_pl.report.latex import latex_text
from calm_pl.report.markdown import markdown_text, run_markdown
from calm_pl.report.overview import overview
from calm_pl.report.overview_csv import csv_text
from calm_pl.report.overview_terminal import print_overview
from calm_pl.runs.folder import RunFolder, find_runs, read_run

NONSENSE: list[Any] = [
    *(None, True, -1, 0, 1.5, 1e300, math.nan, "", "x", "a" * 5_000),
    *([], {}, [1], ["x"], {"x": 1}, [[1]], {"x": None}, [{}], {"accuracy": 1}),
]
SECONDS = 20


class SlowError(Exception):
    """A reader took too long."""


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value; of lists the first two."""
    inside = (
        value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    )
    for key, one in inside:
        yield (*above, key)
        yield from places(one, (*above, key))


def mutated(whole: Any, place: tuple[Any, ...], value: Any, delete: bool) -> Any:
    """A copy with another value at a place, or without it."""
    found = copy.deepcopy(whole)
    part = found
    for key in place[:-1]:
        part = part[key]
    if delete:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return found


def read_by_all(folder: Path, good: RunFolder, page: Path) -> None:
    """Everything that reads a run."""
    run = read_run(folder)
    run_markdown(run)
    for detailed in (False, True):
        table = overview(find_runs([folder]), detailed)
        print_overview(table)
        for text in (markdown_text, latex_text, csv_text):
            text(table)
    calm_pl.load_results(folder).to_pandas()
    write_run_page(run, page, SoundRule(audio=False), {}, "")
    write_comparison_page(compare([run, good]), page)


def attack(
    run: Path, number: int, rng: random.Random, work: Path
) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Mutate one run so often; counts of outcomes, and the faults."""
    whole, good = json.loads((run / "results.json").read_text()), read_run(run)
    folder = work / "run"
    shutil.copytree(run, folder)
    known = list(places(whole))
    counts: Counter[str] = Counter()
    faults = []
    for _ in range(number):
        place, value = rng.choice(known), rng.choice(NONSENSE)
        delete = isinstance(place[-1], str) and rng.random() < 0.15
        (folder / "results.json").write_text(json.dumps(mutated(whole, place, value, delete)))
        signal.alarm(SECONDS)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                read_by_all(folder, good, work / "page.html")
            counts["read"] += 1
        except CalmError:
            counts["refused"] += 1
        except Exception as error:
            counts["faults"] += 1
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            faults.append(
                {"place": list(place), "deleted": delete, "error": repr(error)[:200], "where": where}
            )
            print(place, "deleted" if delete else repr(value)[:40], repr(error)[:100], where, flush=True)
        finally:
            signal.alarm(0)
    shutil.rmtree(folder)
    return counts, faults


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--mutations", type=int, default=500, help="of each run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    def too_slow(*_: Any) -> None:
        raise SlowError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, too_slow)
    warnings.simplefilter("ignore")
    rng = random.Random(args.seed)
    record: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "calm_pl": calm_pl.__version__,
        "seed": args.seed,
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as temporary:
        for run in args.runs:
            counts, faults = attack(run, args.mutations, rng, Path(temporary))
            methods = list(json.loads((run / "results.json").read_text())["methods"])
            record["runs"].append({"methods": methods, "mutations": args.mutations, **counts, "list": faults})
            print(run, dict(counts), flush=True)
            args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
