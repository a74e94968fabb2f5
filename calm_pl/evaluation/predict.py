"""Classify audio files with a stored classifier and the model it was fitted with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from calm_pl.errors import ModelError
from calm_pl.methods import METHODS
from calm_pl.models.clap_facts import is_clap
from calm_pl.progress import Progress

if TYPE_CHECKING:
    from calm_pl.data.questions.clips import Query
    from calm_pl.methods.classifier import Classifier
    from calm_pl.models import FrozenLALM


class Prediction(NamedTuple):
    """A classifier's prediction for a file.

    Attributes:
        path: the file.
        label: the predicted label; None if the file could not be read, or the classifier abstains.
        probabilities: probabilities by label, in class order.
        error: why the file could not be read.
        candidates: prediction set that contains the true label with the chosen coverage; None if not
            requested.
        odd: why little of the file is heard, kinds of `calm_pl.media.ODD_SOUND`; usually none.
        method: that of the classifier which predicted.
    """

    path: str
    label: str | None
    probabilities: dict[str, float]
    error: str | None = None
    candidates: tuple[str, ...] | None = None
    odd: tuple[str, ...] = ()
    method: str = ""

    @property
    def abstained(self) -> bool:
        """Whether the file was read, but its label was less probable than asked for."""
        return self.label is None and self.error is None


def require_prompt(classifier: Classifier, where: str = "the classifier") -> None:
    """Check that a classifier holds the prompt with which clips are classified.

    Args:
        classifier: the classifier.
        where: its file, for the message.

    Raises:
        ModelError: the prompt is missing or invalid.
    """
    from calm_pl.media import LONG_CLIPS

    lacking = classifier.lacking()
    if lacking:
        raise ModelError(
            f"{where}: has no {lacking[0]}, so it can only classify vectors, in Python. To classify files,"
            " fit a classifier with fit-free."
        )
    if classifier.prompt["long_clips"] not in LONG_CLIPS:
        raise ModelError(
            f"{where}: prompt.long_clips must be one of {', '.join(LONG_CLIPS)}, but is"
            f" {classifier.prompt['long_clips']!r}."
        )


def refuse_unknown_options(classifier: Classifier, random_options: bool = False) -> None:
    """Check that clips can be asked the question that the classifier was fitted with.

    With some of the classes as options, the right one among them, the question gives away part of the answer.
    Of an unlabelled clip nobody knows it, so its vectors are not those of the support.

    Args:
        classifier: with its prompt.
        random_options: accept options drawn at random instead.

    Raises:
        ModelError: it was fitted on such questions.
    """
    options, classes = classifier.prompt["n_options"], len(classifier.classes)
    if is_clap(classifier.model.get("identity", {})):  # it hears no question
        return
    if not random_options and 0 < options < classes:
        raise ModelError(
            f"This classifier was fitted on questions with {options} of {classes} classes as options, the"
            " right one among them, which nobody knows of an unlabelled clip. Fit one without options"
            " (data.n_options=0, as `train` does), or have options drawn at random (--random-options;"
            " random_options=True in Python): it is then less accurate than its results say."
        )


def choose_method(classifier: Classifier, method: str | None = None, coverage: bool = False) -> str:
    """Return the method to predict with: the requested one, or the preferred one that is available.

    Args:
        classifier: the classifier.
        method: the requested method; None for the preferred one.
        coverage: whether it must give prediction sets.

    Raises:
        ModelError: the classifier does not have the method, or the method gives no prediction sets.
    """
    preferred = [*METHODS.preferred(), *classifier.voters]  # voters with other names come last
    method = method or next(one for one in preferred if one in classifier.voters)
    if method not in classifier.voters:
        raise ModelError(f"The classifier has the methods {', '.join(classifier.voters)}, not {method!r}.")
    if coverage and not hasattr(classifier.voters[method], "prediction_sets"):
        raise ModelError(
            f"Prediction sets (--coverage) need a classifier with calm_auto or gda, not {method}: fit one"
            ' with fit-free "methods=[calm_auto]".'
        )
    return method


def matching_model(classifier: Classifier, path: str | None) -> FrozenLALM:
    """Load the model that a classifier was fitted with, with the same head mask if there was one.

    Raises:
        ModelError: the model or its prompt template differs from the classifier's.
    """
    import torch

    from calm_pl.models.clap import load_frozen
    from calm_pl.models.clap_facts import TEMPLATE
    from calm_pl.models.masks import HeadMask

    fitted = classifier.model["identity"]
    lalm = load_frozen(
        path or classifier.model["path"],
        dtype=fitted["dtype"],
        attn=fitted["attn"],
        last_n_tokens=fitted["last_n_tokens"],
        mask=HeadMask.from_code(fitted["mask"]) if "mask" in fitted else None,
        system_prompt=fitted.get("inputs", {}).get("system_prompt"),
        clap_template=fitted.get("inputs", {}).get("clap_template", TEMPLATE),
    )
    found = lalm.identity()
    differing = [key for key in fitted | found if fitted.get(key) != found.get(key)]
    if differing:
        what = ", ".join(f"{key} {found.get(key)!r} instead of {fitted.get(key)!r}" for key in differing)
        raise ModelError(
            f"The classifier was fitted with another model or prompt template: {lalm.path!r} has {what}."
        )
    return lalm.to("cuda" if torch.cuda.is_available() else "cpu")


def predict_files(
    classifier: Classifier,
    lalm: FrozenLALM,
    files: Sequence[str | Path],
    method: str | None = None,
    *,
    batch_size: int = 8,
    coverage: float | None = None,
    abstain: float = 0.0,
    random_options: bool = False,
) -> list[Prediction]:
    """Classify files, in their order.

    Args:
        classifier: from `load_classifier`.
        lalm: the model that it was fitted with; see `matching_model`.
        files: sound files.
        method: one of the classifier's methods; None for the preferred one.
        batch_size: clips per forward pass.
        coverage: also return prediction sets that contain the true label with this probability.
        abstain: return no label if its probability is lower than this.
        random_options: see `refuse_unknown_options`.

    Returns:
        One prediction per file; a file that cannot be read has an error instead of a label.

    Raises:
        ModelError: the classifier lacks the method, its prediction sets, or the prompt it was fitted with, or
            was fitted on questions that give away the answer; or `files` is a single path.
    """
    if isinstance(files, (str, Path)):
        raise ModelError(f"`files` must be a list of paths, but is {str(files)!r}: write [path].")
    method = choose_method(classifier, method, coverage is not None)
    require_prompt(classifier)
    refuse_unknown_options(classifier, random_options)
    import torch
    from torch.utils.data import DataLoader

    from calm_pl.data.loading.batches import ClipDataset, Collator, MediaRule
    from calm_pl.evaluation.encoding import encode_heads, without_bad

    voter = classifier.voters[method]
    queries = questions(classifier, [Path(file) for file in files])
    rule = MediaRule(lalm.preparer.sample_rate, lalm.preparer.max_seconds, classifier.prompt["long_clips"])
    loader = DataLoader(
        ClipDataset(queries, rule),
        batch_size=batch_size,
        collate_fn=Collator(queries, lalm.preparer, torch.tensor([batch_size])),
    )
    device = next(lalm.parameters()).device
    rows: dict[int, Prediction] = {}
    with closing(Progress("clips", len(files), "clips", brief=True)) as progress:
        for batch in loader:
            encoded = None
            if len(batch.index_N):
                encoded = without_bad(batch, encode_heads(lalm, batch.to(device), voter.num_read))
            for failure in batch.failures:
                path = str(files[failure.position])
                rows[failure.position] = Prediction(path, None, {}, failure.reason, method=method)
            if encoded is not None and len(batch.index_N):
                x_NHD = encoded.vectors_NHD
                decision = voter.vote(x_NHD)
                proba_NC = voter.probabilities(decision.scores_NC)
                sets_NC = None if coverage is None else voter.prediction_sets(x_NHD, coverage)  # type: ignore[attr-defined]
                for n, index in enumerate(batch.index_N.tolist()):
                    named = dict(zip(classifier.classes, proba_NC[n].tolist(), strict=True))
                    label = classifier.classes[int(decision.winner_N[n])]
                    inside = None if sets_NC is None else sets_NC[n].nonzero().flatten().tolist()
                    within = None if inside is None else tuple(classifier.classes[c] for c in inside)
                    odd = tuple(encoded.notes[n]["odd"])
                    rows[index] = Prediction(str(files[index]), label, named, None, within, odd, method)
            progress.reach(progress.done + len(batch.index_N) + len(batch.failures))
        progress.end()
    return [_abstained(rows[index], abstain) for index in range(len(files))]


def questions(classifier: Classifier, files: Sequence[Path]) -> list[Query]:
    """Return the question that the classifier was fitted with, about each file."""
    from calm_pl.data.questions.clips import Clip
    from calm_pl.data.questions.prompts import Questioner

    prompt = classifier.prompt
    ask = Questioner(
        classifier.classes,
        prompt["question"],
        prompt["n_options"],
        prompt["seed"],
        prompt["readable_labels"],
    ).ask
    return [ask(Clip(path.name, path, (), ()), None) for path in files]


def _abstained(row: Prediction, threshold: float) -> Prediction:
    """Return the prediction, without its label if that is less probable than the threshold."""
    sure = row.label is None or row.probabilities[row.label] >= threshold
    return row if sure else row._replace(label=None)
