"""Every damage is seen, costs only the records it hit, and never reaches a reader."""

import logging
import os
import re
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_records import IDENTITY, key, records, same, shards

from calm_pl.bank import HeadBank, LostRecords, Wish, prune, verify


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A bank of two shards: records 0 to 3, and 4 to 9."""
    folder = tmp_path_factory.mktemp("sound") / "bank"
    HeadBank(folder).append(records(range(4)), IDENTITY)
    HeadBank(folder).append(records(range(4, 10)), IDENTITY)
    return folder


@pytest.fixture
def bank_folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "bank")


def shard_with(folder, number):
    return next(p for p in shards(folder) if f'"clip-{number}"'.encode() in p.read_bytes())


def flip(path, offset, bit):
    data = bytearray(path.read_bytes())
    data[offset % len(data)] ^= 1 << bit
    path.write_bytes(data)


damages = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@damages
@given(offset=st.integers(0, 10**6), bit=st.integers(0, 7), which=st.integers(0, 1))
def test_every_flipped_bit_is_detected_and_never_read(sound, tmp_path, offset, bit, which):
    folder = tmp_path / "bank"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
    path = shards(folder)[which]
    flip(path, offset, bit)
    (fault,) = verify(folder).faults
    assert fault.shard == path.name
    reads_right_or_not_at_all(folder, fault.num_lost)


@damages
@given(left=st.integers(0, 10**6), which=st.integers(0, 1))
def test_every_truncation_is_detected_and_never_read(sound, tmp_path, left, which):
    folder = tmp_path / "bank"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
    path = shards(folder)[which]
    held = len(HeadBank(folder)) - (4 if path == shard_with(folder, 4) else 6)
    os.truncate(path, left % path.stat().st_size)
    (fault,) = verify(folder).faults
    assert fault.shard == path.name
    assert fault.num_lost == held
    reads_right_or_not_at_all(folder, held)


def reads_right_or_not_at_all(folder, num_lost):
    bank = HeadBank(folder)
    keys = [key(n) for n in range(10)]
    present = bank.find(keys, verified=True).present_N.tolist()
    assert present.count(False) == num_lost
    there = [n for n in range(10) if present[n]]
    assert same(bank.read([keys[n] for n in there]), records(there))
    for n in set(range(10)) - set(there):
        with pytest.raises(LostRecords):
            bank.read([keys[n]])


@pytest.mark.parametrize("verified", [False, True])
def test_a_damaged_record_alone_is_computed_again(bank_folder, verified, caplog):
    path = shard_with(bank_folder, 7)
    raw = records([7]).vectors_NHD.numpy().tobytes()
    flip(path, path.read_bytes().index(raw) + 5, 3)
    bank = HeadBank(bank_folder)
    keys = [key(n) for n in range(10)]
    found = bank.find(keys, verified=verified)
    if not verified:
        assert found.present_N.all()
        with pytest.raises(LostRecords, match=r"1 records of the bank .* to recompute them") as caught:
            bank.read(keys)
        assert caught.value.keys == [key(7)]
        found = bank.find(keys)
    assert found.missing == [7]
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert path.name in caplog.text
    assert bank.append(records(range(10)), IDENTITY) == 1
    assert same(bank.read(keys), records(range(10)))
    # A later process meets the damaged copy first and takes the sound one.
    assert same(HeadBank(bank_folder).read(keys), records(range(10)))
    (fault,) = verify(bank_folder).faults
    assert (fault.num_lost, fault.clips) == (0, [])
    prune(bank_folder, Wish(), act=True)
    assert verify(bank_folder).faults == []
    assert same(HeadBank(bank_folder).read(keys), records(range(10)))


def test_verify_names_lost_clips_and_merging_keeps_the_sound_ones(bank_folder):
    path = shard_with(bank_folder, 7)
    flip(path, path.read_bytes().index(records([8]).vectors_NHD.numpy().tobytes()), 0)
    (fault,) = verify(bank_folder).faults
    assert fault.num_lost == 1
    assert fault.clips == ["clip-8"]
    assert "1 records fail their checksum" in fault.reason
    assert prune(bank_folder, Wish(), act=True).num_damaged == 1
    assert HeadBank(bank_folder).find([key(n) for n in range(10)]).missing == [8]


def test_a_damaged_head_costs_its_shard_only(bank_folder, caplog):
    flip(shard_with(bank_folder, 0), 100, 1)
    bank = HeadBank(bank_folder)
    assert bank.find([key(n) for n in range(10)]).missing == [0, 1, 2, 3]
    assert "is damaged" in caplog.text
    bank.refresh()
    assert len(caplog.records) == 1
    bank.append(records(range(4)), IDENTITY)
    assert prune(bank_folder, Wish(damaged=True)).num_unreadable == 1
    assert prune(bank_folder, Wish(damaged=True), act=True).num_unreadable == 1
    assert verify(bank_folder).faults == []
    assert same(HeadBank(bank_folder).read([key(n) for n in range(10)]), records(range(10)))


def test_a_missing_shard_is_missed(bank_folder):
    shard_with(bank_folder, 5).unlink()
    verdict = verify(bank_folder)
    (fault,) = verdict.faults
    assert (fault.reason, fault.num_lost) == ("it is missing", 6)
    assert verdict.num_records == 4
    prune(bank_folder, Wish(damaged=True), act=True)
    assert verify(bank_folder) == (1, 4, [])


def test_shards_that_were_merged_are_not_missed(tmp_path):
    with HeadBank(tmp_path, merge_count=2) as bank:
        for n in range(9):
            bank.append(records([n]))
    assert len(shards(tmp_path)) == 1
    assert verify(tmp_path) == (1, 9, [])


def test_a_file_that_grows_shorter_under_a_reader(bank_folder):
    """Where a memory map would kill the process."""
    bank = HeadBank(bank_folder)
    os.truncate(shard_with(bank_folder, 7), 700)
    with pytest.raises(LostRecords) as caught:
        bank.read([key(n) for n in range(10)])
    assert caught.value.keys == [key(n) for n in range(4, 10)]
    assert same(bank.read([key(n) for n in range(4)]), records(range(4)))


def test_a_file_that_grew(bank_folder):
    bank = HeadBank(bank_folder)
    path = shard_with(bank_folder, 7)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(LostRecords) as caught:
        bank.read([key(n) for n in range(10)])
    assert len(caught.value.keys) == 6
    (fault,) = verify(bank_folder).faults
    assert re.fullmatch(r"it has \d+ bytes instead of \d+", fault.reason)


def test_a_sector_that_cannot_be_read(bank_folder, monkeypatch):
    bank = HeadBank(bank_folder)
    bad = shard_with(bank_folder, 7).stat().st_ino
    whole = os.preadv

    def preadv(descriptor, buffers, offset):
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(5, "Input/output error")
        return whole(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(LostRecords) as caught:
        bank.read([key(n) for n in range(10)])
    assert len(caught.value.keys) == 6
    assert "cannot be read" in verify(bank_folder).faults[0].reason


def test_reads_that_come_in_pieces(bank_folder, monkeypatch):
    """A network file system may give less than was asked for."""
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, at: whole(fd, [buffers[0][:7]], at))
    assert same(HeadBank(bank_folder).read([key(n) for n in range(10)]), records(range(10)))


def test_a_foreign_file_among_the_shards(bank_folder):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, bank_folder / "shards" / "model.safetensors")
    assert len(HeadBank(bank_folder)) == 10
    assert [fault.shard for fault in verify(bank_folder).faults] == ["model.safetensors"]


@pytest.mark.parametrize("what", ["pipe", "folder", "unreadable"])
def test_one_shard_that_cannot_be_read_counts_as_absent(sound, tmp_path, what, caplog):
    folder = shutil.copytree(sound, tmp_path / "bank")
    path = shards(folder)[0]
    held = len(HeadBank(folder))
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("/proc/self/mem")  # EIO
    bank = HeadBank(folder)
    assert 0 < len(bank) < held
    assert f"{path.name} is damaged: it cannot be read" in caplog.text
