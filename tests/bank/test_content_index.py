"""A file's content is known without reading it again, and never taken for another's."""

import hashlib
import json
import os
import subprocess
import sys
import zlib

import pytest
from conftest import REPO

from calm_pl.bank import ContentIndex
from calm_pl.errors import BadClipError

DECODE = {"sample_rate": 16_000, "max_seconds": 30.0, "long_clips": "start", "version": 1}


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(b"sound" * 1000)
    return path


def index(folder, settle=0.0):
    return ContentIndex(folder / "index", settle_seconds=settle)


def test_the_hash_is_of_the_bytes_and_is_remembered(tmp_path, clip):
    first = index(tmp_path)
    assert first.file_hash(clip) == hashlib.sha256(clip.read_bytes()).hexdigest()
    first.file_hash(clip)
    again = index(tmp_path)
    assert again.file_hash(clip) == first.file_hash(clip)
    assert (first.num_hashed, again.num_hashed) == (1, 0)


def test_content_follows_bytes_and_every_decode_setting(tmp_path, clip):
    known = index(tmp_path)
    base = known.content(clip, DECODE)
    copy = tmp_path / "copy.wav"
    copy.write_bytes(clip.read_bytes())
    assert known.content(copy, dict(reversed(DECODE.items()))) == base
    changed = [{**DECODE, name: "other"} for name in DECODE]
    copy.write_bytes(clip.read_bytes() + b"!")
    others = [known.content(clip, decode) for decode in changed] + [known.content(copy, DECODE)]
    assert len({base, *others}) == len(DECODE) + 2


def test_a_change_of_the_same_size_is_seen(tmp_path, clip):
    known = index(tmp_path)
    before = known.file_hash(clip)
    clip.write_bytes(b"SOUND" * 1000)
    assert known.file_hash(clip) != before


def test_a_change_that_sets_the_times_back_is_seen(tmp_path, clip):
    known = index(tmp_path)
    before = known.file_hash(clip)
    times = clip.stat()
    with clip.open("r+b") as file:
        file.write(b"other")
    os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert clip.stat().st_mtime_ns == times.st_mtime_ns
    assert known.file_hash(clip) != before
    assert index(tmp_path).file_hash(clip) != before


def hashed_again(tmp_path, path, clip):
    """Return the hash by a new index, which must believe nothing in `path`; remove what it writes."""
    again = index(tmp_path)
    found = again.file_hash(clip)
    assert again.num_hashed == 1
    for extra in (tmp_path / "index").iterdir():
        if extra != path:
            extra.unlink()
    return found


def test_a_file_on_another_device_is_read_and_lines_that_do_not_say_are_passed_over(tmp_path, clip):
    want = index(tmp_path).file_hash(clip)
    (path,) = (tmp_path / "index").iterdir()
    name, size, mtime, ctime, inode, device, _ = json.loads(path.read_text().partition(" ")[2])
    for stamp in ([size, mtime, ctime, inode, device + 1], [size, mtime, ctime, inode]):
        entry = json.dumps([name, *stamp, "0" * 64])
        path.write_text(f"{zlib.crc32(entry.encode()):08x} {entry}\n")
        assert hashed_again(tmp_path, path, clip) == want


def test_a_file_that_just_changed_is_not_remembered(tmp_path, clip):
    known = index(tmp_path, settle=60)
    known.file_hash(clip)
    known.file_hash(clip)
    assert known.num_hashed == 2
    assert not (tmp_path / "index").exists()


def test_damaged_and_torn_lines_are_not_believed(tmp_path, clip):
    want = index(tmp_path).file_hash(clip)
    (path,) = (tmp_path / "index").iterdir()
    line = path.read_bytes()
    for at in range(len(line) - 1):
        for damaged in (line[:at], line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]):
            path.write_bytes(damaged)
            assert hashed_again(tmp_path, path, clip) == want


def test_each_process_has_a_file_of_its_own(tmp_path, clip):
    code = f"""
import sys
sys.path.insert(0, {str(REPO)!r})
from pathlib import Path
from calm_pl.bank import ContentIndex
import os
known = ContentIndex({str(tmp_path / "index")!r}, settle_seconds=0.0)
known.file_hash({str(clip)!r})
if os.fork() == 0:
    known.file_hash({str(tmp_path / "b")!r})
    os._exit(0)
os.wait()
known.file_hash({str(tmp_path / "c")!r})
"""
    (tmp_path / "b").write_text("b")
    (tmp_path / "c").write_text("c")
    subprocess.run([sys.executable, "-c", code], check=True)
    files = sorted((tmp_path / "index").iterdir(), key=lambda p: p.stat().st_size)
    assert [len(p.read_bytes().splitlines()) for p in files] == [1, 2]
    known = index(tmp_path)
    for name in ("clip.wav", "b", "c"):
        known.file_hash(tmp_path / name)
    assert known.num_hashed == 0


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(BadClipError, match=r"gone\.wav: no such file"):
        index(tmp_path).content(tmp_path / "gone.wav", DECODE)
    with pytest.raises(BadClipError, match="cannot be read"):
        index(tmp_path).content(tmp_path, DECODE)


def test_a_file_that_grows_while_it_is_read(tmp_path, clip, monkeypatch):
    fstat, calls = os.fstat, []

    def grows(descriptor):
        calls.append(descriptor)
        with clip.open("ab") as file:
            file.write(b"x")
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", grows)
    with pytest.raises(BadClipError, match="changed while it was read"):
        index(tmp_path).file_hash(clip)
