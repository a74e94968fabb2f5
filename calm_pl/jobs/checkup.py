"""What is examined before a job: data, disk, device and model, and what the job will need of them."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from calm_pl.config.schema import Config
from calm_pl.data.settings import AUTO
from calm_pl.errors import CalmError
from calm_pl.jobs import forecast
from calm_pl.jobs.forecast import gib
from calm_pl.progress import Progress

if TYPE_CHECKING:
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.models import FrozenLALM
    from calm_pl.models.preparer import Preparer

TRIED_CLIPS, TRIED_VIDEOS = 200, 20
_MOST_FAILURES = 5
_LEAST_FREE = 2**30  # bytes; a run folder without a bank of head vectors needs a few MB


class Finding(NamedTuple):
    """One line of the checklist.

    Attributes:
        good: whether the check passed; None where it only tells.
        text: what was found, and what to do.
        unmade: the check could not be made, so that nobody knows whether the job can run.
    """

    good: bool | None
    text: str
    unmade: bool = False


@dataclass
class Patient:
    """What is examined.

    Attributes:
        config: the job.
        data: its data module, once its clips could be listed.
        all_clips: decode every clip, not only some.
        ranks: number of processes, once the devices are known.
        model: the loaded model.
        fresh: number of questions to encode, once it is known.
        fits: whether the model fits into memory, as far as it is known.
    """

    config: Config
    data: FewShotDataModule | None = None
    all_clips: bool = False
    ranks: int = 1
    model: FrozenLALM | None = None
    fresh: int | None = None
    fits: bool = True

    @property
    def preparer(self) -> Preparer | None:
        """The model's preparer, loaded alone where the model is not; None if its files are not here."""
        if self.model is not None:
            return self.model.preparer
        return forecast.preparer_here(self.config.model)

    @property
    def is_ready(self) -> bool:
        """Whether support and query were drawn."""
        return self.data is not None and bool(self.data.classes)


@dataclass
class _AnyModel:
    """Stands for a model that is not loaded: its usual sound format."""

    sample_rate: int = 16_000
    max_seconds: float = 30.0
    modalities: tuple[str, ...] = ("audio", "video")


Check = Callable[[Patient], Iterator[Finding]]


def examine(config: Config, checks: Sequence[Check], all_clips: bool = False) -> Iterator[Finding]:
    """All findings, each as soon as it is made. A check that raises a `CalmError` has failed."""
    patient = Patient(config, all_clips=all_clips)
    for check in checks:
        try:
            yield from check(patient)
        except CalmError as error:
            yield Finding(False, str(error))


def check_data(patient: Patient) -> Iterator[Finding]:
    """Root, labels, and clips per class and split."""
    from calm_pl.data import benchmark_class
    from calm_pl.data.inventory import alike_labels, class_counts
    from calm_pl.data.loading.base import FewShotDataModule

    settings = patient.config.data
    data = FewShotDataModule(benchmark_class(settings.benchmark)(settings))
    listing = data.read()
    patient.data = data
    facts = data.benchmark.facts
    yield Finding(True, f"data: {facts.title} found in {data.root}")
    if facts.clips and not any(facts.title in note for note in data.notes):
        full = f"{facts.clips:,} clips and {facts.classes} classes"
        yield Finding(True, f"counts: all {full} of the full set")
    for note in data.notes:
        yield Finding(None, f"note: {note}")
    if data.missing:
        yield Finding(None, f"missing: {_few([str(clip.path) for clip in data.missing])}")
    yield Finding(True, f"labels: {len(listing.classes)} classes, {_few(listing.classes)}")
    if alike := alike_labels(listing.classes):
        pairs = _few([f"{first!r} and {second!r}" for first, second in alike])
        what = "these may be one class" if data.benchmark.own_data else "alike, but the set's own classes"
        yield Finding(None, f"labels: {what}: {pairs}")
    for line in class_counts(listing):
        yield Finding(True, line)


