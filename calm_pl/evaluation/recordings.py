"""Label a long recording with times: windows are classified, and neighbouring ones with one label merged."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from calm_pl.errors import BadClipError, ModelError
from calm_pl.evaluation.predict import choose_method, questions, refuse_unknown_options, require_prompt

if TYPE_CHECKING:
    from torch import Tensor

    from calm_pl.media.windows import Window
    from calm_pl.methods.classifier import Classifier
    from calm_pl.models import FrozenLALM

_SLIVER = 1e-3  # seconds, below which a section is only a rounding error


class Section(NamedTuple):
    """A stretch of a recording, as long as the windows' hop; the last one may be shorter.

    Attributes:
        start: in seconds.
        stop: in seconds.
        label: the most probable one; None below the threshold, or where nothing is heard.
        probability: of the most probable label, averaged over the windows that cover the section's middle;
            NaN where it is silent.
    """

    start: float
    stop: float
    label: str | None
    probability: float

    @property
    def silent(self) -> bool:
        """Whether it is digitally silent, and was not shown to the model."""
        return self.probability != self.probability


class Event(NamedTuple):
    """Neighbouring sections with one label.

    Attributes:
        start: in seconds.
        stop: in seconds.
        label: the label.
        probability: mean of the sections', weighted by their lengths.
    """

    start: float
    stop: float
    label: str
    probability: float


def label_recording(
    classifier: Classifier,
    lalm: FrozenLALM,
    path: str | Path,
    method: str | None = None,
    *,
    window: float = 5.0,
    hop: float | None = None,
    batch_size: int = 8,
    abstain: float = 0.0,
    random_options: bool = False,
) -> Iterator[Section]:
    """Label a recording of any length, section after section; see `events` to merge them.

    Windows of `window` seconds begin every `hop` seconds. Each section of `hop` seconds has the mean of the
    probabilities of the windows that cover its middle. What is digitally silent has no label.
    The recording is read as it is labelled, in a process of its own: memory does not grow with its length.

    Args:
        classifier: from `load_classifier`, fitted on clips about as long as a window.
        lalm: the model that it was fitted with; see `matching_model`.
        path: the recording.
        method: one of the classifier's methods; None for the preferred one.
        window: seconds heard at a time, at most the model's window.
        hop: seconds from one window to the next, at most `window`; half of it if None.
        batch_size: windows per forward pass.
        abstain: give no label if its probability is lower than this: for sound that is none of the classes.
        random_options: see `refuse_unknown_options`.

    Raises:
        ModelError: the classifier lacks the method or the prompt, was fitted on questions that give away the
            answer, or the window does not suit the model. BadClipError while sections are read: the recording
            cannot be decoded.
    """
    method = choose_method(classifier, method)
    require_prompt(classifier)
    refuse_unknown_options(classifier, random_options)
    hop = window / 2 if hop is None else hop
    longest = lalm.preparer.max_seconds
    if not 0.1 <= window <= longest:
        raise ModelError(
            f"The window must be 0.1 to {longest:g} s, what the model hears, but is {window:g} s."
        )
    if not 0 < hop <= window:
        raise ModelError(f"The hop must be above 0 and at most the window, {window:g} s, but is {hop:g} s.")
    return _sections(
        _heard(classifier, lalm, Path(path), method, window, hop, batch_size), classifier, hop, abstain
    )


def events(sections: Iterable[Section]) -> Iterator[Event]:
    """Merge neighbouring sections with one label; sections without a label are left out."""
    held: list[Section] = []
    for section in sections:
        if held and (held[-1].label, held[-1].stop) != (section.label, section.start):
            yield from _merged(held)
            held = []
        held.append(section)
    yield from _merged(held)


def _merged(sections: list[Section]) -> Iterator[Event]:
    if not sections or sections[0].label is None:
        return
    start, stop = sections[0].start, sections[-1].stop
    total = sum(one.probability * (one.stop - one.start) for one in sections)
    yield Event(start, stop, sections[0].label, total / (stop - start))


class _Heard(NamedTuple):
    """A window with its probabilities.

    Attributes:
        start: in seconds.
        stop: in seconds.
        proba_C: probabilities in class order, float64; None of a silent window.
        silent: whether each hop of it is digitally silent.
    """

    start: float
    stop: float
    proba_C: Tensor | None
    silent: tuple[bool, ...]


def _sections(
    windows: Iterator[_Heard], classifier: Classifier, hop: float, abstain: float
) -> Iterator[Section]:
    near: deque[_Heard] = deque()
    number, begin = 0, 0.0
    for one in windows:
        near.append(one)
        stop = min((number + 1) * hop, one.stop)
        yield _section(near, begin, stop, one.silent[0], classifier, abstain)
        number, begin = number + 1, stop
    for silent in one.silent[1:]:  # behind the last window's beginning
        stop = min((number + 1) * hop, one.stop)
        if stop - begin > _SLIVER:
            yield _section(near, begin, stop, silent, classifier, abstain)
        number, begin = number + 1, stop


def _section(
    near: deque[_Heard], start: float, stop: float, silent: bool, classifier: Classifier, abstain: float
) -> Section:
    """Return a section, and forget windows that end before its middle."""
    middle = (start + stop) / 2
    while near[0].stop <= middle and len(near) > 1:
        near.popleft()
    heard = [one.proba_C for one in near if one.proba_C is not None]
    if silent or not heard:
        return Section(start, stop, None, float("nan"))
    mean_C = sum(heard[1:], heard[0]) / len(heard)
    best = int(mean_C.argmax())
    probability = float(mean_C[best])
    return Section(start, stop, classifier.classes[best] if probability >= abstain else None, probability)


def _heard(
    classifier: Classifier,
    lalm: FrozenLALM,
    path: Path,
    method: str,
    window: float,
    hop: float,
    batch_size: int,
) -> Iterator[_Heard]:
    """Classify the windows of a recording, in their order."""
    from calm_pl.media import Decoder
    from calm_pl.media.windows import sound_windows

    held: list[Window] = []
    with Decoder() as decoder:
        for one in sound_windows(decoder.blocks(path), window, hop):
            held.append(one)
            if len(held) == batch_size:
                yield from _classified(classifier, lalm, path, method, hop, held)
                held = []
    yield from _classified(classifier, lalm, path, method, hop, held)


def _classified(
    classifier: Classifier, lalm: FrozenLALM, path: Path, method: str, hop: float, windows: list[Window]
) -> Iterator[_Heard]:
    import torch

    from calm_pl.data.loading.batches import Collator, Media
    from calm_pl.evaluation.encoding import encode_heads, without_bad
    from calm_pl.media.audio import waveform
    from calm_pl.media.odd_sound import SILENT, is_silent

    preparer = lalm.preparer
    sounds = [
        waveform(one.sound, path, preparer.sample_rate, preparer.max_seconds, "start") for one in windows
    ]
    loud = [n for n, sound in enumerate(sounds) if SILENT not in sound.odd]
    proba: dict[int, Tensor] = {}
    if loud:
        asked = questions(classifier, [path]) * len(windows)
        batch = Collator(asked, preparer, torch.tensor([len(windows)]))([(n, Media(sounds[n])) for n in loud])
        device = next(lalm.parameters()).device
        voter = classifier.voters[method]
        encoded = without_bad(batch, encode_heads(lalm, batch.to(device), voter.num_read))
        if batch.failures:
            place = windows[batch.failures[0].position].start
            raise BadClipError(f"{batch.failures[0].reason} (at {place:g} s)")
        proba_NC = voter.probabilities(voter.vote(encoded.vectors_NHD).scores_NC).double().cpu()
        proba = dict(zip(loud, proba_NC, strict=True))
    for n, one in enumerate(windows):
        rate = one.sound.rate
        hops = range(max(1, math.ceil((one.stop - one.start - _SLIVER) / hop)))
        samples_T = one.sound.samples_T
        chunks = [samples_T[round(k * hop * rate) : round((k + 1) * hop * rate)] for k in hops]
        yield _Heard(one.start, one.stop, proba.get(n), tuple(map(is_silent, chunks)))
