"""The table of methods: one row has everything that the other packages need to know about a method."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from types import MappingProxyType
from typing import Any

from calm_pl.rows import RowTable
from calm_pl.voters.settings import CalmSettings

ENTRY_POINTS = "calm_pl.methods"
PSEUDO_SUFFIX = "+pl"
"""Behind a method's key: the same voter, fitted on pseudo-labels."""
ORACLE_SUFFIX = "_oracle"
"""Behind a method's key: the same voter, its settings chosen on the query set."""


class Reads(Enum):
    """What a method reads of a forward pass."""

    OPTIONS = "options"
    """Scores of the answer options: the model itself answers."""
    HEADS = "heads"
    """Head vectors."""
    HIDDEN = "hidden"
    """Hidden states of the last layer, as vectors (N, 1, E)."""


@dataclass(frozen=True)
class Method:
    """One row.

    Attributes:
        key: its name in configurations, files and Python.
        title: its name in tables and figures.
        description: what it does, in a line.
        reads: what it needs of a forward pass.
        voter: where its class is, `module:Class`, imported on use; None where the evaluation itself answers.
        arguments: of the class, the same in every job.
        settings: further arguments of the class by the setting that they come from, such as
            `{"tau_p": "voter.tau_p"}`.
        needs: methods that must be evaluated beside it.
        by_default: whether a job evaluates it where `methods` says nothing.
        stored: whether a classifier file can hold it.
        rank: its place among the methods that `predict` and figures prefer, 1 the first; None for never.
        head_map: its place among the methods whose reliabilities and weights the report draws; None for
            those that have none.
        package: the package that it needs beside this project's own; empty where there is none.
        extra: the extra that installs the package.
    """

    key: str
    title: str
    description: str
    reads: Reads = Reads.HEADS
    voter: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    needs: tuple[str, ...] = ()
    by_default: bool = False
    stored: bool = False
    rank: int | None = None
    head_map: int | None = None
    package: str = ""
    extra: str = ""

    @property
    def searches(self) -> bool:
        """Whether `voter.select` selects its settings, on the support or, as an oracle, on the query."""
        return "select" in self.settings

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.key) or self.key.endswith(ORACLE_SUFFIX):
            raise ValueError(
                "Expected the key of a method to be lower-case letters, digits and underscores, not ending"
                f" in {ORACLE_SUFFIX}, but got {self.key!r}."
            )
        if self.voter is not None and not re.fullmatch(r"[\w.]+:\w+", self.voter):
            raise ValueError(f"Expected the voter of {self.key} as 'module:Class', but got {self.voter!r}.")

    def voter_class(self) -> type[Any]:
        """Import and return its class.

        Raises:
            ValueError: the evaluation itself answers for it.
        """
        if self.voter is None:
            raise ValueError(f"{self.key} has no voter.")
        module, name = self.voter.split(":")
        found: type[Any] = getattr(importlib.import_module(module), name)
        return found


class MethodTable(RowTable[Method]):
    """Methods by key, in the order of a table.

    Args:
        rows: the built-in ones.
    """

    def __init__(self, rows: Iterable[Method]) -> None:
        super().__init__(Method, ENTRY_POINTS, "methods", rows)

    def title(self, key: str) -> str:
        """Return the name that a reader knows a method by, also of those on pseudo-labels and of oracles.

        A key that is no row's, as a program may give its own voters, stands for itself.
        """
        if key.endswith(PSEUDO_SUFFIX):
            return f"{self.title(key.removesuffix(PSEUDO_SUFFIX))}+PL"
        row = self.get(key)
        if row is None and key.endswith(ORACLE_SUFFIX):
            return f"{self.title(key.removesuffix(ORACLE_SUFFIX))}, oracle"
        return key if row is None else row.title

    def all_keys(self) -> list[str]:
        """Return the keys that a result may have: of rows, of oracles, and of voters on pseudo-labels."""
        oracles = [f"{row.key}{ORACLE_SUFFIX}" for row in self if row.searches]
        pseudo = [f"{row.key}{PSEUDO_SUFFIX}" for row in self if row.voter is not None]
        return [*self.keys(), *oracles, *pseudo]

    def preferred(self) -> list[str]:
        """Return the keys of methods with a rank, the first one first."""
        ranked = [row for row in self if row.rank is not None]
        return [row.key for row in sorted(ranked, key=lambda row: row.rank or 0)]


