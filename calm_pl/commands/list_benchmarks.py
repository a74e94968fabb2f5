"""`list benchmarks`: the data sets, where to get them and how to lay them out. Imports no torch."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

from calm_pl.data import benchmark_facts, benchmark_names
from calm_pl.errors import DataError


def read_benchmarks() -> dict[str, Any]:
    """Return facts by name, and the errors of benchmarks from other packages that cannot be loaded."""
    facts: dict[str, Any] = {}
    broken = []
    for name in benchmark_names():
        try:
            facts[name] = dataclasses.asdict(benchmark_facts(name))
        except DataError as error:
            broken.append(str(error))
    return {"benchmarks": facts, "broken": broken}


def show_benchmarks(content: dict[str, Any]) -> None:
    """Print a block of lines per benchmark."""
    width = max(map(len, content["benchmarks"]), default=0)
    for name, facts in content["benchmarks"].items():
        size = [f"{facts[key]:,} {key}" for key in ("classes", "clips") if facts[key]] or ["your own clips"]
        print(f"{name:<{width}}  {facts['title']}: {', '.join(size)}")
        for line in (facts["licence"], facts["home"], facts["layout"]):
            for part in textwrap.wrap(line, 100 - width) if line else ():
                print(f"{'':<{width}}  {part}")
    for line in content["broken"]:
        print(line)
