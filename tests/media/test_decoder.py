"""Decoding in a process of its own: equal results, and a file that hangs or crashes costs only itself."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from decoder_processes import process_number, wait_for_end

from calm_pl.errors import BadClipError, RunError
from calm_pl.media import Decoder, FrameRule, load_audio, load_frames, shared_decoder

pytest_plugins = ["sound_files", "container_fixtures", "decoder_fixtures"]

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def same(ours, theirs):
    assert ours[1:] == theirs[1:]
    assert len(ours.windows) == len(theirs.windows)
    for mine, yours in zip(ours.windows, theirs.windows, strict=True):
        assert mine.dtype == yours.dtype == np.float32
        assert mine.flags.writeable
        np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("long_clips", ["start", "center", "windows"])
def test_sound_is_what_it_is_in_this_process(decoder, write, sound, sine, long_clips):
    stereo = np.stack([sine(44_100, 3.0), sine(44_100, 3.0, 1_000)], 1)
    for path in (write("a.wav", stereo, 44_100), write("a.ogg", stereo, 44_100), sound("a.m4a", stereo)):
        same(decoder.audio(path, 16_000, 1.3, long_clips), load_audio(path, 16_000, 1.3, long_clips))


def test_frames_are_what_they_are_in_this_process(decoder, video):
    path = video("a.mp4")
    for rule, seconds in ((FrameRule(num_frames=4, short_side=32), None), (FrameRule(fps=5.0), 1.0)):
        ours, theirs = decoder.frames(path, rule, seconds), load_frames(path, rule, seconds)
        np.testing.assert_array_equal(ours.pixels_THWC, theirs.pixels_THWC)
        assert ours.pixels_THWC.dtype == np.uint8
        assert ours.fps == theirs.fps


def test_bad_clips_tell_the_same_story(decoder, write, video, sine, tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "page.mp4").write_text("<html>")
    cut = write("cut.ogg", sine(16_000, 2.0))
    cut.write_bytes(cut.read_bytes()[:-100])
    mute = video("mute.mp4", frames=3)
    for path in (tmp_path / "none.wav", tmp_path / "empty.wav", tmp_path / "page.mp4", cut, mute):
        with pytest.raises(BadClipError) as here:
            load_audio(path, 16_000, 30)
        with pytest.raises(BadClipError) as there:
            decoder.audio(path, 16_000, 30)
        assert str(there.value) == str(here.value)
    with pytest.raises(BadClipError, match="'windows' takes all"):
        decoder.audio(write("long.wav", sine(16_000, 3.0)), 16_000, 1, "stop")
    with pytest.raises(BadClipError, match="is not a video"):
        decoder.frames(cut, FrameRule(num_frames=1))


def test_odd_names(decoder, write, video, sine, tmp_path):
    plain = write("a.wav", sine(16_000))
    path = shutil.copy(plain, tmp_path / "with space, ünï\ncode \N{SNOWMAN}.wav")
    same(decoder.audio(path, 16_000, 30), load_audio(plain, 16_000, 30))
    for whole in (plain, video("a.mp4", frames=3, sound=sine(16_000))):
        path = shutil.copy(whole, tmp_path / os.fsdecode(b"\xff\xfe" + os.fsencode(whole.suffix)))
        for read in (decoder.audio, load_audio):
            with pytest.raises(BadClipError, match="its name is not UTF-8"):
                read(path, 16_000, 30)


def test_relative_names_after_a_change_of_folder(decoder, write, sine, tmp_path, monkeypatch):
    decoder.audio(write("a.wav", sine(16_000)), 16_000, 30)
    (tmp_path / "sub").mkdir()
    shutil.copy(write("b.wav", sine(16_000, 0.7)), tmp_path / "sub" / "a.wav")
    monkeypatch.chdir(tmp_path / "sub")
    assert decoder.audio("a.wav", 16_000, 30).seconds == 0.7
    monkeypatch.chdir(tmp_path)
    assert decoder.audio("a.wav", 16_000, 30).seconds == 0.5


def test_one_process_reads_many_files(odd, file):
    first = process_number(odd, file("answer"))
    assert first not in (0, os.getpid())
    assert {process_number(odd, file("answer", f"{n}")) for n in range(20)} == {first}


@pytest.mark.parametrize("deed", ["sleep", "sleep-deaf"])
def test_a_decoder_that_sleeps_costs_the_clip(odd, file, deed):
    before = process_number(odd, file("answer"))
    start = time.monotonic()
    with pytest.raises(BadClipError, match=rf"{deed}\.wav: the decoder did not finish within 1\.5 s\.$"):
        odd.audio(file(deed), 8_000, 30)
    assert 1.4 < time.monotonic() - start < 10
    assert wait_for_end(before, 0.1)
    assert process_number(odd, file("answer")) != before


@pytest.mark.parametrize(
    ("deed", "how"),
    [("segfault", r"signal 11 \(SIGSEGV\)"), ("killed", r"signal 9 \(SIGKILL\)"), ("exit", "exit status 3")],
)
def test_a_decoder_that_dies_costs_the_clip(odd, file, deed, how):
    before = process_number(odd, file("answer"))
    with pytest.raises(BadClipError, match=rf"{deed}\.wav: the decoder died with {how}\.$"):
        odd.audio(file(deed), 8_000, 30)
    with pytest.raises(BadClipError, match=how):
        odd.frames(file(deed), FrameRule(num_frames=1))
    assert process_number(odd, file("answer")) != before


def test_a_file_is_not_blamed_for_what_an_earlier_one_broke(odd, file, tmp_path):
    # The first process dies over it, a fresh one does not.
    assert process_number(odd, file(f"segfault {tmp_path / 'died'}", "innocent")) > 0


@pytest.mark.parametrize("when", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_killed_between_files_is_replaced(odd, file, when):
    before = process_number(odd, file("answer"))
    os.kill(before, when)
    assert wait_for_end(before, 5)
    assert process_number(odd, file("answer")) != before


def test_a_process_killed_from_outside_over_a_file(odd, file, tmp_path):
    note = tmp_path / "began"
    before = process_number(odd, file("answer"))

    def kill():
        while not note.exists():
            time.sleep(0.01)
        os.kill(before, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert process_number(odd, file(f"sleep {note}", "long")) != before
    killer.join()


def test_a_stopped_process_is_late_too(odd, file):
    before = process_number(odd, file("answer"))
    os.kill(before, signal.SIGSTOP)
    with pytest.raises(BadClipError, match="did not finish within"):
        odd.audio(file("answer"), 8_000, 30)
    assert process_number(odd, file("answer")) != before


def test_what_libraries_print_or_read_stays_out_of_the_pipe(odd, file, capfd):
    first = process_number(odd, file("print"))
    assert process_number(odd, file("answer")) == first
    assert capfd.readouterr() == ("", "")


def test_an_exception_of_any_kind_is_the_clips_error(odd, file):
    with pytest.raises(BadClipError, match=r"fault\.wav: the decoder failed \(ZeroDivisionError: a fault of"):
        odd.audio(file("fault"), 8_000, 30)


def test_a_file_too_large_for_memory(odd, file):
    with pytest.raises(BadClipError, match=r"memory\.wav: does not fit into memory"):
        odd.audio(file("memory"), 8_000, 30)


def test_a_process_that_cannot_start_is_no_clips_fault(file, capfd):
    class Lost(Decoder):
        module = "no_such_module"

    with pytest.raises(RunError, match="did not start: it died with exit status 1"):
        Lost().audio(file("answer"), 8_000, 30)
    assert "No module named 'no_such_module'" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("deed", "how"),
    [("segfault", r"died with signal 11 \(SIGSEGV\)"), ("sleep", r"did not finish within 1\.5 s")],
)
def test_a_decoder_that_fails_midway_costs_the_recording(odd, file, deed, how):
    blocks = odd.blocks(file(deed))
    assert next(blocks).rate == 8_000
    with pytest.raises(BadClipError, match=rf"{deed}\.wav: the decoder {how}\.$"):
        next(blocks)
    assert process_number(odd, file("answer")) > 0


def test_a_recording_is_not_read_on_from_its_beginning(decoder, write, sine):
    blocks = decoder.blocks(write("long.wav", sine(16_000, 40.0)))
    next(blocks)
    decoder.close()
    with pytest.raises(BadClipError, match=r"long\.wav: its decoder was replaced midway"):
        next(blocks)


def test_an_interrupted_question_is_not_answered_later(odd, file):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = process_number(odd, file("answer"))
    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            odd.audio(file("sleep"), 8_000, 30)
    finally:
        signal.signal(signal.SIGALRM, old)
    assert process_number(odd, file("answer")) != before


def test_the_process_starts_without_torch():
    heavy = ("torch", "av", "decord")
    code = f"import sys, calm_pl.media.decoder_main; print([n for n in {heavy} if n in sys.modules])"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout == "[]\n"


def test_data_sets_share_a_decoder_for_each_limit():
    assert shared_decoder(31) is shared_decoder(31)
    assert shared_decoder(31) is not shared_decoder(32)
    assert shared_decoder(31).seconds == 31