def check_rounds(patient: Patient) -> Iterator[Finding]:
    """All configured rounds: folds, draws, leaks."""
    data, settings = patient.data, patient.config.data
    if data is None:
        return
    known = len(data.notes)
    data.prepare()
    for note in data.notes[known:]:
        yield Finding(None, f"note: {note}")
    yield Finding(
        True,
        f"rounds: {len(data.rounds)}, with {len(data.support):,} support and {len(data.query):,} query"
        " questions in all",
    )
    guard = settings.leak_guard
    yield Finding(
        None if guard == "none" else True,
        "leaks: not checked (data.leak_guard=none)"
        if guard == "none"
        else f"leaks: none in any round, by {'names and content' if guard == 'content' else 'names'}",
    )


def check_clips(patient: Patient) -> Iterator[Finding]:
    """The headers of all clips are read, and some by chance, always the same ones, are decoded."""
    data = patient.data
    if data is None:
        yield Finding(None, "clips: not checked, since there is no data", unmade=True)
        return
    from calm_pl.data.inventory import durations, file_kinds
    from calm_pl.data.loading.examined import examine_clips
    from calm_pl.media import odd_sentence

    rule = data.media_rule(cast("Preparer", _AnyModel()))
    clips = list({(clip.path, clip.video): clip for clip in data.read().clips}.values())
    most = TRIED_CLIPS if rule.frames is None else TRIED_VIDEOS
    found = examine_clips(clips, rule, None if patient.all_clips else most, _bar)
    yield Finding(True, f"files: {file_kinds(found.headers)}")
    for reason in found.failures[:_MOST_FAILURES]:
        yield Finding(False, f"clips: {reason}")
    if len(found.failures) > _MOST_FAILURES:
        yield Finding(False, f"clips: {len(found.failures) - _MOST_FAILURES:,} more cannot be decoded")
    whole = found.num_tried == len(clips)
    tried = f"all {len(clips):,}" if whole else f"{found.num_tried:,} of {len(clips):,} taken by chance"
    if not found.failures:
        frames = "" if rule.frames is None else " with their frames"
        rest = "" if whole else "; --all-clips tries every one"
        yield Finding(True, f"clips: {tried} can be decoded{frames} (at 16 kHz){rest}")
    if found.seconds:
        known = "" if len(found.seconds) == len(clips) else f", of the {len(found.seconds):,} known"
        yield Finding(True, f"durations: {durations(found.seconds)}{known}")
    for kind, names in found.odd.items():
        if names:
            yield Finding(None, f"sound: {odd_sentence(kind, names)}")
    if not any(found.odd.values()) and not found.failures:
        yield Finding(True, "sound: none of those decoded is silent, cancelling or far too loud")
    if found.cut:
        yield Finding(
            None,
            f"long: over {rule.max_seconds:g} s, the usual window (data.long_clips={rule.long_clips}):"
            f" {_few(found.cut)}",
        )


