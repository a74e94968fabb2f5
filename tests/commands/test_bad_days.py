"""A full disk under the bank, and a checkpoint that drops the sound: clear words, and no half results."""

import json
import os
import re
import shutil
import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of a given size; skips where that is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
        return folder

    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root to mount a small disk")
    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True)


def test_a_full_disk_ends_the_job_and_room_lets_it_go_on(call, small_job, small_disk, tmp_path):
    disk = small_disk("size=48k")
    job = [*small_job, f"bank.dir={disk}/bank", "wandb.mode=disabled", "data.batch_size=2"]
    full = call("fit-free", *job)
    assert full.returncode == 1
    assert "is full" in full.stderr
    assert "run the same command again" in full.stderr
    assert not (tmp_path / "run" / "results.json").exists()
    assert not list(disk.rglob("*.part"))
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    resumed = call("fit-free", *job)
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"left, \d+ cached", resumed.stderr)
    results = json.loads((tmp_path / "run" / "results.json").read_text())["methods"]
    assert (
        call("fit-free", *job[:-3], "run.dir=alone", "bank.dir=null", "wandb.mode=disabled").returncode == 0
    )
    alone = json.loads((tmp_path / "alone" / "results.json").read_text())["methods"]
    assert {name: entry["accuracy"] for name, entry in results.items()} == {
        name: entry["accuracy"] for name, entry in alone.items()
    }


def test_a_checkpoint_that_drops_the_sound_is_refused(call, small_job, tiny_folder, tmp_path):
    deaf = shutil.copytree(tiny_folder, tmp_path / "deaf")
    template = deaf / "chat_template.jinja"
    assert "<|AUDIO|>" in template.read_text()
    template.write_text(template.read_text().replace("<|AUDIO|>", ""))
    result = call("fit-free", *small_job, f"model.path={deaf}", "wandb.mode=disabled")
    assert result.returncode == 1
    assert "chat template has no place for the sound" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run" / "results.json").exists()
