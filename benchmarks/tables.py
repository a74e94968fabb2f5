"""Tables of `docs/calm-auto-measurements.md`, `control-rows.md` and `head-control.md`, made from the records.

    python benchmarks/tables.py

Print them in the order of these pages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SETS = {
    "esc10_folds": "ESC-10",
    "fsdd_unseen": "FSDD, unseen speakers",
    "spoof": "spoofed digits",
    "esc10_mixes": "mixed clips",
    "needle_esc10": "ESC-10, few informative heads",
    "needle_fsdd": "FSDD, few informative heads",
}
AGAINST = {
    "sav": "SAVs",
    "calm_global": "CALM-Global",
    "calm": "CALM",
    "gda": "GDA",
    "logistic_heads": "logistic regression",
}
RAW = ("sav", "calm_global", "calm", "calm_global_calibrated", "calm_calibrated", "gda", "calm_auto")


def results(name: str) -> dict[str, Any]:
    """Entries of a record by `model|options|division|shots`."""
    return json.loads((RESULTS / f"{name}.json").read_text())["results"]


def differences(model: str) -> list[str]:
    """CALM-Auto's accuracy and its paired differences, a line per set and number of shots."""
    lines = [
        f"| set, shots | CALM-Auto | {' | '.join(f'minus {name}' for name in AGAINST.values())} |",
        f"|---|---|{'---|' * len(AGAINST)}",
    ]
    for key, entry in results("methods").items():
        of_model, _, division, shots = key.split("|")
        if of_model == model:
            cells = [f"{100 * entry['calm_auto']['accuracy']['mean']:.1f}"]
            cells += [_points(entry["calm_auto_minus"].get(name)) for name in AGAINST]
            lines.append(f"| {SETS[division]}, {shots.split()[0]} | {' | '.join(cells)} |")
    return lines


def calibrations() -> list[str]:
    """Expected calibration error of every method, and the coverage of CALM-Auto's prediction sets at 0.9."""
    names = ("SAVs", "CALM-Global", "CALM", "CALM-Global, loo", "CALM, loo", "GDA", "CALM-Auto")
    lines = [f"| set, shots | {' | '.join(names)} | coverage (labels) |", f"|---|{'---|' * (len(names) + 1)}"]
    for key, entry in results("calibration").items():
        _, _, division, shots = key.split("|")
        cells = [f"{entry[name]['calibration']['ece']:.3f}" for name in RAW]
        sets = entry["calm_auto"]["sets"]
        cells.append(f"{sets['coverage']:.2f} ({sets['mean_size']:.1f})")
        lines.append(f"| {SETS[division]}, {shots.split()[0]} | {' | '.join(cells)} |")
    return lines


CHOSEN = {
    "calm_global": "CALM-Global",
    "calm_global_loo": "loo",
    "calm_global_oracle": "oracle",
    "calm": "CALM",
    "calm_loo": "loo",
    "calm_oracle": "oracle",
    "calm_auto": "CALM-Auto",
}
COMPARED = {
    "calm_auto": "CALM-Auto",
    "logistic_heads": "logistic regression, all heads",
    "logistic_best_head": "best head",
    "logistic_hidden": "hidden state",
    "centroid_heads": "nearest centroid, all heads",
    "centroid_best_head": "best head",
    "centroid_hidden": "hidden state",
    "knn_heads": "k-NN, all heads",
}


NEEDLE = {one: AGAINST.get(one, "CALM-Auto") for one in ("sav", "calm_global", "calm", "gda", "calm_auto")}


def accuracies(record: str, names: dict[str, str]) -> list[str]:
    """Accuracy in percent of some methods of a record with its interval, a line per set and shots."""
    lines = [f"| set, shots | {' | '.join(names.values())} |", f"|---|{'---|' * len(names)}"]
    for key, entry in results(record).items():
        _, _, division, shots = key.split("|")
        cells = [_accuracy(entry[name]["accuracy"]) for name in names]
        lines.append(f"| {SETS[division]}, {shots.split()[0]} | {' | '.join(cells)} |")
    return lines


