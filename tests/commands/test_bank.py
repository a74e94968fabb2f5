"""The `bank` command, as used."""

import argparse
import sys

import pytest
import torch
from conftest import REPO

from calm_pl.bank import HeadBank, Records, clip_key
from calm_pl.commands.bank import size_in_bytes, span_in_seconds


@pytest.fixture
def bank(tmp_path):
    identity = {"weights": "w", "class": "Qwen2Audio"}
    keys = [clip_key(str(n), "What?", identity) for n in range(6)]
    meta = [{"id": f"clip-{n}", "prompt": "What?"} for n in range(6)]
    store = HeadBank(tmp_path / "bank")
    store.append(Records(keys[:3], torch.randn(3, 4, 8), torch.zeros(3, 2), meta[:3]), identity)
    store.append(Records(keys[3:], torch.randn(3, 4, 8), torch.zeros(3, 2), meta[3:]), identity)
    return tmp_path / "bank"


def test_info(call, bank):
    done = call("bank", "info", bank)
    assert done.returncode == 0
    assert "6 records of 6 clips with 1 prompts; 2 shards" in done.stdout
    assert "Qwen2Audio" in done.stdout
    assert "4 x 8" in done.stdout


def test_verify_passes_and_then_names_what_is_lost(call, bank):
    done = call("bank", "verify", bank)
    assert (done.returncode, done.stdout) == (
        0,
        "6 records and 2 shards are intact.\n",
    )
    path = sorted((bank / "shards").iterdir())[0]
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)
    done = call("bank", "verify", bank)
    assert done.returncode == 1
    assert "records fail their checksum" in done.stdout
    assert "clip-" in done.stdout
    assert "prune --damaged" in done.stdout


def test_prune_says_then_does(call, bank):
    done = call("bank", "prune", bank, "--max-size", "1KB")
    assert "Nothing was changed. Add --yes to do this." in done.stdout
    assert len(HeadBank(bank)) == 6
    done = call("bank", "prune", bank, "--max-size", "0", "--yes")
    assert "6 records" in done.stdout
    assert "were removed" in done.stdout
    assert len(HeadBank(bank)) == 0


def test_prune_merges(call, bank):
    assert "2 shards were rewritten" in call("bank", "prune", bank, "--yes").stdout
    assert len(list((bank / "shards").iterdir())) == 1


def test_export(call, bank, tmp_path):
    done = call("bank", "export", bank, "--out", tmp_path / "out")
    assert done.returncode == 0
    (folder,) = (tmp_path / "out").iterdir()
    assert f"written: {folder}" in done.stdout


def test_what_is_no_bank(call, tmp_path):
    done = call("bank", "info", tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"error: {str(tmp_path)!r} is not a head bank (it has no folder 'shards').\n"


def test_help_is_quick_and_light(launch):
    done = launch("bank", "--help", check=True)
    assert "launch.py bank prune" in done.stdout
    code = (
        f"import sys; sys.path.insert(0, {str(REPO)!r})\n"
        "import calm_pl.commands.main as m\n"
        "try: m.main(['bank', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("text", "size"), [("500", 500), ("1.5KB", 1500), ("50GB", 50e9), ("2 t", 2e12), ("7MB", 7e6)]
)
def test_sizes(text, size):
    assert size_in_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "span"), [("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)]
)
def test_spans(text, span):
    assert span_in_seconds(text) == span


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e3", "5 days"])
def test_neither_size_nor_span(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a size such as"):
        size_in_bytes(text)
    with pytest.raises(argparse.ArgumentTypeError, match="is not a duration such as"):
        span_in_seconds(text)
