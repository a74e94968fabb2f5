"""The table of methods: one row holds everything that other packages need to know about a method."""

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
"""Suffix of a method's key: the same voter, fitted on pseudo-labels."""
ORACLE_SUFFIX = "_oracle"
"""Suffix of a method's key: the same voter, with settings selected on the query set."""


class Reads(Enum):
    """What a method reads from a forward pass."""

    OPTIONS = "options"
    """Scores of the answer options: the model itself chooses."""
    HEADS = "heads"
    """Head vectors."""
    HIDDEN = "hidden"
    """Hidden states of the last layer, as vectors (N, 1, E)."""
    TOWER = "tower"
    """Mean and standard deviation of the audio tower's states, as vectors (N, 2, E)."""
    HEADS_AND_TOWER = "heads_and_tower"
    """Head vectors, then the tower's two vectors cut into further ones, (N, H + 2·⌈E/D⌉, D)."""


@dataclass(frozen=True)
class Method:
    """One row.

    Attributes:
        key: name in configurations, files and Python.
        title: name in tables and figures.
        description: what it does, in one line.
        reads: what it reads from a forward pass.
        voter: its class as `module:Class`, imported on use; None if the evaluation computes the predictions
            itself.
        arguments: arguments of the class that are the same in every job.
        settings: further arguments of the class and the settings that they come from, such as `{"tau_p":
            "voter.tau_p"}`.
        needs: methods that must be evaluated with it.
        by_default: whether a job evaluates it if `methods` is not set.
        stored: whether a classifier file can hold it.
        rank: order of preference in `predict` and figures, 1 first; None if never chosen.
        head_map: order among the methods whose reliabilities and weights the report draws; None if it has
            none.
        transductive: whether its prediction for a query clip depends on the other query clips; its title must
            say so.
        needs_heads: whether it chooses or weights attention heads, which means nothing for a model with one
            vector per clip, such as CLAP.
        needs_texts: whether it compares clips with texts in the space of its vectors, which only CLAP models
            have.
        package: a package that only this method needs; empty if none.
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
    transductive: bool = False
    needs_heads: bool = False
    needs_texts: bool = False
    package: str = ""
    extra: str = ""

    @property
    def searches(self) -> bool:
        """Whether `voter.select` can select its settings, on the support or, as an oracle, on the query."""
        return "select" in self.settings

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.key) or self.key.endswith(ORACLE_SUFFIX):
            raise ValueError(
                "Expected a method's key to have only lower-case letters, digits and underscores, and not to"
                f" end in {ORACLE_SUFFIX}, but got {self.key!r}."
            )
        if self.transductive and "transductive" not in self.title:
            raise ValueError(
                f"Expected the title of {self.key} to say that it is transductive, but got {self.title!r}."
            )
        if self.voter is not None and not re.fullmatch(r"[\w.]+:\w+", self.voter):
            raise ValueError(f"Expected the voter of {self.key} as 'module:Class', but got {self.voter!r}.")

    def voter_class(self) -> type[Any]:
        """Import and return its class.

        Raises:
            ValueError: it has no voter.
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
        """Return a method's title, including methods on pseudo-labels and oracles.

        An unknown key is returned unchanged: Python code may name its voters freely.
        """
        if key.endswith(PSEUDO_SUFFIX):
            return f"{self.title(key.removesuffix(PSEUDO_SUFFIX))}+PL"
        row = self.get(key)
        if row is None and key.endswith(ORACLE_SUFFIX):
            return f"{self.title(key.removesuffix(ORACLE_SUFFIX))}, oracle"
        return key if row is None else row.title

    def all_keys(self) -> list[str]:
        """Return all keys that results may have: those of rows, oracles, and voters on pseudo-labels."""
        oracles = [f"{row.key}{ORACLE_SUFFIX}" for row in self if row.searches]
        pseudo = [f"{row.key}{PSEUDO_SUFFIX}" for row in self if row.voter is not None]
        return [*self.keys(), *oracles, *pseudo]

    def preferred(self) -> list[str]:
        """Return the keys of methods with a rank, in that order."""
        ranked = [row for row in self if row.rank is not None]
        return [row.key for row in sorted(ranked, key=lambda row: row.rank or 0)]


