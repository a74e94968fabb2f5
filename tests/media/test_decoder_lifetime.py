"""Decoders in threads, copies and workers, and how their processes end."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading

import pytest
from decoder_processes import process_number, wait_for_end
from odd_decoder import OddDecoder
from torch.utils.data import DataLoader, Dataset

from calm_pl.errors import BadClipError
from calm_pl.media import Decoder

pytest_plugins = ["sound_files", "container_fixtures", "decoder_fixtures"]

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_threads_take_turns(decoder, write, sine):
    paths = [write(f"{n}.wav", sine(16_000, 0.2 + 0.1 * n)) for n in range(5)]
    wrong = []

    def read():
        for n, path in enumerate(paths * 4):
            if decoder.audio(path, 16_000, 30).seconds != pytest.approx(0.2 + 0.1 * (n % 5)):
                wrong.append(n)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_pickled_copy_has_a_process_of_its_own(odd, file):
    first = process_number(odd, file("answer"))
    with pickle.loads(pickle.dumps(odd)) as copy:  # noqa: S301 - what spawn does
        assert copy.seconds == odd.seconds
        assert process_number(copy, file("answer")) != first
    assert process_number(odd, file("answer")) == first


class Answers(Dataset):
    """Numbers of the processes that answered and asked."""

    def __init__(self, decoder, paths):
        self.decoder, self.paths = decoder, paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        try:
            return process_number(self.decoder, self.paths[index]), os.getpid()
        except BadClipError as error:
            return str(error), os.getpid()


@LINUX
@pytest.mark.parametrize(
    ("num_workers", "start", "used_before"),
    [(0, None, False), (2, "fork", False), (2, "fork", True), (1, "spawn", True)],
)
def test_in_dataloader_workers(odd, file, num_workers, start, used_before):
    deeds = ["answer", "sleep", "answer", "segfault", "answer", "answer"]
    paths = [file(deed, f"{n}-{deed}") for n, deed in enumerate(deeds)]
    own = process_number(odd, paths[0]) if used_before else None
    loader = DataLoader(
        Answers(odd, paths),
        batch_size=None,
        num_workers=num_workers,
        multiprocessing_context=start,
    )
    found = list(loader)
    for deed, path, (answer, _) in zip(deeds, paths, found, strict=True):
        if deed == "answer":
            assert isinstance(answer, int)
        else:
            assert answer.startswith(f"{path}: the decoder ")
    askers = {asker for _, asker in found}
    assert len(askers) == max(1, num_workers)
    if num_workers:
        assert os.getpid() not in askers
        assert own not in [answer for answer, _ in found]
        for answer, _ in found:  # they ended with their workers
            assert isinstance(answer, str) or wait_for_end(answer, 5)
        if used_before:
            assert process_number(odd, paths[0]) == own  # the workers left it alone


@LINUX
@pytest.mark.parametrize("deed", ["answer", "sleep"])
def test_it_ends_with_the_process_that_holds_it(file, tmp_path, deed):
    code = f"""
import os, signal, sys, threading, time
sys.path[:0] = {sys.path!r}
from odd_decoder import OddDecoder
decoder = OddDecoder(100)
print(int(decoder.audio({str(file("answer"))!r}, 8_000, 30).windows[0][0]), flush=True)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
decoder.audio({str(file(deed))!r}, 8_000, 30)
time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert wait_for_end(int(done.stdout), 5)


@LINUX
def test_an_orphan_that_hears_nothing_ends_soon_after_the_limit(file):
    code = f"""
import os, signal, sys, threading
sys.path[:0] = {sys.path!r}
from calm_pl.media import decoder_process
from odd_decoder import OddDecoder
decoder = OddDecoder(1.0)
print(int(decoder.audio({str(file("answer"))!r}, 8_000, 30).windows[0][0]), flush=True)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
decoder.audio({str(file("sleep-deaf"))!r}, 8_000, 30)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert wait_for_end(int(done.stdout), 12)


@LINUX
def test_nothing_is_left_behind(file):
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    def children():
        with open(f"/proc/self/task/{os.getpid()}/children") as listing:
            return listing.read().split()

    with OddDecoder(5) as decoder:  # what is imported with the first
        decoder.audio(file("answer"), 8_000, 30)
    gc.collect()  # decoders of other tests, too
    files, others, threads = open_files(), children(), threading.active_count()
    for _ in range(3):
        with OddDecoder(0.4) as decoder:
            for deed in ("answer", "segfault", "sleep"):
                Answers(decoder, [file(deed)])[0]
        assert (open_files(), children(), threading.active_count()) == (files, others, threads)
    decoder = OddDecoder(5)
    number = process_number(decoder, file("answer"))
    del decoder  # never closed
    gc.collect()
    assert wait_for_end(number, 5)
    assert (open_files(), children(), threading.active_count()) == (files, others, threads)


def test_closing_twice_or_early_does_nothing(odd, file):
    odd.close()
    odd.close()
    first = process_number(odd, file("answer"))
    odd.close()
    assert process_number(odd, file("answer")) != first


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(seconds):
    with pytest.raises(ValueError, match="`seconds` to be finite and above 0"):
        Decoder(seconds)
