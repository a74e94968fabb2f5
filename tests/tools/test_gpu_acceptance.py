"""The acceptance run for GPUs, on the CPU and with a shrunken model: every item can be looked at."""

import json
import subprocess
import sys

from conftest import REPO, outside

ONLY_ON_GPUS = {"self-check, flash_attention_2", "two ranks, and a spread model"}


def test_every_item_passes_at_small_size(tmp_path):
    script, record = str(REPO / "benchmarks" / "gpu_acceptance"), tmp_path / "record.json"
    command = [sys.executable, script, "--device", "cpu", "--size", "small", "--out", str(record)]
    done = subprocess.run(command, cwd=tmp_path, env=outside(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(record.read_text())
    assert found["failed"] == []
    names = {item["name"]: item["passed"] for items in found["items"].values() for item in items}
    assert {name for name, passed in names.items() if passed is None} - ONLY_ON_GPUS == {
        f"{workers} workers, bank {bank}" for workers in (0, 1) for bank in ("on", "off")
    }
    assert sum(passed is True for passed in names.values()) >= 24
    assert set(found["seconds"]) == {"machine", "self-checks", "speed", "jobs", "ranks"}


def test_it_stops_without_a_gpu(tmp_path):
    script = str(REPO / "benchmarks" / "gpu_acceptance")
    environment = {**outside(), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no GPU that PyTorch can use" in done.stderr