_CALM_SETTINGS = MappingProxyType({one.name: f"voter.{one.name}" for one in fields(CalmSettings)})


def _comparison(key: str, title: str, description: str, classifier: str, features: str) -> Method:
    """Make the row of a scikit-learn classifier."""
    return Method(
        key,
        title,
        description,
        Reads.HIDDEN if features == "hidden" else Reads.HEADS,
        "calm_pl.voters:Comparison",
        MappingProxyType({"classifier": classifier, "features": features}),
        package="sklearn",
        extra="compare",
    )


METHODS = MethodTable(
    [
        Method(
            "zero_shot",
            "zero-shot",
            "The model itself answers, by option letters, option texts or generated words.",
            Reads.OPTIONS,
            by_default=True,
        ),
        Method(
            "sav",
            "SAVs",
            "The heads that are most accurate on the support vote, one vote each.",
            voter="calm_pl.voters:Sav",
            settings=MappingProxyType({"top_k": "voter.sav_top_k", "score": "voter.score"}),
            by_default=True,
            stored=True,
            rank=5,
            head_map=4,
        ),
        Method(
            "calm_global",
            "CALM-Global",
            "All heads vote with their posteriors, weighted by reliability.",
            voter="calm_pl.voters:CalmGlobal",
            settings=_CALM_SETTINGS,
            by_default=True,
            stored=True,
            rank=4,
            head_map=2,
        ),
        Method(
            "calm",
            "CALM",
            "As CALM-Global, with a reliability per head and class.",
            voter="calm_pl.voters:Calm",
            settings=_CALM_SETTINGS,
            by_default=True,
            stored=True,
            rank=2,
            head_map=1,
        ),
        Method(
            "calm_auto",
            "CALM-Auto",
            "Mean of whitened heads, discriminant analysis and logistic regression; nothing to tune.",
            voter="calm_pl.voters:CalmAuto",
            stored=True,
            rank=1,
            head_map=3,
        ),
        Method(
            "gda",
            "GDA",
            "Gaussian discriminant analysis of all heads.",
            voter="calm_pl.voters:Gda",
            stored=True,
            rank=3,
        ),
        Method(
            "calm_auto_zero_shot",
            "CALM-Auto, zero-shot",
            "CALM-Auto with the model's own answers as a prior.",
            needs=("zero_shot", "calm_auto"),
        ),
        _comparison(
            *("nearest_centroid", "nearest centroid", "Nearest centroid of all heads.", "nearest_centroid"),
            "heads",
        ),
        _comparison(
            *("logistic_regression", "logistic regression", "Logistic regression on all heads."),
            *("logistic_regression", "heads"),
        ),
        _comparison("knn", "k-NN", "Five nearest neighbours by all heads.", "knn", "heads"),
        _comparison(
            *("nearest_centroid_best_head", "centroid, best head", "Nearest centroid of the best head."),
            *("nearest_centroid", "best_head"),
        ),
        _comparison(
            *("logistic_regression_best_head", "logistic, best head"),
            *("Logistic regression on the best head.", "logistic_regression", "best_head"),
        ),
        _comparison(
            *("nearest_centroid_hidden", "centroid, hidden state"),
            *("Nearest centroid of the last hidden state.", "nearest_centroid", "hidden"),
        ),
        _comparison(
            *("logistic_regression_hidden", "logistic, hidden state"),
            *("Logistic regression on the last hidden state.", "logistic_regression", "hidden"),
        ),
    ]
)
