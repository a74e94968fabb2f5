"""How often 95 % intervals hold the truth: the jackknife of `calm_pl.metrics` and a percentile bootstrap.

    python benchmarks/interval_coverage.py --out benchmarks/results/interval_coverage.json

Each world has classes of unequal difficulty, each with its own confusions, so that the accuracy and Macro-F1
of endless query clips are known. From it come clips (those of one recording stand or fall together), draws of
the support (each with classes that it learned better or worse) and predictions. Two minutes on one core.

For metrics of scores, scores are normal: the equal error rate and the calibration error of endless clips
follow from their distribution, mean average precision from 100,000 clips or more.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.metrics import Predicted, jackknife_intervals
from calm_pl.metrics.average_precision import precision_left_out
from calm_pl.metrics.score_intervals import calibration_chance, eer_chance, precision_chance

METRICS = ("accuracy", "macro_f1")


class Size(NamedTuple):
    """A kind of query set.

    With speakers, each speaks `clips` clips of every class and is a cluster. Else each class has `clips`
    clips, in recordings of as many as is drawn from `recordings`.
    """

    classes: int
    clips: int
    recordings: tuple[int, ...] = (1,)
    draws: int = 1
    speakers: int = 0
    recall: float = 0.7


SIZES = {
    "10 x 6": Size(10, 6),
    "31 x 4": Size(31, 4),
    "50 x 8": Size(50, 8),
    "50 x 2": Size(50, 2),
    "309 x 3": Size(309, 3),
    "2 x 30": Size(2, 30),
    "10 x 40, recall 0.97": Size(10, 40, recall=0.97),
    "50 x 8, uneven recordings": Size(50, 8, (1, 1, 2, 4)),
    "10 x 6, uneven recordings": Size(10, 6, (1, 1, 2, 4)),
    "10 x 5, 6 speakers": Size(10, 5, speakers=6),
    "2 x 20, 20 speakers": Size(2, 20, speakers=20),
    "50 x 8, 10 draws": Size(50, 8, draws=10),
    "50 x 2, 10 draws": Size(50, 2, draws=10),
    "10 x 6, 3 draws": Size(10, 6, draws=3),
}


class World:
    """A query set's distribution: how often each class is recognised, and what it is else taken for."""

    def __init__(self, rng: np.random.Generator, size: Size) -> None:
        self.rng, self.size = rng, size
        classes = size.classes
        self.logit_C = logit(rng.beta(6 * size.recall, 6 * (1 - size.recall), classes).clip(0.01, 0.99))
        wrong_CC = rng.dirichlet(np.full(classes, 0.3), classes) * (1 - np.eye(classes)) + 1e-9
        np.fill_diagonal(wrong_CC, 0)
        self.wrong_CC = wrong_CC / wrong_CC.sum(1, keepdims=True)

    def moved(self, number: int) -> np.ndarray:
        """Shares of classes as other draws of the support, or other speakers, have them, (number, C)."""
        spread = 0.8 if self.size.speakers else 0.3 * (self.size.draws > 1)
        all_alike = self.rng.normal(0, spread, (number, 1))
        each = self.rng.normal(0, spread if not self.size.speakers else 0, (number, self.size.classes))
        return expit(self.logit_C + all_alike * (1 if self.size.speakers else 0.7) + 0.7 * each)

    def truth(self) -> dict[str, float]:
        """Accuracy and Macro-F1 of endless clips, over endless draws or speakers."""
        shares = self.moved(2_000 if self.size.speakers or self.size.draws > 1 else 1)
        if self.size.speakers:  # all in one confusion matrix
            shares = shares.mean(0, keepdims=True)
        taken = shares + (1 - shares) @ self.wrong_CC
        return {"accuracy": float(shares.mean()), "macro_f1": float((2 * shares / (1 + taken)).mean())}

    def predictions(self) -> Predicted:
        """Draw clips and predictions."""
        rng, (classes, clips, *_) = self.rng, self.size
        if self.size.speakers:
            label = np.tile(np.repeat(np.arange(classes), clips), self.size.speakers)
            cluster = np.repeat(np.arange(self.size.speakers), classes * clips)
            right = rng.random((len(label), 1)) < self.moved(self.size.speakers)[cluster, label][:, None]
        else:
            label, cluster = [], []
            for label_c in range(classes):
                while (missing := clips - label.count(label_c)) > 0:
                    of_one = min(missing, int(rng.choice(self.size.recordings)))
                    cluster += [(cluster[-1] + 1) if cluster else 0] * of_one
                    label += [label_c] * of_one
            label, cluster = np.array(label), np.array(cluster)
            # A recording is easy or hard for every draw.
            hard = np.sqrt(0.5) * rng.standard_normal(cluster[-1] + 1)[cluster, None]
            own = np.sqrt(0.5) * rng.standard_normal((len(label), self.size.draws))
            right = hard + own < probit(self.moved(self.size.draws)[:, label].T)
        guess = [(self.wrong_CC[label].cumsum(1) > rng.random((len(label), 1))).argmax(1) for _ in right.T]
        predicted = np.where(right, label[:, None], np.stack(guess, 1))
        return Predicted(label, predicted, np.arange(len(label)), np.zeros(len(label), dtype=int), cluster)


