"""Two nodes, each its own torchrun agent, on loopback: one job, one run folder, one W&B run."""

import csv
import json
import socket
import subprocess
import sys

from conftest import REPO, outside


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answers(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_two_agents_make_one_job(launch, small_job, tmp_path):
    port = free_port()
    job = [*small_job, "wandb.mode=offline", "bank.dir=bank"]  # of one device on one node
    agents = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(node)),
                *("--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port)),
                *(str(REPO / "launch.py"), "fit-free", *job),
            ],
            cwd=tmp_path,
            env={**outside(), "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for node in range(2)
    ]
    said = [agent.communicate(timeout=200)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said
    assert sum("CALM-Global" in text for text in said) == 1  # one table
    assert len(list((tmp_path / "run" / "wandb").glob("offline-run-*"))) == 1
    launch("fit-free", *small_job, "run.dir=alone", "bank.dir=null", "wandb.mode=disabled", check=True)
    together, alone = answers(tmp_path / "run"), answers(tmp_path / "alone")
    labels = [[cell for n, cell in enumerate(row) if n < 5 or n % 2] for row in together]
    assert labels == [[cell for n, cell in enumerate(row) if n < 5 or n % 2] for row in alone]
    methods = [
        json.loads((tmp_path / run / "results.json").read_text())["methods"] for run in ("run", "alone")
    ]
    for name, entry in methods[0].items():
        assert {**entry, "ece": 0} == {**methods[1][name], "ece": 0}
