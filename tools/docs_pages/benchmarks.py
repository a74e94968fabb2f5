"""The table of benchmarks, from their facts."""

from __future__ import annotations

from calm_pl.data import BENCHMARKS, benchmark_facts
from calm_pl.data.facts import Facts


def benchmarks_table() -> str:
    """Markdown: a row a benchmark."""
    head = "| configuration | what | classes | clips | support → query | licence |"
    return "\n".join(
        [head, "|---|---|---|---|---|---|", *(_row(name, benchmark_facts(name)) for name in BENCHMARKS)]
    )


def _row(name: str, facts: Facts) -> str:
    title = f"[{facts.title}]({facts.home}), {facts.about}" if facts.home.startswith("http") else facts.about
    counts = [f"{count:,}" if count else "" for count in (facts.classes, facts.clips)]
    return f"| `{name}.yaml` | {title} | {' | '.join(counts)} | {facts.sides} | {facts.licence} |"