def logit(p: np.ndarray) -> np.ndarray:
    """Return log odds."""
    return np.log(p / (1 - p))


def expit(x: np.ndarray) -> np.ndarray:
    """Return what has these log odds."""
    return 1 / (1 + np.exp(-x))


def probit(p: np.ndarray) -> np.ndarray:
    """Return the normal quantile."""
    from scipy.special import ndtri

    return ndtri(p)


def percentile(a: Predicted, classes: int, rng: np.random.Generator, resamples: int) -> dict[str, np.ndarray]:
    """Percentile bootstrap over clusters and draws."""
    clusters, draws = int(a.cluster_Q.max()) + 1, a.predicted_QD.shape[1]
    times_RQ = rng.multinomial(clusters, np.full(clusters, 1 / clusters), resamples)[:, a.cluster_Q].astype(
        float
    )
    draw_RD = rng.multinomial(draws, np.full(draws, 1 / draws), resamples) / draws
    truth_QC = np.eye(classes)[a.label_Q]
    found = {metric: np.zeros(resamples) for metric in METRICS}
    for guess_Q, share_R in zip(a.predicted_QD.T, draw_RD.T, strict=True):
        right_Q = (guess_Q == a.label_Q).astype(float)
        hits_RC = times_RQ @ (truth_QC * right_Q[:, None])
        ends_RC = times_RQ @ (truth_QC + np.eye(classes)[guess_Q])
        f1_RC = np.divide(2 * hits_RC, ends_RC, out=np.zeros_like(hits_RC), where=ends_RC > 0)
        found["macro_f1"] += share_R * f1_RC.sum(1) / (ends_RC > 0).sum(1)
        found["accuracy"] += share_R * (times_RQ @ right_Q) / times_RQ.sum(1)
    return {metric: np.quantile(values, [0.025, 0.975]) for metric, values in found.items()}


class ScoreSize(NamedTuple):
    """A simulated query set for metrics of scores.

    Attributes:
        metric: eer, map or ece.
        first: positives of eer; classes of map and ece.
        second: negatives of eer; clips of map and ece.
        recording: clips of one recording.
        draws: support draws.
        strength: separation of the classes in standard deviations; overconfidence of ece.
    """

    metric: str
    first: int
    second: int
    recording: int = 1
    draws: int = 1
    strength: float = 2.0


SCORE_SIZES = {
    "EER, 25 + 225 clips": ScoreSize("eer", 25, 225, strength=1.5),
    "EER, 60 + 540 clips": ScoreSize("eer", 60, 540, strength=2.5),
    "EER, 60 + 540 clips, 6 of a recording": ScoreSize("eer", 60, 540, 6),
    "EER, 200 + 1800 clips": ScoreSize("eer", 200, 1800, strength=3.0),
    "EER, 60 + 540 clips, 10 draws": ScoreSize("eer", 60, 540, 10, 10),
    "mAP, 10 classes, 100 clips": ScoreSize("map", 10, 100, strength=1.5),
    "mAP, 50 classes, 400 clips": ScoreSize("map", 50, 400),
    "mAP, 10 classes, 200 clips, 5 of a recording": ScoreSize("map", 10, 200, 5, strength=1.5),
    "mAP, 20 classes, 200 clips, 5 draws": ScoreSize("map", 20, 200, 1, 5, strength=1.5),
    "ECE 0, 60 clips": ScoreSize("ece", 10, 60, strength=0.0),
    "ECE, 60 clips": ScoreSize("ece", 10, 60, strength=0.3),
    "ECE, 400 clips": ScoreSize("ece", 10, 400, strength=0.1),
    "ECE, 300 clips, 6 speakers": ScoreSize("ece", 10, 300, 50, strength=0.2),
    "ECE, 100 clips, 10 draws": ScoreSize("ece", 50, 100, 2, 10, strength=0.1),
}


