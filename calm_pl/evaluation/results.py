"""Results of a run, as in `results.json`."""

from __future__ import annotations

import math
from typing import Any

from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.questions.counting import clip_ids
from calm_pl.data.questions.task import Task
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.evaluation.odd_clips import counts, kinds_of, odd_clips
from calm_pl.evaluation.predictions import by_subset, calibration_error
from calm_pl.evaluation.pseudo_labelled import pseudo_fit
from calm_pl.functional.selection import Setting
from calm_pl.methods.table import METHODS, ORACLE_SUFFIX
from calm_pl.metrics import MethodResult
from calm_pl.pseudo.reporting import summary


def results_of(module: FitFreeModule, data: FewShotDataModule | None) -> dict[str, Any]:
    """Return metrics, intervals, differences and counts after test, as plain values for JSON."""
    support, query = module.support_coverage, module.query_coverage
    pseudo = pseudo_fit(module.sources)
    odd = odd_clips(module.task, support, query)
    return {
        "classes": list(module.task.classes),
        "methods": {
            name: _method(result, module.task)
            # Five digits: the last bits of confidences depend on batches and ranks.
            | {"ece": round(calibration_error(module.task, module.predictions, m), 5)}
            | _failures(name, result, module)
            | _settings(name, module)
            | _transductive(name)
            for m, (name, result) in enumerate(module.results.items())
        },
        "positive": None if module.task.positive is None else module.task.classes[module.task.positive],
        "heads": _heads(module),
        "n_support": support.used,
        "n_query": query.used,
        "n_skipped": len(support.failures) + len(query.failures),
        **clip_counts(module),
        "n_classifier_clips": len(
            clip_ids(
                module.task.support,
                set(module.stored_support) - {failure.position for failure in support.failures},
            )
        ),
        "n_odd": len(kinds_of(odd)),
        "odd_sound": counts(odd),
        "n_missing": 0 if data is None else len(data.missing),
        "limited": None if data is None else data.settings.limit,
        "setting": _setting(module.task, data),
        "notes": [] if data is None else list(data.notes),
        "differences": [
            {
                "better": one.better,
                "worse": one.worse,
                "difference": round(one.difference, 6),
                "ci95": list(one.interval),
                "significant": one.significant,
                "p_value": one.p_value,
                "p_mcnemar": one.p_mcnemar,
            }
            for one in module.differences
        ],
        "self_check": _self_check(module),
        **_breakdown(module),
        **({} if pseudo is None else {"pseudo_labels": summary(pseudo)}),
    }


def _setting(task: Task, data: FewShotDataModule | None) -> dict[str, Any]:
    """Return what was evaluated, as far as it is known."""
    found = {"n_classes": len(task.classes), "n_folds": len(task.folds), "n_draws": task.num_draws}
    if data is None:
        return found
    settings, facts = data.settings, data.benchmark.facts
    full = {"full_classes": facts.classes, "full_clips": facts.clips} if facts.clips else {}
    return {
        "title": facts.title,
        **found,
        "n_clips": len(data.read().clips),
        **full,
        "shots": settings.shots,
        "n_options": settings.n_options,
        "fold": settings.fold,
    }


def clip_counts(module: FitFreeModule) -> dict[str, int]:
    """Return numbers of clips; one that is asked twice, or is on both sides in turn, counts once."""
    task = module.task
    sides = ((task.support, module.support_coverage), (task.query, module.query_coverage))
    skipped = [clip_ids(some, (one.position for one in found.failures)) for some, found in sides]
    used = [clip_ids(some) - gone for (some, _), gone in zip(sides, skipped, strict=True)]
    cut = [clip_ids(some, found.cut) for some, found in sides]
    return {
        "n_support_clips": len(used[0]),
        "n_query_clips": len(used[1]),
        "n_skipped_clips": len(skipped[0] | skipped[1]),
        "n_cut": len(cut[0] | cut[1]),
    }


def _method(result: MethodResult, task: Task) -> dict[str, Any]:
    """Return a method's entry: means, intervals and, with several rounds, their spread and each round."""
    entry: dict[str, Any] = {
        **{metric: _number(value) for metric, value in result.values.items()},
        "ci95": {metric: list(ends) for metric, ends in result.ci95.items()},
        "n": result.n,
    }
    if len(task.rounds) > 1:
        entry["ci95_parts"] = {
            metric: {"clips": list(chance.clips), "draws": chance.draws and list(chance.draws)}
            for metric, chance in result.ci95_parts.items()
        }
        entry["sd"] = {
            metric: {over: _number(value) for over, value in spread._asdict().items()}
            for metric, spread in result.spread.items()
        }
        each = [one for fold in result.rounds for one in fold]
        entry["rounds"] = [
            {
                "fold": place.fold or None,
                "draw": place.draw,
                **{metric: _number(value) for metric, value in one.values.items()},
                "n": one.n,
            }
            for place, one in zip(task.rounds, each, strict=True)
        ]
    return entry


def _failures(name: str, result: MethodResult, module: FitFreeModule) -> dict[str, Any]:
    """Return how zero-shot answered, and the share of generated answers that named no option."""
    mode = module.contenders[module.methods.index(name)].scored_by
    if mode is None:
        return {}
    unparsed = result.confusion_CC[:, len(module.task.classes) :].sum() / result.n
    return {"answered_by": mode, "parse_failure_rate": round(float(unparsed), 6)}


def _settings(name: str, module: FitFreeModule) -> dict[str, Any]:
    """Return which settings were selected in each round, and on which clips, if any."""
    rounds = module.fitted.get(name, [])
    oracle = name.endswith(ORACLE_SUFFIX)
    if not rounds or not (oracle or rounds[0].get_params().get("select") == "loo"):
        return {}
    chosen = [[voter.fitted_params()[key] for key in Setting._fields] for voter in rounds]
    return {
        "chosen_on": "query" if oracle else "support",
        "settings": [dict(zip(Setting._fields, values, strict=True)) for values in chosen],
    }


def _transductive(name: str) -> dict[str, Any]:
    """Return the mark of a method that looks at the query as a whole."""
    row = METHODS.get(name)
    return {"transductive": True} if row is not None and row.transductive else {}


def _breakdown(module: FitFreeModule) -> dict[str, Any]:
    """Return the results of each subset, if the benchmark has any."""
    kind = module.task.by_subset
    if kind is None or not any(module.task.subset_Q):
        return {}
    results = {name: by_subset(module.task, module.predictions, m) for m, name in enumerate(module.methods)}
    subsets = next(iter(results.values()))
    return {
        "breakdown": {
            "by": kind,
            "subsets": {
                subset: {
                    "n": subsets[subset].n,
                    **{
                        name: {"accuracy": round(parts[subset].accuracy, 6), "eer": parts[subset].eer}
                        for name, parts in results.items()
                    },
                }
                for subset in subsets
            },
        }
    }


def _self_check(module: FitFreeModule) -> dict[str, Any] | None:
    """Return the results of the model's checks; None if they were off, or all clips were cached."""
    found = getattr(module.lalm, "self_check", None)
    return None if found is None else {**found.hearing._asdict(), **found.invariance._asdict()}


def _heads(module: FitFreeModule) -> dict[str, int]:
    """Return the numbers that locate a head from its layer-major index."""
    layout = module.lalm.layout
    return {
        "layers": layout.num_layers,
        "heads_per_layer": layout.heads_per_layer,
        "head_dim": layout.head_dim,
    }


def _number(value: float | None) -> float | None:
    """Return a number, or None for NaN, which JSON does not have."""
    return None if value is None or math.isnan(value) else value