def _bar(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    """Show progress where it takes a while."""
    return Progress(what, total, "clips", brief=True).over(items)


def check_disk(patient: Patient) -> Iterator[Finding]:
    """The run folder can be written, and has room."""
    run = patient.config.run
    folder = Path(run.dir or "runs").absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(False, f"disk: {folder} cannot be written; choose another with run.dir=FOLDER")
        return
    free = shutil.disk_usage(folder).free
    room = f"{free / 2**30:.1f} GiB free in {folder}"
    yield Finding(
        free >= _LEAST_FREE, f"disk: {room}" + ("" if free >= _LEAST_FREE else "; at least 1 is needed")
    )


def check_model_files(patient: Patient) -> Iterator[Finding]:
    """The model's files are there; it is not loaded."""
    from calm_pl.assets import resolve

    path, revision = patient.config.model.path, patient.config.model.revision
    folder = Path(resolve(path))
    if folder.is_dir():
        lacking = [name for name in ("config.json", "*.safetensors") if not any(folder.glob(name))]
        found = f"model: {folder}"
        yield Finding(
            not lacking, f"{found} lacks {' and '.join(lacking)}" if lacking else f"{found} is there"
        )
        return
    if folder.is_absolute() or path.startswith((".", "~")) or path.count("/") != 1:
        yield Finding(False, f"model: {path} is neither a folder nor an id on the hub (OWNER/NAME)")
        return
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_OFFLINE

    cached: Any = try_to_load_from_cache(path, "config.json", revision=revision)
    if isinstance(cached, str):
        yield Finding(True, f"model: {path} is in the hub's cache, {Path(cached).parent}")
    elif HF_HUB_OFFLINE:
        yield Finding(
            False, f"model: {path} is not in the hub's cache, and this machine is set to be offline"
        )
    else:
        yield from _download(path, revision)


def check_model(patient: Patient) -> Iterator[Finding]:
    """The model hears, and a clip's answer does not depend on its batch."""
    from calm_pl.models.loading import checkpoint_folder

    m = patient.config.model
    if checkpoint_folder(m.path, m.revision) is None:
        yield Finding(None, "model: not checked, since its files are not here yet", unmade=True)
        return
    if not patient.fits:
        yield Finding(None, "model: not loaded, since it does not fit into memory", unmade=True)
        return
    from calm_pl.jobs.parts import load_arguments, refuse_for_model
    from calm_pl.models.checks import hearing_check, invariance_check
    from calm_pl.models.clap import load_frozen

    arguments = dataclasses.asdict(load_arguments(patient.config.model)) | {"offline": True}
    lalm = load_frozen(**arguments).to(forecast.device_of(patient.config.trainer))
    layout = lalm.layout
    heads = f"{layout.num_heads:,} heads of {layout.head_dim} in {layout.num_layers} layers"
    gives = f"one embedding of {layout.head_dim}" if lalm.family.is_embedder else heads
    yield Finding(
        True,
        f"model: {type(lalm.model).__name__}, {gives}, hears clips up to {lalm.preparer.max_seconds:g} s",
    )
    refuse_for_model(patient.config, lalm)
    patient.model = lalm
    what = "embeddings" if lalm.family.is_embedder else "head vectors"
    for doubt in lalm.doubts():
        yield Finding(None, f"prompt: {doubt}")
    hearing = hearing_check(lalm)
    yield Finding(
        True,
        f"hearing: silence changes its {what} by {hearing.silence_change:.0%} of their norm, another"
        f" clip by {hearing.swap_change:.0%}",
    )
    drift = invariance_check(lalm)
    yield Finding(
        True,
        f"batches: a batch of {drift.batch_size} moves {what} by {drift.drift:.1e} of their norm"
        f" ({drift.dtype}), {drift.share:.1e} of what another clip does"
        + ("" if lalm.family.is_embedder else f", and changes {drift.changed_predictions} predictions"),
    )
    if drift.warning is not None:
        yield Finding(None, drift.warning)


def check_device(patient: Patient) -> Iterator[Finding]:
    """Packages and devices are those that the job asks for."""
    from calm_pl.jobs.opened import begin
    from calm_pl.jobs.trainer import trainer_on

    config = patient.config
    begin(config.model, config.trainer, quiet=True)
    trainer = trainer_on(config.trainer, logger=False, enable_progress_bar=False)
    patient.ranks = trainer.world_size
    name, memory = forecast.device_facts_of(config.trainer)
    ranks = f"{trainer.world_size} processes, " if trainer.world_size > 1 else ""
    yield Finding(True, f"device: {ranks}{name}, {gib(memory)} of memory")


def check_work(patient: Patient) -> Iterator[Finding]:
    """How many questions are to be encoded, and what the bank will grow by."""
    if not patient.is_ready:
        return
    assert patient.data is not None
    work = forecast.work_of(patient.config, patient.data, patient.model)
    patient.fresh = work.fresh
    if work.cached is None:
        yield Finding(
            None, f"work: at most {work.total:,} clips to encode; how many are cached is not known yet"
        )
    else:
        yield Finding(True, f"work: {work.total:,} clips, {work.cached:,} cached, {work.fresh:,} to encode")
    bank = patient.config.bank.dir
    if bank is None:
        yield Finding(None, "bank: none (bank.dir=null); the next run encodes all clips again")
    elif work.bytes_each is not None:
        needed, (folder, free) = work.fresh * work.bytes_each, _free_above(Path(bank))
        room = f"bank: {gib(needed)} to write, {gib(free)} free in {folder}"
        fits = needed < free
        yield Finding(fits, room if fits else f"{room}; choose another disk with bank.dir=FOLDER")


def check_memory(patient: Patient) -> Iterator[Finding]:
    """Weights and activations fit into the device's memory."""
    if not patient.is_ready:
        return
    assert patient.data is not None
    needed = forecast.memory_of(patient.config, patient.data, patient.preparer, patient.ranks)
    if needed is None:
        yield Finding(None, "memory: not known, since the model's files are not here yet", unmade=True)
        return
    _, memory = forecast.device_facts_of(patient.config.trainer)
    text = f"memory: {gib(needed.weights)} of weights"
    if needed.activations is not None:
        decided = "; data.batch_size=auto" if patient.config.data.batch_size == AUTO else ""
        text += (
            f", and about {gib(needed.activations)} for a batch of {needed.clips} clips of"
            f" {needed.seconds:.0f} s (estimated{decided})"
        )
    whole = needed.weights + (needed.activations or 0)
    patient.fits = fits = whole < memory
    advice = "" if fits else "; lower data.batch_size, or see model.quantization and model.device_map"
    yield Finding(fits, f"{text}, of {gib(memory)}{advice}")


def check_time(patient: Patient) -> Iterator[Finding]:
    """Some clips are encoded, and the time that the others will take is told."""
    if not patient.is_ready or patient.model is None or not patient.fresh:
        return
    assert patient.data is not None
    each = forecast.seconds_per_clip(patient.config, patient.data, patient.model)
    whole = each * patient.fresh / patient.ranks
    ranks = f" on {patient.ranks} processes" if patient.ranks > 1 else ""
    yield Finding(
        None,
        f"time: about {forecast.duration(whole)} for {patient.fresh:,} clips{ranks}, at {each:.2g} s per clip"
        f" (median of {forecast.TIMED_CLIPS}, one at a time; batches are quicker on a GPU)",
    )


def check_prompt(patient: Patient) -> Iterator[Finding]:
    """Show the first prompt as the model reads it."""
    if not patient.is_ready or patient.preparer is None:
        return
    assert patient.data is not None
    from calm_pl.models.families.clap import ClapPreparer

    first = (patient.data.query or patient.data.support)[0]
    if isinstance(patient.preparer, ClapPreparer):
        labels = patient.data.task().shown
        compared = [patient.preparer.sentence(labels[c]) for c in first.options]
        yield Finding(None, f"prompt: none; a clip is compared with sentences such as {_few(compared)}")
        return
    shown = patient.preparer.prompt(first.question).rstrip("\n")
    yield Finding(None, f"prompt of {first.clip.id}, as the model reads it:\n{shown}")


def _download(path: str, revision: str | None) -> Iterator[Finding]:
    """Say how much the first run will download, and whether there is room."""
    from huggingface_hub.constants import HF_HUB_CACHE

    size = forecast.download_size(path, revision)
    text = f"model: {path} is not in the hub's cache; the first run will download it"
    if size is None:
        yield Finding(None, f"{text} (of unknown size: the hub does not answer)", unmade=True)
        return
    folder, free = _free_above(Path(HF_HUB_CACHE))
    room = f"{text}, {gib(size)} of {gib(free)} free in {folder}"
    fits = size < free
    yield Finding(None if fits else False, room if fits else f"{room}; choose another disk with HF_HOME")


def _free_above(folder: Path) -> tuple[Path, int]:
    """Return the folder, or the nearest one above that is there, and the bytes free in it."""
    folder = folder.expanduser().absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder, shutil.disk_usage(folder).free


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


CHECKS: tuple[Check, ...] = (
    check_data,
    check_rounds,
    check_clips,
    check_disk,
    check_device,
    check_model_files,
    check_memory,
    check_model,
    check_work,
    check_time,
    check_prompt,
)
"""All, in this order."""
DRY_RUN = tuple(check for check in CHECKS if check is not check_clips)
"""Those of `--dry-run`, which decodes three clips alone."""
NO_MODEL = tuple(check for check in CHECKS if check not in (check_model, check_time))
"""Those that load no model."""