def score_world(size: ScoreSize, rng: np.random.Generator, clips: int | None = None) -> float | Any:
    """Draw clips and return the interval of the metric; its value on endless clips if `clips` is given."""
    of_recording, of_draw = 0.6, 0.3 if size.draws > 1 else 0.0
    draws = size.draws if clips is None else 400
    if size.metric == "eer":
        moved_D = size.strength + of_draw * rng.standard_normal(draws)
        if clips is not None:
            from scipy.special import ndtr

            return float(ndtr(-moved_D / 2 / np.sqrt(1 + of_recording**2)).mean())
        truth_Q = np.arange(size.first + size.second) < size.first
        cluster_Q = np.arange(len(truth_Q)) // size.recording + 10**6 * truth_Q
        own_Q = np.sqrt(0.5) * rng.standard_normal(len(truth_Q))
        own_Q += (
            of_recording * rng.standard_normal(len(truth_Q))[np.unique(cluster_Q, return_inverse=True)[1]]
        )
        noise_QD = np.sqrt(0.5) * rng.standard_normal((len(truth_Q), draws))
        score_QD = truth_Q[:, None] * moved_D + own_Q[:, None] + noise_QD
        return eer_chance(score_QD, truth_Q, np.zeros(len(truth_Q), dtype=int), cluster_Q).both
    if size.metric == "map":
        number, draws = (size.second, size.draws) if clips is None else (clips, 1)
        if clips is not None and of_draw:
            number, draws = clips // 20, 100
        cluster_N = np.arange(number) // size.recording
        # Classes differ in how often they occur, and clips of a recording are alike in all of them.
        often_C = np.linspace(0.05, 0.3, size.first)
        truth_NC = rng.random((number, size.first)) < often_C
        own_NC = of_recording * rng.standard_normal((cluster_N[-1] + 1, size.first))[cluster_N]
        own_NC += np.sqrt(0.5) * rng.standard_normal(truth_NC.shape)
        points, without = [], []
        for _ in range(draws):
            moved_C = size.strength + of_draw * rng.standard_normal(size.first)
            score_NC = truth_NC * moved_C + own_NC + np.sqrt(0.5) * rng.standard_normal(truth_NC.shape)
            points.append(average_precision(score_NC, truth_NC))
            if clips is None:
                moved_N = precision_left_out(score_NC, truth_NC) - points[-1]
                without.append(points[-1] + np.bincount(cluster_N, moved_N))
        if clips is not None:
            return float(np.mean(points))
        return precision_chance(np.array([points]), [np.array(without)], number).both
    number = size.second if clips is None else clips
    draws = size.draws if clips is None else 1
    least = 1 / size.first
    confidence_QD = rng.beta(4, 2, (number, draws)) * (1 - least) + least
    chance_QD = least + (confidence_QD - least) * (1 - size.strength)
    if clips is not None:
        bin_Q = np.ceil(confidence_QD[:, 0] * 15).astype(int)
        return float(np.abs(np.bincount(bin_Q, (confidence_QD - chance_QD)[:, 0])).sum() / number)
    cluster_Q = np.arange(number) // size.recording
    easy_QD = np.sqrt(0.5) * rng.standard_normal(cluster_Q[-1] + 1)[cluster_Q, None]
    easy_QD = easy_QD + np.sqrt(0.5) * rng.standard_normal((number, draws))
    return calibration_chance(confidence_QD, easy_QD < probit(chance_QD), cluster_Q).both


def average_precision(score_NC: np.ndarray, truth_NC: np.ndarray) -> float:
    """Mean average precision over the classes that occur."""
    found = []
    for score_N, truth_N in zip(score_NC.T, truth_NC.T, strict=True):
        if truth_N.any():
            hits_N = truth_N[np.argsort(-score_N, kind="stable")]
            found.append((hits_N.cumsum() / np.arange(1, len(hits_N) + 1))[hits_N].mean())
    return float(np.mean(found))


def score_coverage(size: ScoreSize, worlds: int) -> list[float]:
    """How often the interval holds the truth, and how wide it is."""
    rng = np.random.default_rng(0)
    truth = score_world(size, rng, 100_000)
    rows = []
    for _ in range(worlds):
        low, high = score_world(size, rng)
        rows.append((low <= truth <= high, high - low))
    return [round(float(value), 4) for value in np.mean(rows, axis=0)]


def coverage(size: Size, worlds: int, resamples: int) -> dict[str, dict[str, list[float]]]:
    """Return, by kind of interval and metric, how often it holds the truth and how wide it is."""
    rng = np.random.default_rng(0)
    held: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for _ in range(worlds):
        world = World(rng, size)
        truth, predictions = world.truth(), world.predictions()
        jackknife = {name: one.both for name, one in jackknife_intervals(predictions, size.classes).items()}
        kinds = {"percentile": percentile(predictions, size.classes, rng, resamples), "jackknife": jackknife}
        for kind, intervals in kinds.items():
            for metric in METRICS:
                low, high = intervals[metric]
                held.setdefault((kind, metric), []).append((low <= truth[metric] <= high, high - low))
    found: dict[str, dict[str, list[float]]] = {}
    for (kind, metric), rows in held.items():
        found.setdefault(metric, {})[kind] = [round(float(x), 4) for x in np.mean(rows, axis=0)]
    return found


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=400, help="of each size (default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=300, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only-scores", action="store_true", help="keep what the record has of the others")
    args = parser.parse_args()
    results = json.loads(args.out.read_text())["results"] if args.only_scores else {}
    for name, size in SCORE_SIZES.items():
        results[name] = {size.metric: {"jackknife": score_coverage(size, args.worlds)}}
        print(name, json.dumps(results[name]), flush=True)
    if args.only_scores:
        SIZES.clear()
    for name, size in SIZES.items():
        results[name] = coverage(size, args.worlds // (4 if size.classes > 100 else 1), args.resamples)
        print(name, json.dumps(results[name]), flush=True)
    record = {
        "what": "by size and metric: share of intervals that hold the truth, and their mean width",
        "worlds": args.worlds,
        "date": datetime.date.today().isoformat(),
        "machine": platform.processor() or platform.machine(),
        "numpy": np.__version__,
        "results": results,
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
