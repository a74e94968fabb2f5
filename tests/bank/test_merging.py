"""Small shards become large ones; several hands may do it at once."""

import os

import numpy as np
import pytest
from made_records import IDENTITY, key, records, same, shards

from calm_pl.bank import HeadBank, Wish, info, prune
from calm_pl.bank.errors import ShardGone
from calm_pl.bank.shard import open_shard
from calm_pl.bank.writer import ShardWriter


def appended(folder, *batches):
    """A shard a batch, by a process that did not come to merge them."""
    bank = HeadBank(folder)
    for numbers in batches:
        bank.append(records(numbers), IDENTITY)
    return bank


def test_many_small_appends_leave_few_files(tmp_path):
    bank = HeadBank(tmp_path, merge_count=4)
    for n in range(100):
        bank.append(records([n]), IDENTITY)
        assert len(shards(tmp_path)) <= 4 * 4  # fewer than merge_count of each generation
    before = {p.name for p in shards(tmp_path)}
    bank.close()
    (path,) = shards(tmp_path)
    shard = open_shard(path)
    assert set(shard.replaces) == before
    assert len(shard) == 100
    assert same(bank.read([key(n) for n in range(100)]), records(range(100)))


def test_each_record_is_rewritten_once_a_generation_not_once_a_batch(tmp_path, monkeypatch):
    written = []
    whole = ShardWriter.write

    def write(self, kind, rows, *args, **kwargs):
        written.append(len(rows.keys))
        return whole(self, kind, rows, *args, **kwargs)

    monkeypatch.setattr(ShardWriter, "write", write)
    bank = HeadBank(tmp_path, merge_count=4)
    for n in range(256):
        bank.append(records([n]), IDENTITY)
    assert sum(written) == 256 * (1 + 4)  # 4 generations: 256 is 4 to the 4th


ALIKE = range(203, 335, 4)
"""Records whose parts are of one length each."""


@pytest.fixture
def alike(tmp_path):
    """Size of a shard of one record; 16 KiB of it are vectors."""
    HeadBank(tmp_path / "one").append(records([ALIKE[0]], heads=64, dim=64), IDENTITY)
    return open_shard(shards(tmp_path / "one")[0]).size


def test_shards_that_together_make_a_whole_one_are_merged_once(tmp_path, alike):
    bank = HeadBank(tmp_path / "bank", merge_count=4, shard_bytes=16 * alike)
    for n in ALIKE:
        bank.append(records([n], heads=64, dim=64), IDENTITY)
    bank.close()
    found = sorted((shard.generation, len(shard)) for shard in map(open_shard, shards(bank.folder)))
    assert found == [(0, 1), (1, 16), (1, 16)]
    assert same(bank.read([key(n) for n in ALIKE]), records(ALIKE, heads=64, dim=64))


@pytest.mark.parametrize(("most", "after"), [(3, 4), (8, 8), (16, 16), (17, 4)])
def test_shards_wait_only_where_that_makes_a_whole_one(tmp_path, alike, most, after):
    bank = HeadBank(tmp_path / "bank", merge_count=4, shard_bytes=most * alike)
    counts = []
    for n in ALIKE[:after]:
        bank.append(records([n], heads=64, dim=64), IDENTITY)
        counts.append(len(shards(bank.folder)))
    assert counts[:-1] == list(range(1, after))
    assert counts[-1] == (2 if most == 3 else 1)  # four are more than a whole one of three


def test_large_shards_are_left_alone(tmp_path):
    bank = HeadBank(tmp_path, merge_count=2, shard_bytes=4000)
    for n in range(0, 40, 20):
        bank.append(records(range(n, n + 20)), IDENTITY)
    assert len(shards(tmp_path)) == 2
    bank.close()
    assert len(shards(tmp_path)) == 2


