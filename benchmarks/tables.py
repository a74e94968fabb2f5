"""Tables of `docs/calm-auto-measurements.md` from the records, so that no number is copied by hand.

    python benchmarks/tables.py

Print them in the order of that page.
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
    names = {"calm": "CALM", "calm_loo": "CALM, loo", "gda": "GDA", "calm_auto": "CALM-Auto"}
    lines = [
        f"| clips | classes | heads | {' | '.join(names.values())} |",
        f"|---|---|---|{'---|' * len(names)}",
    ]
    for row in results("fit_time")["after"]["fits"].values():
        sizes = [f"{row[name]:,}" for name in ("clips", "classes", "heads")]
        cells = [f"{row[n]['cpu_s']:.1f} s, {row[n]['mib_above']} MiB" if n in row else "" for n in names]
        lines.append(f"| {' | '.join([*sizes, *cells])} |")
    return lines


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
    low, high = (100 * gap["interval"][end] for end in ("low", "high"))
    return f"{100 * gap['mean']:+.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    """Print all tables."""
    for lines in tables():
        print("\n".join(lines), end="\n\n")


if __name__ == "__main__":
    main()