def left_out() -> list[str]:
    """Accuracy on held-out support clips, both ways, and on new clips."""
    lines = [
        "| set, shots | one clip held out | one of each class held out | new clips |",
        "|---|---|---|---|",
    ]
    for key, entry in results("left_out").items():
        division, shots = key.split("|")
        cells = [f"{100 * value:.1f}" for value in entry.values()]
        lines.append(f"| {SETS[division]}, {shots.split()[0]} | {' | '.join(cells)} |")
    return lines


def priors() -> list[str]:
    """CALM-Auto with and without zero-shot answers as a prior."""
    lines = [
        "| set, shots | zero-shot | CALM-Auto | with zero-shot | gain |",
        "|---|---|---|---|---|",
    ]
    for key, entry in results("zero_shot_prior").items():
        name, shots = key.split("|")
        cells = [f"{100 * entry[one]:.1f}" for one in ("zero_shot", "calm_auto", "calm_auto_zero_shot")]
        gain, low, high = (100 * value + 0.0 for value in entry["gain"])
        cells.append(f"{gain:+.1f} [{low:.1f}, {high:.1f}]")
        lines.append(f"| {name}, {shots.split()[0]} | {' | '.join(cells)} |")
    return lines


def fit_times() -> list[str]:
    """CPU seconds of fits on random vectors of heads of 128, and memory above the support."""
    names = {
        "calm": "CALM",
        "calm_loo": "CALM, loo",
        "calm_select": "CALM, select=loo",
        "gda": "GDA",
        "calm_auto": "CALM-Auto",
    }
    lines = [
        f"| clips | classes | heads | {' | '.join(names.values())} |",
        f"|---|---|---|{'---|' * len(names)}",
    ]
    for row in results("fit_time")["after"]["fits"].values():
        sizes = [f"{row[name]:,}" for name in ("clips", "classes", "heads")]
        cells = [f"{row[n]['cpu_s']:.1f} s, {row[n]['mib_above']} MiB" if n in row else "" for n in names]
        lines.append(f"| {' | '.join([*sizes, *cells])} |")
    return lines


HEADS = {
    "calm": "CALM",
    "head_gda": "after HEC",
    "tip_adapter": "Tip-Adapter's cache",
    "knn": "k-NN",
    "gda": "GDA",
    "calm_auto": "CALM-Auto",
}
TOWER = {
    "nearest_centroid_tower": "nearest centroid",
    "knn_tower": "k-NN",
    "tip_adapter_tower": "Tip-Adapter's cache",
    "gda_tower": "GDA",
}
BOTH = {"gda_with_tower": "GDA", "calm_auto_with_tower": "CALM-Auto"}
GAPS = {
    "calm - nearest_centroid_tower": "CALM − nearest centroid of the tower",
    "gda - gda_tower": "GDA: heads − tower",
    "gda_with_tower - gda": "GDA: both − heads",
    "gda_with_tower - gda_tower": "GDA: both − tower",
    "calm_auto_with_tower - calm_auto": "CALM-Auto: both − heads",
}
KINDS = ("fair", "skewed", "two classes", "ten clips")
MODELS = {"bundled:plain_lalm": "plain", "bundled:tiny_lalm": "bundled", "random": "random"}


def _of_control_rows(table: str, record: str = "control_rows") -> list[tuple[str, dict[str, Any]]]:
    """Label and entry of each line of one table, in the order of models, sets and shots."""
    found = []
    for key, entry in results(record).items():
        of_table, model, division, shots = key.split("|")
        if of_table == table:
            number = int(shots.split()[0])
            place = (list(MODELS).index(model), list(SETS).index(division), number)
            found.append((place, f"{MODELS[model]}, {SETS[division]}, {number}", entry))
    return [(label, entry) for _, label, entry in sorted(found, key=lambda one: one[0])]


