"""Processes that torchrun or SLURM started are one job, whatever `trainer.devices` says of one."""

import pytest

from calm_pl.config.schema import TrainerConfig
from calm_pl.errors import RunError
from calm_pl.jobs.launched import Launched, as_launched, launched

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2", "RANK": "1"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (TORCHRUN, Launched("torchrun", 2, 1)),
        ({**TORCHRUN, "WORLD_SIZE": "8"}, Launched("torchrun", 2, 4)),
        ({**TORCHRUN, "LOCAL_WORLD_SIZE": "1", "WORLD_SIZE": "1"}, None),
        (
            {"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2", "SLURM_NTASKS": "8"},
            Launched("srun", 4, 2),
        ),
        (
            {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_PROCID": "0"},
            None,
        ),  # a batch script without srun
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}, None),
    ],
)
def test_what_started_the_job(environment, expected):
    assert launched(environment) == expected


@pytest.mark.parametrize(
    ("devices", "nodes", "expected"),
    [
        (1, 1, (2, 3)),  # as in demo.yaml
        ("auto", 1, (2, 3)),
        (2, 3, (2, 3)),
        ([0, 1], 3, ([0, 1], 3)),
        ("0,1", 3, ("0,1", 3)),
        ([0], 1, (2, 3)),
    ],
)
def test_the_job_has_the_processes_that_were_started(devices, nodes, expected):
    settings = as_launched(TrainerConfig(devices=devices, num_nodes=nodes), Launched("torchrun", 2, 3))
    assert (settings.devices, settings.num_nodes) == expected


def test_another_number_is_refused_and_a_single_process_keeps_its_settings():
    for settings, told in (
        (
            TrainerConfig(devices=4),
            "torchrun started the job with 2 processes per node, but trainer.devices is 4",
        ),
        (TrainerConfig(devices=[0, 1, 2]), r"trainer\.devices is \[0, 1, 2\]"),
        (TrainerConfig(num_nodes=2), "with 3 nodes, but trainer.num_nodes is 2"),
    ):
        with pytest.raises(RunError, match=told):
            as_launched(settings, Launched("torchrun", 2, 3))
        assert as_launched(settings, None) is settings
