"""Processes that write to one bank, are killed, merge and prune; a script: forks come from a small parent.

python crowd.py killed_at_random|killed_behind|killed_everywhere|forked|together FOLDER
"""

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from made_records import IDENTITY, key, records, same  # noqa: E402

from calm_pl.bank import HeadBank, LostRecords, Wish, prune, verify  # noqa: E402
from calm_pl.bank.behind import MOST_PENDING  # noqa: E402

BATCH = 3
os.fsync = lambda descriptor: None  # what a killed process wrote, the system keeps; fsync is for power cuts


def child(work):
    """Fork; the child runs `work` and leaves without the parent's clean-up."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid


def append_from(folder, first, last, tell=lambda n: None, merge_count=3, append=HeadBank.append):
    """Append batches, telling of each that is safe, or with `append_later` of each that is handed over."""
    with HeadBank(folder, merge_count=merge_count) as bank:
        for start in range(first, last, BATCH):
            append(bank, records(range(start, start + BATCH)), IDENTITY)
            tell(start)


def check(folder, starts):
    """Every batch that was called safe is there and right; nothing else that is there is wrong."""
    bank = HeadBank(folder)
    assert not bank.damage, bank.damage
    for start in starts:
        numbers = range(start, start + BATCH)
        assert same(bank.read([key(n) for n in numbers]), records(numbers))
    verdict = verify(folder)
    assert verdict.faults == [], verdict.faults
    return bank


def killed(folder, first, last, kill, append=HeadBank.append):
    """Append in a child that dies as `kill` says; returns the batches it told of, and whether it died."""
    read_end, write_end = os.pipe()

    def work():
        kill()
        append_from(folder, first, last, lambda n: os.write(write_end, n.to_bytes(4, "big")), append=append)

    pid = child(work)
    os.close(write_end)
    _, status = os.waitpid(pid, 0)
    told = b""
    while part := os.read(read_end, 65536):
        told += part
    os.close(read_end)
    assert os.WIFSIGNALED(status) or status == 0, status
    starts = [int.from_bytes(told[i : i + 4], "big") for i in range(0, len(told), 4)]
    return starts, os.WIFSIGNALED(status)


def alarm(delay):
    """A death after so many seconds."""

    def kill():
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, delay)

    return kill


def killed_behind(folder):
    """Ten kills at random moments of processes that write in a thread: the last batches alone may be lost."""
    rng = random.Random(1)
    append_from(folder, 0, BATCH)
    at, died, told, most = BATCH, 0, 0, 0
    while died < 10:
        starts, was_killed = killed(
            folder, at, at + 90, alarm(rng.uniform(0.001, 0.06)), HeadBank.append_later
        )
        died += was_killed
        told += len(starts)
        found = check(folder, [])
        lost = [start for start in starts if not found.find([key(start)]).present_N.all()]
        assert lost == starts[len(starts) - len(lost) :]  # none but the last
        assert len(lost) <= MOST_PENDING
        most = max(most, len(lost))
        at = (starts[-1] if starts else at) + BATCH
    return {"killed": died, "batches": told, "most_lost": most}


def killed_at_random(folder):
    """Twenty kills at random moments; the next process goes on where the last one was."""
    rng = random.Random(0)
    append_from(folder, 0, BATCH)
    safe, at, died = [0], BATCH, 0
    while died < 20:
        starts, was_killed = killed(folder, at, at + 90, alarm(rng.uniform(0.001, 0.06)))
        died += was_killed
        safe += starts
        at = (starts[-1] if starts else at) + BATCH
        found = check(folder, safe)
        # At most the batch in flight is there without having been called safe.
        assert len(found) <= len(safe) * BATCH + BATCH * died
    append_from(folder, 0, at)
    prune(folder, Wish(), act=True)
    check(folder, range(0, at, BATCH))
    return {"killed": died, "batches": len(safe)}


def killed_everywhere(folder):
    """One kill before each call that touches a file, in appends, merges and closing."""
    events = ("open", "os.rename", "os.remove", "os.mkdir")
    point, completed, batches = 0, False, 0
    while not completed:
        point += 1

        def kill(point=point):
            left = [point]

            def hook(event, args):
                # Reading a head is an `os.open`, which comes as `open` too.
                if event in events and str(folder) in str(args[0]):
                    left[0] -= 1
                    if not left[0]:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)

        trial = Path(folder) / str(point)
        append_from(trial, 0, 2 * BATCH)  # what another process left
        starts, was_killed = killed(trial, 2 * BATCH, 9 * BATCH, kill)
        completed = not was_killed
        batches += len(starts)
        check(trial, [0, BATCH, *starts])
        append_from(trial, 0, 9 * BATCH)
        check(trial, range(0, 9 * BATCH, BATCH))
    return {"killed": point - 1, "batches": batches}


def forked(folder):
    """A bank with unfinished writes before a fork, written to on both sides."""
    with HeadBank(folder, merge_count=3) as bank:
        may_write = threading.Event()
        bank._behind.put(may_write.wait)
        bank.append_later(records(range(BATCH)), IDENTITY)

        def work():
            signal.alarm(60)  # the parent's writes are not waited for here: they would never end
            for n in range(10):
                bank.append_later(records([100 + n]), IDENTITY)
            bank.close()

        pid = child(work)
        may_write.set()
        for n in range(10):
            bank.append_later(records([200 + n]), IDENTITY)
        assert os.waitpid(pid, 0)[1] == 0
    found = check(folder, [0])
    return {"records": len(found)}


def together(folder):
    """Writers that overlap, a reader and two pruners at once."""
    total = 40 * BATCH
    stop = Path(folder) / "stop"

    def keep_pruning():
        while not stop.exists():
            prune(folder, Wish(), act=True, shard_bytes=4000)

    def keep_reading():
        bank, seen = HeadBank(folder), 0
        while not stop.exists():
            bank.refresh()
            keys = [key(n) for n in range(total)]
            there = [n for n, k in enumerate(keys) if bank.find([k]).present_N.all()]
            seen = max(seen, len(there))
            if not there:
                continue
            try:
                assert same(bank.read([keys[n] for n in there]), records(there))
            except LostRecords:
                continue  # merged away since; the next look finds them
        assert seen

    Path(folder, "shards").mkdir(parents=True)
    helpers = [child(keep_pruning), child(keep_pruning), child(keep_reading)]
    writers = [
        child(lambda i=i: append_from(folder, i * 10 * BATCH, i * 10 * BATCH + 20 * BATCH, merge_count=4))
        for i in range(3)
    ]
    failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in writers)
    time.sleep(0.1)
    stop.touch()
    failed += sum(os.waitpid(pid, 0)[1] != 0 for pid in helpers)
    check(folder, range(0, total, BATCH))
    prune(folder, Wish(), act=True)
    check(folder, range(0, total, BATCH))
    left = len(list(Path(folder, "shards").iterdir()))
    return {"failed": failed, "records": len(HeadBank(folder)), "expected": total, "shards": left}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](Path(sys.argv[2]))))
