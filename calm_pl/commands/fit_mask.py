"""`fit-mask`: learn which heads to switch off so that a frozen model does a task without an instruction."""

from __future__ import annotations

from collections.abc import Sequence

from calm_pl.commands.arguments import add_config_arguments, parser, read_config
from calm_pl.config.compose import load_config
from calm_pl.errors import ConfigError
from calm_pl.masks.job import fit_mask
from calm_pl.masks.settings import MaskConfig

_EXAMPLES = """\
  {program} model.path=bundled:tiny_lalm task.manifest=clips.csv
  {program} model.path=bundled:tiny_lalm task.manifest=train.csv task.val_manifest=val.csv mask.sparsity=0.01
  {program} model.path=/models/qwen task.manifest=clips.csv model.dtype=bfloat16 trainer.devices=8
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Learn a mask over the attention heads of a frozen audio language model, one number per head, that\n"
        "makes it perform the task of a manifest of clips and texts without an instruction in the prompt.\n"
        "Run the same command again to resume an interrupted training.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    _, config = read_config(command, argv, _load, "model.path=bundled:tiny_lalm task.manifest=clips.csv")
    if config is None:
        return 0
    faults = []
    if config.model.mask is not None:
        faults.append(f"model.mask: must be null to train a mask, but is {config.model.mask!r}")
    if config.model.last_n_tokens != 1:
        faults.append(f"model.last_n_tokens: must be 1 to train a mask, but is {config.model.last_n_tokens}")
    if faults:
        raise ConfigError(faults)
    fit_mask(config, quiet=not debug)
    return 0


def _load(files: Sequence[str], overrides: Sequence[str]) -> MaskConfig:
    return load_config(files, overrides, MaskConfig)
