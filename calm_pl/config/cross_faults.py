"""Problems of a configuration that involve several settings."""

from __future__ import annotations

from calm_pl.config.callbacks import CALLBACKS
from calm_pl.config.schema import PRIOR_METHOD, Config
from calm_pl.methods import METHODS
from calm_pl.pseudo.settings import JUDGE


def cross_faults(config: Config) -> list[str]:
    """Return problems that involve several settings."""
    faults = []
    if (config.voter.reliability_split == "heldout") != (config.data.heldout_shots > 0):
        faults.append(
            "data.heldout_shots: must be 1 or more if and only if voter.reliability_split is heldout, but is"
            f" {config.data.heldout_shots} with {config.voter.reliability_split}"
        )
    if config.run.refit and config.voter.reliability_split == "heldout":
        faults.append(
            "run.refit: must be false where voter.reliability_split is heldout: of all rounds together no"
            " clip is held out"
        )
    if config.voter.select == "oracle" and config.bank.dir is None:
        faults.append("voter.select: oracle reads the query twice and needs a bank; bank.dir is null")
    if (config.data.video.num_frames is None) == (config.data.video.fps is None):
        faults.append("data.video: must set exactly one of num_frames and fps, and leave the other null")
    for name, known in (("methods", METHODS.keys()), ("callbacks", CALLBACKS.keys())):
        for value in getattr(config, name):
            if value not in known:
                faults.append(f"{name}: must be among {', '.join(known)}, but contains {value!r}")
    absent = [name for name in ("predictions", "run_record") if name not in config.callbacks]
    readers = [name for name in ("figures", "report", "wandb_tables") if name in config.callbacks]
    if readers and absent:
        faults.append(
            f"callbacks: {readers[0]} reads what {' and '.join(absent)} writes: add it, or leave"
            f" {readers[0]} out"
        )
    if not config.methods:
        faults.append("methods: must name at least one method, but is empty")
    if "zero_shot" in config.methods and config.data.n_options < 2:
        faults.append(
            "data.n_options: must be 2 or more for zero-shot prompting, but is"
            f" {config.data.n_options}; or leave zero_shot out of methods"
        )
    for row in METHODS:
        lacking = [name for name in row.needs if row.key in config.methods and name not in config.methods]
        if lacking:
            faults.append(f"methods: must also name {' and '.join(lacking)}, which {row.key} combines")
    if PRIOR_METHOD in config.methods and config.zero_shot == "generate":
        faults.append(f"zero_shot: must be letters or text for {PRIOR_METHOD}, but is generate")
    if config.pseudo.temperature_low > config.pseudo.temperature_high:
        faults.append(
            f"pseudo.temperature_high: must be {config.pseudo.temperature_low:g}, temperature_low, or more,"
            f" but is {config.pseudo.temperature_high:g}"
        )
    if config.data.support_labels == "pseudo":
        faults += _pseudo_faults(config)
    return faults


def _pseudo_faults(config: Config) -> list[str]:
    """Return problems of settings that do not work with pseudo-labels."""
    faults = []
    if config.data.n_options < 2:
        faults.append(
            "data.n_options: must be 2 or more for pseudo-labels, which are votes among options, but is"
            f" {config.data.n_options}; for unlabelled clips set it to the number of classes"
        )
    if config.pseudo.rounds and JUDGE not in config.methods:
        faults.append(f"methods: must name {JUDGE}, which labels clips in self-training (pseudo.rounds)")
    return faults
