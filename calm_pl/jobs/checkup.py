"""What is examined before a job, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from calm_pl.config.schema import Config
from calm_pl.errors import CalmError
from calm_pl.jobs.data_checks import check_clips, check_data, check_rounds
from calm_pl.jobs.findings import Finding, Patient
from calm_pl.jobs.machine_checks import check_device, check_disk, check_memory, check_time, check_work
from calm_pl.jobs.model_checks import check_model, check_model_files, check_prompt

Check = Callable[[Patient], Iterator[Finding]]


def examine(config: Config, checks: Sequence[Check], all_clips: bool = False) -> Iterator[Finding]:
    """All findings, each as soon as it is made. A check that raises a `CalmError` has failed."""
    patient = Patient(config, all_clips=all_clips)
    for check in checks:
        try:
            yield from check(patient)
        except CalmError as error:
            yield Finding(False, str(error))


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