_CALM_SETTINGS = MappingProxyType({one.name: f"voter.{one.name}" for one in fields(CalmSettings)})


def _comparison(key: str, title: str, description: str, classifier: str, features: str) -> Method:
    """Make the row of a standard classifier."""
    own = classifier == "tip_adapter"
    return Method(
        key,
        title,
        description,
        Reads.HEADS if features == "best_head" else Reads(features),
        "calm_pl.voters:Comparison",
        MappingProxyType({"classifier": classifier, "features": features}),
        needs_heads=features == "best_head",
        package="" if own else "sklearn",
        extra="" if own else "compare",
    )


METHODS = MethodTable(
    [
        Method(
            "zero_shot",
            "zero-shot",
            "The model itself chooses, by option letters, option texts or generated words.",
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
            needs_heads=True,
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
            needs_heads=True,
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
            needs_heads=True,
        ),
        Method(
            "calm_auto",
            "CALM-Auto",
            "Mean of whitened heads, discriminant analysis and logistic regression; nothing to tune.",
            voter="calm_pl.voters:CalmAuto",
            stored=True,
            rank=1,
            head_map=3,
            needs_heads=True,
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
            "gda_transductive",
            "GDA, transductive",
            "GDA estimated from the support and the unlabelled query together.",
            needs=("gda",),
            transductive=True,
        ),
        Method(
            "head_gda",
            "after HEC",
            "Gaussian discriminants of single heads, ranked, the best ones together.",
            voter="calm_pl.voters:HeadGda",
            settings=MappingProxyType({"top_k": "voter.sav_top_k"}),
            stored=True,
            needs_heads=True,
        ),
        Method(
            "calm_auto_zero_shot",
            "CALM-Auto, zero-shot",
            "CALM-Auto with the model's own answers as a prior.",
            needs=("zero_shot", "calm_auto"),
            needs_heads=True,
        ),
        Method(
            "zero_shot_all_classes",
            "zero-shot, all classes",
            "A CLAP model's own choice among all classes, not only among the options.",
            needs_texts=True,
        ),
        Method(
            "tip_adapter_zero_shot",
            "Tip-Adapter",
            "A CLAP model's own choice among all classes, and the cache of the support.",
            needs=("tip_adapter",),
            needs_texts=True,
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
        _comparison(
            *("nearest_centroid_tower", "centroid, audio tower"),
            *("Nearest centroid of the pooled audio tower.", "nearest_centroid", "tower"),
        ),
        _comparison(
            *("logistic_regression_tower", "logistic, audio tower"),
            *("Logistic regression on the pooled audio tower.", "logistic_regression", "tower"),
        ),
        _comparison(
            *("knn_tower", "k-NN, audio tower", "Five nearest neighbours by the pooled audio tower."),
            *("knn", "tower"),
        ),
        _comparison(
            *("tip_adapter", "Tip-Adapter's cache", "Cache model of Tip-Adapter on all heads."),
            *("tip_adapter", "heads"),
        ),
        _comparison(
            *("tip_adapter_tower", "Tip-Adapter's cache, audio tower"),
            *("Cache model of Tip-Adapter on the pooled audio tower.", "tip_adapter", "tower"),
        ),
        Method(
            "gda_tower",
            "GDA, audio tower",
            "Gaussian discriminant analysis of the pooled audio tower.",
            Reads.TOWER,
            "calm_pl.voters:TowerGda",
        ),
        Method(
            "gda_with_tower",
            "GDA, heads and tower",
            "GDA with the pooled audio tower as further heads.",
            Reads.HEADS_AND_TOWER,
            "calm_pl.voters:GdaWithTower",
        ),
        Method(
            "calm_auto_with_tower",
            "CALM-Auto, heads and tower",
            "CALM-Auto with the pooled audio tower as further heads.",
            Reads.HEADS_AND_TOWER,
            "calm_pl.voters:CalmAutoWithTower",
        ),
    ]
)
