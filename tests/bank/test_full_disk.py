"""A full disk stops cleanly: a message, no partial shard, all before it safe, and on it goes with room."""

import errno
import os
import re
import subprocess
import sys

import pytest
from conftest import REPO
from made_records import IDENTITY, key, records, same, shards

from calm_pl.bank import HeadBank, verify
from calm_pl.errors import RunError

FULL = r"The disk that holds '.*bank' is full \(2 records could not be written: .*\); free .* run the same"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_full_at_any_point(tmp_path, monkeypatch, number, call):
    folder = tmp_path / "bank"
    bank = HeadBank(folder, shard_bytes=0)  # no shard is small: each is flushed
    bank.append(records([0]), IDENTITY)

    def refuse(*args):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(RunError, match=FULL):
            bank.append(records([1, 2]), IDENTITY)
    assert len(list((folder / "shards").iterdir())) == 1
    assert bank.append(records([1, 2]), IDENTITY) == 2
    assert same(HeadBank(folder).read([key(n) for n in range(3)]), records(range(3)))


def test_a_merge_that_has_no_room_leaves_the_small_shards(tmp_path, monkeypatch):
    bank = HeadBank(tmp_path, merge_count=2)
    bank.append(records([0]))
    count = [0]

    def full_at_the_merge(descriptor):
        count[0] += 1  # small shards are not flushed
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_at_the_merge)
        bank.append(records([1]))
    assert count[0] == 1
    assert len(list((tmp_path / "shards").iterdir())) == 2
    assert same(bank.read([key(0), key(1)]), records([0, 1]))
    bank.append(records([2]))
    bank.append(records([3]))
    assert len(shards(tmp_path)) == 1
    assert same(HeadBank(tmp_path).read([key(n) for n in range(4)]), records(range(4)))


def script(folder, before):
    return f"""
import sys
sys.path[:0] = [{str(REPO)!r}, {str(REPO / "tests" / "bank")!r}]
from calm_pl.bank import HeadBank
from calm_pl.errors import RunError
from made_records import IDENTITY, records
bank = HeadBank({str(folder)!r}, merge_count=4)
done = 0
{before}
try:
    for n in range(0, 400, 2):
        bank.append(records([n, n + 1], heads=64, dim=64), IDENTITY)
        done = n + 2
except RunError as error:
    print(error)
print(done)
"""


def stopped_cleanly(folder, done):
    message, count = done.stdout.strip().splitlines()
    assert done.returncode == 0, done.stderr
    assert re.search(FULL, message)
    assert not list((folder / "shards").glob("*.part"))
    assert verify(folder).faults == []
    numbers = range(int(count))
    assert same(HeadBank(folder).read([key(n) for n in numbers]), records(numbers, heads=64, dim=64))
    return int(count)


def test_a_limit_on_the_size_of_files(tmp_path):
    folder = tmp_path / "bank"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    done = subprocess.run([sys.executable, "-c", script(folder, limit)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    message, count = done.stdout.strip().splitlines()
    assert "is full (2 records could not be written: File too large)" in message
    assert count == "0"
    assert not list((folder / "shards").iterdir())


def test_a_small_file_system(tmp_path):
    """A real one of 1 MB; needs root to mount."""
    folder = tmp_path / "small" / "bank"
    folder.parent.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder.parent)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        done = subprocess.run([sys.executable, "-c", script(folder, "")], capture_output=True, text=True)
        first = stopped_cleanly(folder, done)
        assert 0 < first < 64
        subprocess.run(["mount", "-o", "remount,size=40m", str(folder.parent)], check=True)
        done = subprocess.run([sys.executable, "-c", script(folder, "")], capture_output=True, text=True)
        assert done.stdout.strip() == "400", done.stderr
        assert verify(folder).num_records == 400
    finally:
        subprocess.run(["umount", str(folder.parent)], check=True)