def control_accuracies() -> list[str]:
    """Accuracy of methods on heads, on the tower and on both."""
    groups = (("heads", HEADS), ("tower", TOWER), ("both", BOTH))
    names = [(key, f"{title}, {group}") for group, some in groups for key, title in some.items()]
    lines = [
        f"| model, set, shots | {' | '.join(title for _, title in names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for label, entry in _of_control_rows("tower"):
        cells = [f"{100 * entry['accuracy'][key]['mean']:.1f}" for key, _ in names]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def control_gaps() -> list[str]:
    """Paired differences between heads, tower and both."""
    lines = [f"| model, set, shots | {' | '.join(GAPS.values())} |", f"|---|{'---|' * len(GAPS)}"]
    for label, entry in _of_control_rows("tower"):
        cells = [_points(entry["differences"][key]) for key in GAPS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def control_costs() -> list[str]:
    """CPU time of a fit, in milliseconds."""
    names = HEADS | {"gda_tower": "GDA, tower", "calm_auto_with_tower": "CALM-Auto, both"}
    lines = [f"| model, set, shots | {' | '.join(names.values())} |", f"|---|{'---|' * len(names)}"]
    for label, entry in _of_control_rows("tower"):
        if label.startswith("bundled"):
            cells = [f"{entry['fit_cpu_ms'][key]:.0f}" for key in names]
            lines.append(f"| {label.removeprefix('bundled, ')} | {' | '.join(cells)} |")
    return lines


def transductive_gains() -> list[str]:
    """What looking at the query as a whole adds to GDA, by kind of query."""
    heads = [f"{kind}: gain" for kind in KINDS]
    lines = [
        f"| model, set, shots | GDA | {' | '.join(heads)} | CPU ms |",
        f"|---|---|{'---|' * (len(KINDS) + 1)}",
    ]
    for label, entry in _of_control_rows("transductive"):
        cells = [f"{100 * entry['fair']['gda']:.1f}"]
        for kind in KINDS:
            gain, (low, high) = entry[kind]["gain"], entry[kind]["interval"]
            cells.append(_points({"mean": gain, "interval": {"low": low, "high": high}}))
        lines.append(f"| {label} | {' | '.join(cells)} | {entry['cpu_ms']:.0f} |")
    return lines


def control_tables() -> list[list[str]]:
    """All tables of `docs/control-rows.md`, in its order."""
    return [control_accuracies(), control_gaps(), control_costs(), transductive_gains()]


WEIGHTINGS = {
    "best_head": "best head",
    "sav": "SAVs",
    "equal_votes": "all heads, one vote each",
    "equal_weights": "all heads, equal weights",
    "calm_global": "CALM-Global",
    "calm": "CALM",
    "calm_sharp": "CALM, τ_w = 0.1",
    "gda": "GDA",
    "calm_auto": "CALM-Auto",
}
WEIGHTING_GAPS = {
    "equal_weights - best_head": "equal weights − best head",
    "calm - equal_weights": "CALM − equal weights",
    "calm - calm_global": "CALM − CALM-Global",
    "calm_sharp - calm_global_sharp": "the same, τ_w = 0.1",
    "calm - sav": "CALM − SAVs",
    "sav - equal_votes": "SAVs − one vote each",
    "calm_auto - calm": "CALM-Auto − CALM",
    "calm_auto - gda": "CALM-Auto − GDA",
}
SPARSE = {"calm": "CALM", "calm_global": "CALM-Global", "sav": "SAVs"}
SHARES = ("5", "10", "20", "30", "40", "50", "70", "100")
DIFFERING = {
    "same": "same class",
    "other": "other class",
    "gap": "difference",
    "p_value": "p",
    "own_share": "share of head × class",
    "strongest_same": "same strongest head",
    "strongest_other": "that of another class",
    "strongest_heads": "strongest heads",
    "effective_heads": "effective heads",
}


def head_accuracies() -> list[str]:
    """Accuracy of ways to weight the same heads."""
    lines = [
        f"| model, set, shots | {' | '.join(WEIGHTINGS.values())} |",
        f"|---|{'---|' * len(WEIGHTINGS)}",
    ]
    for label, entry in _of_control_rows("methods", "head_control"):
        found = entry["accuracy"]
        cells = [f"{100 * found[key]['mean']:.1f}" if key in found else "—" for key in WEIGHTINGS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def head_gaps() -> list[str]:
    """Paired differences between ways to weight the same heads."""
    lines = [
        f"| model, set, shots | {' | '.join(WEIGHTING_GAPS.values())} |",
        f"|---|{'---|' * len(WEIGHTING_GAPS)}",
    ]
    for label, entry in _of_control_rows("methods", "head_control"):
        cells = [_points(entry["differences"].get(key)) for key in WEIGHTING_GAPS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def heads_kept(method: str) -> list[str]:
    """Accuracy by percent of heads kept, and what half and a third of them lose against all."""
    lines = [
        f"| {SPARSE[method]}: model, set, shots | {' | '.join(f'{one} %' for one in SHARES)}"
        " | 30 % − all | 50 % − all |",
        f"|---|{'---|' * (len(SHARES) + 2)}",
    ]
    for label, entry in _of_control_rows("sparsity", "head_control"):
        of_share = entry[method]
        cells = [f"{100 * of_share[share]['accuracy']:.1f}" for share in SHARES]
        cells += [_points(of_share[share]["minus_all"]) for share in ("30", "50")]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def head_differences() -> list[str]:
    """Alikeness of heads' reliabilities between halves of the clips, for the same class and for others."""
    lines = [
        f"| model, set, clips per class | {' | '.join(DIFFERING.values())} |",
        f"|---|{'---|' * len(DIFFERING)}",
    ]
    for label, entry in _of_control_rows("differ", "head_control"):
        where, shots = label.rsplit(", ", 1)
        cells = []
        for key in DIFFERING:
            value, low, high = (entry[key][end] + 0.0 for end in ("mean", "low", "high"))
            if key == "gap":
                cells.append(f"{value:.2f} [{low:.2f}, {high:.2f}]")
            elif key == "p_value":
                cells.append(f"{value:.3f}")
            elif key in ("same", "other"):
                cells.append(f"{value:.2f}")
            elif key == "strongest_heads":
                cells.append(f"{value:.1f}")
            else:
                cells.append(f"{100 * value:.0f} %")
        lines.append(f"| {where}, {'half' if shots == '0' else shots} | {' | '.join(cells)} |")
    return lines


def head_tables() -> list[list[str]]:
    """All tables of `docs/head-control.md`, in its order."""
    return [head_differences(), head_accuracies(), head_gaps(), *(heads_kept(method) for method in SPARSE)]


def tables() -> list[list[str]]:
    """All tables in the order of the page."""
    return [
        differences("bundled:tiny_lalm"),
        differences("random"),
        accuracies("needle", NEEDLE),
        left_out(),
        calibrations(),
        accuracies("selection", CHOSEN),
        accuracies("comparisons", COMPARED),
        priors(),
        fit_times(),
    ]


def _accuracy(found: dict[str, Any]) -> str:
    low, high = (100 * found["interval"][end] for end in ("low", "high"))
    return f"{100 * found['mean']:.1f} [{low:.1f}, {high:.1f}]"


def _points(gap: dict[str, Any] | None) -> str:
    if gap is None:
        return "—"
    low, high = (100 * gap["interval"][end] + 0.0 for end in ("low", "high"))
    return f"{100 * gap['mean'] + 0.0:+.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    """Print all tables."""
    for lines in [*tables(), *control_tables(), *head_tables()]:
        print("\n".join(lines), end="\n\n")


if __name__ == "__main__":
    main()
