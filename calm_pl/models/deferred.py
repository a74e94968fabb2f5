"""A model that is loaded with its first batch: if the bank has all clips, no weights are needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from calm_pl.atomic_files import write_text
from calm_pl.errors import CalmError, ModelError
from calm_pl.file_hashes import FileHashes
from calm_pl.models.checkpoint_files import content_of
from calm_pl.models.checks import HearingReport, InvarianceReport, hearing_check, invariance_check
from calm_pl.models.clap import load_frozen
from calm_pl.models.clap_facts import TEMPLATE
from calm_pl.models.copies import machine_memory, refuse_copies
from calm_pl.models.heads import HeadLayout
from calm_pl.models.lalm import FrozenLALM, LalmOutput, Sampled
from calm_pl.models.loading import checkpoint_family, checkpoint_folder, hub_commit, load_preparer
from calm_pl.models.masks import load_mask
from calm_pl.models.preparer import Preparer
from calm_pl.models.remembered import PromptMemory, RememberedPreparer, SoundFormat
from calm_pl.models.rollouts import Draws
from calm_pl.models.weight_files import refuse_damaged_weights
from calm_pl.regular_files import read_regular

_NOTE_VERSION = 3  # to be raised with what a portrait is made of


@dataclass(frozen=True)
class LoadArguments:
    """Arguments of `load_frozen`; see there and `FrozenLALM.from_pretrained`."""

    path: str
    revision: str | None = None
    dtype: str = "auto"
    attn: str = "sdpa"
    last_n_tokens: int = 1
    device_map: str | None = None
    quantization: str | None = None
    trust_remote_code: bool = False
    offline: bool = False
    mask: str | None = None
    system_prompt: str | None = None
    clap_template: str = TEMPLATE


class Portrait(NamedTuple):
    """What must be known of a model before it is loaded.

    Attributes:
        identity: see `FrozenLALM.identity`; of the model without a mask.
        layout: of its heads.
        checkpoint: see `FrozenLALM.checkpoint`.
        sound: what it takes.
        doubts: see `FrozenLALM.doubts`.
        hidden_size: E, of its hidden states.
    """

    identity: dict[str, Any]
    layout: HeadLayout
    checkpoint: str
    sound: SoundFormat
    doubts: tuple[str, ...]
    hidden_size: int


class SelfCheck(NamedTuple):
    """Results of the checks before the first batch."""

    hearing: HearingReport
    invariance: InvarianceReport


class DeferredLALM:
    """Stand-in for a `FrozenLALM` that is loaded at once only if nothing is stored about it.

    No module on purpose: Lightning would send a module's weights from rank to rank, and not every rank need
    have loaded them.

    Args:
        arguments: of the model.
        memory: folder where identities of models are remembered; None remembers nothing.
        self_check: run the checks of `calm_pl.models.checks` on the model's device before the first batch.
        say: is told in a sentence what takes a while, such as loading; None tells nobody.
        processes: that load the model on this machine.

    Attributes:
        preparer, layout, hidden_size, path, mask: as those of the model.
        self_check: what the checks found; None before the first batch.

    Raises:
        ModelError: as `FrozenLALM.from_pretrained`.
    """

    def __init__(
        self,
        arguments: LoadArguments,
        memory: Path | None = None,
        self_check: bool = True,
        say: Callable[[str], None] | None = None,
        processes: int = 1,
    ) -> None:
        self.arguments = arguments
        self._processes = processes
        self.path = arguments.path
        self.self_check: SelfCheck | None = None
        self._to_check = self_check
        self._say = say or _nobody
        self._device: torch.device | None = None
        self._lalm: FrozenLALM | None = None
        note = _note_file(arguments, memory)
        portrait = None if note is None else _recall(note)
        self._unmasked = replace(arguments, mask=None)
        self.preparer: Preparer
        if portrait is None:
            self._say(f"Loading {self._name}")
            self._lalm = self._from_pretrained()
            self.preparer = self._lalm.preparer
            portrait = Portrait(
                self._lalm.identity(),
                self._lalm.layout,
                self._lalm.checkpoint(),
                SoundFormat.of(self.preparer),
                tuple(self._lalm.doubts()),
                self._lalm.hidden_size,
            )
            note = note or _note_file(arguments, memory)  # its files may have come from the hub just now
            if note is not None:
                write_text(note, json.dumps(portrait))
        if note is not None:
            self.preparer = RememberedPreparer(
                portrait.sound,
                portrait.identity["inputs"],
                PromptMemory(note.with_suffix(".prompts")),
                partial(
                    load_preparer,
                    arguments.path,
                    revision=arguments.revision,
                    trust_remote_code=arguments.trust_remote_code,
                    offline=arguments.offline,
                    system_prompt=arguments.system_prompt,
                    clap_template=arguments.clap_template,
                ),
                None if self._lalm is None else self._lalm.preparer,
            )
        self._portrait = portrait
        self.layout = portrait.layout
        self.hidden_size = portrait.hidden_size
        self._identity = portrait.identity
        self.mask = None if arguments.mask is None else load_mask(arguments.mask, self.layout.num_layers)
        if self.mask is not None:
            self.mask.check(self.layout, portrait.checkpoint, self.path)
            self._identity = self._identity | {"mask": self.mask.code()}

    def commit(self) -> str | None:
        """Return the commit on the hub that its files are of; see `FrozenLALM.commit`."""
        return hub_commit(self.path, self.arguments.revision)

    @property
    def _name(self) -> str:
        return Path(self.path.removeprefix("bundled:")).name

    def identity(self) -> dict[str, Any]:
        """Return the identity; see `FrozenLALM.identity`."""
        return self._identity

    def doubts(self) -> list[str]:
        """Return what a reader must know about the model's prompts; see `FrozenLALM.doubts`."""
        return list(self._portrait.doubts)

    def __call__(self, inputs: dict[str, Tensor], tower: bool = False) -> LalmOutput:
        """Run `FrozenLALM.forward`; the first call loads the model to the inputs' device and checks it.

        Raises:
            ModelError: the model cannot be loaded, does not hear, or answers by its batch.
        """
        return self._ready(inputs)(inputs, tower)

    def option_text_scores(self, inputs: dict[str, Tensor], options: Sequence[Sequence[str]]) -> Tensor:
        """Score option texts; see `FrozenLALM.option_text_scores`."""
        return self._ready(inputs).option_text_scores(inputs, options)

    def similarities(self, x_NE: Tensor, options: Sequence[Sequence[str]]) -> Tensor:
        """Compare embeddings with sentences; see `FrozenClap.similarities`."""
        return self._loaded(x_NE.device).similarities(x_NE, options)

    def generate(self, inputs: dict[str, Tensor], max_new_tokens: int = 32) -> list[str]:
        """Generate answers; see `FrozenLALM.generate`."""
        return self._ready(inputs).generate(inputs, max_new_tokens)

    def sample(self, inputs: dict[str, Tensor], draws: Draws, tower: bool = False) -> Sampled:
        """Sample answers; see `FrozenLALM.sample`."""
        return self._ready(inputs).sample(inputs, draws, tower)

    def _from_pretrained(self, device: torch.device | None = None) -> FrozenLALM:
        of = self.arguments
        folder = checkpoint_folder(of.path, of.revision)
        if folder is not None and of.quantization is None:
            family = checkpoint_family(
                of.path, revision=of.revision, trust_remote_code=of.trust_remote_code, offline=of.offline
            )
            dtype = family.computes_in(of.dtype)
            refuse_copies(of.path, folder, dtype, self._processes, machine_memory())
        return load_frozen(**asdict(self._unmasked), device=device)

    def _load(self, device: torch.device) -> FrozenLALM:
        """Load the model, which must be the one whose identity is known."""
        self._say(f"Loading {self._name}, {self._portrait.identity['dtype']}, {device}")
        lalm = self._from_pretrained(device)
        if lalm.identity() != self._portrait.identity:
            raise ModelError(
                f"The model at {self.path!r} is not the one that this job began with: its files changed"
                " meanwhile, or a newer revision was downloaded. Run the same command again; model.revision="
                "COMMIT holds on to one."
            )
        return lalm

    def _checked(self, lalm: FrozenLALM) -> SelfCheck:
        try:
            return SelfCheck(hearing_check(lalm), invariance_check(lalm))
        except (CalmError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if "can't allocate memory" in str(error):
                raise
            raise ModelError(
                f"The model at {self.path!r} cannot take what its processor makes ({type(error).__name__}:"
                f" {error}). Do config.json, the processor's files and the weights belong together?"
            ) from error

    def _is_fixed_elsewhere(self, lalm: FrozenLALM, device: torch.device) -> bool:
        """Return whether a model cannot be moved to where its batches are: quantised, on another device."""
        return lalm.is_placed and self.arguments.device_map is None and lalm.model.device != device

    def _ready(self, inputs: dict[str, Tensor]) -> FrozenLALM:
        """Return the model on its inputs' device, checked."""
        lalm = self._loaded(next(iter(inputs.values())).device)
        if self._to_check:
            self._say("Checking that the model hears, and that batches do not change what it hears")
            self.self_check = self._checked(lalm)
            self._to_check = False
        return lalm

    def _loaded(self, device: torch.device) -> FrozenLALM:
        if self._lalm is None or self._device != device:
            with torch.inference_mode(False):
                lalm = self._lalm
                if lalm is None or self._is_fixed_elsewhere(lalm, device):
                    self._lalm = None  # its memory may be needed
                    del lalm
                    lalm = self._load(device)
                lalm.use_mask(self.mask)
                self._lalm, self._device = lalm.to(device), device
        return self._lalm


def _nobody(text: str) -> None:
    pass


def is_remembered(arguments: LoadArguments, memory: Path) -> bool:
    """Return whether a `DeferredLALM` of these arguments would need no weights to be built."""
    note = _note_file(arguments, memory)
    return note is not None and _recall(note) is not None


def _note_file(arguments: LoadArguments, memory: Path | None) -> Path | None:
    """Return the file of facts about this model, named by the content of its files and how it is loaded."""
    folder = checkpoint_folder(arguments.path, arguments.revision) if memory else None
    if memory is None or folder is None:
        return None
    refuse_damaged_weights(folder)  # before they are hashed
    loaded = asdict(arguments)
    # Where it is and runs does not change what it is; masks are told apart by themselves.
    for place in ("path", "revision", "device_map", "offline", "mask"):
        del loaded[place]
    facts = {
        "note": _NOTE_VERSION,
        "files": content_of(folder, FileHashes(memory / "files"), arguments.trust_remote_code),
        "arguments": loaded,
        "cuda": torch.cuda.is_available(),  # decides what dtype=auto is
        "versions": [torch.__version__, version("transformers")],
    }
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return memory / f"{name}.json"


def _recall(note: Path) -> Portrait | None:
    try:
        identity, layout, checkpoint, (rate, seconds, modalities), doubts, size = json.loads(
            read_regular(note)
        )
        sound = SoundFormat(rate, seconds, tuple(modalities))
        portrait = Portrait(identity, HeadLayout(*layout), checkpoint, sound, tuple(doubts), size)
        return portrait if _can_be(portrait) else None
    except (OSError, ValueError, TypeError, RecursionError):  # not there; or damaged, which is as good
        return None


def _can_be(portrait: Portrait) -> bool:
    """Return whether a note says what a model can be: the file may be anybody's."""
    identity, layout, checkpoint, sound, doubts, hidden_size = portrait
    if not isinstance(identity, dict):
        return False
    texts = [checkpoint, *doubts, *(identity.get(name) for name in ("weights", "class", "dtype", "attn"))]
    numbers = [*layout, hidden_size, sound.sample_rate, identity.get("last_n_tokens")]
    return (
        all(isinstance(text, str) and text for text in texts)
        and isinstance(identity.get("inputs"), dict)
        and all(type(number) is int and number > 0 for number in numbers)
        and type(sound.max_seconds) in (int, float)
        and 0 < sound.max_seconds < float("inf")
        and sound.modalities in (("audio",), ("audio", "video"))
    )