@pytest.mark.parametrize(("count", "large"), [(1, False), (3, False), (4, False), (5, False), (2, True)])
def test_once_closed_every_shard_is_on_the_disk(tmp_path, monkeypatch, count, large):
    flushed, fsync = set(), os.fsync

    def remember(descriptor):
        flushed.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", remember)
    bank = HeadBank(tmp_path, merge_count=4, shard_bytes=0 if large else 2**28)
    for n in range(count):
        bank.append(records([n]), IDENTITY)
        there = [path.stat().st_ino in flushed for path in shards(tmp_path)]
        assert sum(there) == (n + 1 if large else (n + 1) // 4)  # those that wait to be merged are not
    bank.close()
    assert {path.stat().st_ino for path in shards(tmp_path)} <= flushed


def test_the_age_of_a_record_survives(tmp_path):
    appended(tmp_path, [0], [1], [2])
    before = np.sort(np.concatenate([open_shard(p).created_N for p in shards(tmp_path)]))
    prune(tmp_path, Wish(), act=True)
    assert np.array_equal(np.sort(open_shard(shards(tmp_path)[0]).created_N), before)


def test_two_that_merge_the_same_shards_leave_copies_never_a_gap(tmp_path, monkeypatch):
    """The second begins when the first has written its shard and not yet deleted anything."""
    appended(tmp_path, [0, 1], [2, 3])
    paths = shards(tmp_path)
    first, second = ShardWriter(tmp_path), ShardWriter(tmp_path)
    remove = ShardWriter.remove

    def second_comes_between(self, removed):
        monkeypatch.setattr(ShardWriter, "remove", remove)
        second.merge(paths)
        remove(self, removed)

    monkeypatch.setattr(ShardWriter, "remove", second_comes_between)
    first.merge(paths)
    assert len(shards(tmp_path)) == 2
    assert same(HeadBank(tmp_path).read([key(n) for n in range(4)]), records(range(4)))
    prune(tmp_path, Wish(), act=True)
    assert len(open_shard(*shards(tmp_path))) == 4


def test_a_merge_whose_source_vanished_changes_nothing(tmp_path):
    appended(tmp_path, [0, 1], [2, 3])
    paths = shards(tmp_path)
    paths[0].unlink()
    with pytest.raises(ShardGone):
        ShardWriter(tmp_path).merge(paths)
    assert shards(tmp_path) == [paths[1]]


def test_a_reader_follows_what_others_merge(tmp_path):
    appended(tmp_path, [0, 1], [2, 3], [4])
    reader = HeadBank(tmp_path)
    prune(tmp_path, Wish(), act=True)
    assert same(reader.read([key(n) for n in range(5)]), records(range(5)))
    reader.refresh()
    assert len(reader) == 5


def test_a_writer_follows_what_others_merge(tmp_path):
    bank = HeadBank(tmp_path, merge_count=3)
    for n in range(2):
        bank.append(records([n]), IDENTITY)
    prune(tmp_path, Wish(), act=True)
    for n in range(2, 9):
        bank.append(records([n]), IDENTITY)
    bank.close()
    assert same(HeadBank(tmp_path).read([key(n) for n in range(9)]), records(range(9)))


def test_copies_from_two_writers_are_harmless_and_merge(tmp_path):
    a, b = HeadBank(tmp_path), HeadBank(tmp_path)
    a.append(records(range(5)), IDENTITY)
    assert b.append(records(range(3, 8)), IDENTITY) == 5
    both = HeadBank(tmp_path)
    assert len(both) == 8
    assert same(both.read([key(n) for n in range(8)]), records(range(8)))
    prune(tmp_path, Wish(), act=True)
    assert len(open_shard(*shards(tmp_path))) == 8
    a.refresh()
    assert same(a.read([key(n) for n in range(8)]), records(range(8)))


def test_copies_that_fit_into_no_single_merge_go_too(tmp_path):
    a, b = HeadBank(tmp_path, shard_bytes=1), HeadBank(tmp_path, shard_bytes=1)
    for n in range(0, 40, 10):
        a.append(records(range(n, n + 10)), IDENTITY)
    for n in range(0, 40, 8):
        b.append(records(range(n, n + 8)), IDENTITY)
    assert info(tmp_path).num_copies == 40
    assert prune(tmp_path, Wish(), act=True, shard_bytes=3000).num_rewritten == 9
    found = info(tmp_path)
    assert (found.num_records, found.num_copies) == (40, 0)
    assert found.num_shards > 1
    assert same(a.read([key(n) for n in range(40)]), records(range(40)))
    prune(tmp_path, Wish(), act=True, shard_bytes=3000)
    assert prune(tmp_path, Wish(), act=True, shard_bytes=3000).num_rewritten == 0


def test_a_copy_takes_over_when_the_first_is_pruned(tmp_path):
    a, b = HeadBank(tmp_path), HeadBank(tmp_path)
    a.append(records([1]), IDENTITY)
    (old,) = shards(tmp_path)
    b.append(records([1]), IDENTITY)
    bank = HeadBank(tmp_path)
    old.unlink()
    assert same(bank.read([key(1)]), records([1]))
