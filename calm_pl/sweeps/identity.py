"""The identity of a table row, so that no job computes it twice."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from calm_pl import __version__
from calm_pl.data.questions.clips import Round
from calm_pl.data.questions.task import Task
from calm_pl.sweeps.points import Point
from calm_pl.voters import HeadVoter

Keys = Mapping[str, Mapping[int, str]]
"""Head bank keys of `support` and `query` clips, by position; they depend on sound, prompt and model."""


def round_facts(task: Task, zero_shot: str, one: Round, used: Sequence[int], keys: Keys) -> str:
    """Return a hash of what a round's results depend on besides the point.

    Args:
        task: classes and questions.
        zero_shot: how options are scored.
        one: the round.
        used: the round's support clips that are fitted.
        keys: keys of all clips that could be read.
    """
    facts = [
        *(__version__, task.classes, task.multi_label, task.positive, task.only_options, zero_shot),
        [(keys["support"][n], task.support[n].label) for n in used],
        [(keys["support"].get(n), task.support[n].label) for n in one.heldout],
        [(keys["query"][n], task.query[n].label) for n in one.query if n in keys["query"]],
        (one.fold, one.draw),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def point_hash(point: Point, voter: HeadVoter | None, facts: str, num_heads: int) -> str:
    """Return a row's hash: the method, its settings, a plugin's code and the round's facts."""
    settings = {} if voter is None else voter.get_params()
    if "top_k" in settings:  # more heads than the model has means all of them
        settings["top_k"] = min(settings["top_k"] or num_heads, num_heads)
    text = json.dumps([point.method, settings, facts, _foreign_code(voter)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _foreign_code(voter: HeadVoter | None) -> str:
    """Return a hash of a plugin's file, which has no version; empty for this package's voters."""
    if voter is None or type(voter).__module__.startswith("calm_pl."):
        return ""
    return hashlib.sha256(Path(inspect.getfile(type(voter))).read_bytes()).hexdigest()
