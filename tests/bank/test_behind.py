"""Records handed to the bank's thread are written as if the caller had waited."""

import errno
import itertools
import os
import secrets
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import REPO
from made_records import IDENTITY, key, records, same

from calm_pl.bank import ContentIndex, HeadBank
from calm_pl.bank.behind import MOST_PENDING, WriteBehind
from calm_pl.data.loading import banked
from calm_pl.data.loading.batches import MediaRule
from calm_pl.errors import RunError


def threads():
    return [one for one in threading.enumerate() if one.name.startswith("calm_pl_bank")]


def test_files_are_the_same_to_the_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    monkeypatch.setattr(secrets, "token_hex", lambda n: "ab" * n)
    batches = [[n, n + 1, n] for n in range(0, 40, 2)] + [[0, 99]]  # some twice
    for name in ("now", "later"):
        with HeadBank(tmp_path / name, merge_count=4) as bank:
            for numbers in batches:
                (bank.append if name == "now" else bank.append_later)(records(numbers), IDENTITY)
    now, later = (
        {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("now", "later")
    )
    assert len(now) > 2
    assert now == later
    assert not threads()


def test_whatever_looks_at_the_bank_finds_what_it_was_given(tmp_path):
    bank = HeadBank(tmp_path)
    looks = (
        len,
        HeadBank.wait,
        HeadBank.refresh,
        lambda b: b.find([key(0)]),
        lambda b: b.read([key(0)]),
        lambda b: b.append(records([0])),
        HeadBank.close,
    )
    for number, look in enumerate(looks):
        bank.append_later(records([number]), IDENTITY)
        look(bank)
        assert not threads()
        assert len(HeadBank(tmp_path)) == number + 1


def test_what_the_caller_changes_afterwards_is_not_stored(tmp_path):
    bank, given = HeadBank(tmp_path), records([1, 2])
    bank.append_later(given, IDENTITY)
    given.vectors_NHD.zero_()
    given.option_scores_NO.zero_()
    assert same(bank.read([key(1), key(2)]), records([1, 2]))


def test_a_caller_waits_only_while_too_many_writes_are_unfinished():
    behind, may_write, done = WriteBehind(), threading.Event(), []

    def write(number):
        may_write.wait()
        done.append(number)

    for number in range(MOST_PENDING):
        behind.put(lambda number=number: write(number))
    assert not done
    waiting = threading.Thread(target=behind.put, args=(lambda: write(MOST_PENDING),))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    may_write.set()
    waiting.join()
    behind.finish()
    assert done == list(range(MOST_PENDING + 1))
    assert not threads()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize(
    "look", [HeadBank.wait, HeadBank.close, lambda bank: bank.append_later(records([9]))]
)
def test_a_failed_write_is_told_once_in_the_same_words(tmp_path, monkeypatch, number, look):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    bank = HeadBank(tmp_path)
    bank.append(records([0]), IDENTITY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(RunError) as at_once:
            bank.append(records([1, 2]), IDENTITY)
        bank.append_later(records([1, 2]), IDENTITY)
        bank._behind._pending[0].exception()  # waits until the write has failed
        with pytest.raises(RunError) as later:
            look(bank)
    assert str(later.value) == str(at_once.value)
    assert not threads()
    bank.append_later(records([1, 2]), IDENTITY)
    bank.close()
    assert same(HeadBank(tmp_path).read([key(n) for n in range(3)]), records(range(3)))


def test_writes_after_one_that_failed_are_tried(tmp_path, monkeypatch):
    rename, calls = os.rename, itertools.count()

    def refuse_first(*paths):
        if next(calls) == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(*paths)

    monkeypatch.setattr(os, "rename", refuse_first)
    bank, may_write = HeadBank(tmp_path), threading.Event()
    bank._behind.put(may_write.wait)
    bank.append_later(records([1]), IDENTITY)
    bank.append_later(records([2]), IDENTITY)
    may_write.set()
    with pytest.raises(RunError, match="is full"):
        bank.wait()
    assert bank.find([key(1), key(2)]).present_N.tolist() == [False, True]


def test_what_a_rank_encoded_is_written_before_the_ranks_look_it_up(tmp_path, monkeypatch):
    bank, writing = HeadBank(tmp_path), []

    def exchange(mine):
        writing.append(len(threads()))
        return mine

    monkeypatch.setattr(banked, "concatenate_over_ranks", exchange)
    bank.append_later(records([1]), IDENTITY)
    link = banked.BankLink(bank, ContentIndex(tmp_path / "content"), IDENTITY)
    banked.look_up(link, [], MediaRule(16_000, 30), str)
    assert writing == [0, 0]


def test_an_interrupted_close_leaves_the_shards_to_the_thread(tmp_path, monkeypatch):
    bank, may_write = HeadBank(tmp_path), threading.Event()
    bank.append(records([1]), IDENTITY)
    bank.append(records([2]), IDENTITY)
    bank._behind.put(may_write.wait)
    bank.append_later(records([3]), IDENTITY)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", lambda *_: signal.raise_signal(signal.SIGINT))
        patch.setattr(bank, "_merge", lambda shards: pytest.fail("merged beside the thread"))
        with pytest.raises(KeyboardInterrupt):
            bank.close()
    may_write.set()
    bank.close()
    assert not threads()
    assert same(HeadBank(tmp_path).read([key(n) for n in (1, 2, 3)]), records([1, 2, 3]))


def test_nothing_is_lost_where_a_process_ends_without_closing(tmp_path):
    code = f"""
import sys
sys.path[:0] = [{str(REPO)!r}, {str(REPO / "tests" / "bank")!r}]
from calm_pl.bank import HeadBank
from made_records import IDENTITY, records
bank = HeadBank({str(tmp_path / "bank")!r})
for n in range(5):
    bank.append_later(records([n]), IDENTITY)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert same(HeadBank(tmp_path / "bank").read([key(n) for n in range(5)]), records(range(5)))
