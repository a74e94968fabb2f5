"""What broken media files give, and how fast whole ones are read.

    python benchmarks/media.py --clips ESC10/audio --out benchmarks/results/media.json

The files of the first table are made on the spot, and each is read through a `Decoder`, for its sound and for
its frames. Rates are of one process on one thread: the Ogg clips given, and the same sound as WAV (mono and
stereo), FLAC, MP3 (with and without its length in a header) and in MP4; files are read once before,
in turns with the other ways, the quickest turn kept.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "media"))
from container_files import turn, write_sound, write_video

from calm_pl.errors import BadClipError
from calm_pl.media import Decoder, FrameRule, load_audio
from calm_pl.media.video import read_frames

RATE = 16_000
RULE = FrameRule(num_frames=8, short_side=224)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    """Samples (N,) of a sine."""
    return 0.25 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)


def cut(path: Path, share: float) -> None:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def overwrite(path: Path, old: bytes, offset: int, new: bytes) -> None:
    """Write `new` at `offset` from the first place of `old`."""
    content = bytearray(path.read_bytes())
    at = content.index(old) + offset
    content[at : at + len(new)] = new
    path.write_bytes(content)


def make_broken(folder: Path) -> dict[str, Path]:
    """Broken and odd files by what is wrong with them."""
    made: dict[str, Path] = {}

    def new(what: str, name: str) -> Path:
        made[what] = folder / f"{len(made):02d}-{name}"
        return made[what]

    new("missing", "a.wav")
    new("empty", "a.mp4").touch()
    new("a folder", "a.mp4").mkdir()
    new("a dangling link", "a.mp4").symlink_to(folder / "nowhere.mp4")
    os.mkfifo(new("a named pipe", "a.mp4"))
    new("text named .mp4", "a.mp4").write_text("This video is no longer available.\n" * 9)
    new("HTML named .wav", "a.wav").write_text("<html><body>404 Not Found</body></html>")
    new("a PNG image named .mp4", "a.mp4").write_bytes(PNG)
    new("a playlist named .mp4", "a.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    new("random bytes named .mp4", "a.mp4").write_bytes(np.random.default_rng(0).bytes(9_999))
    path = new("WAV cut in the middle", "a.wav")
    soundfile.write(path, tone(1), RATE)
    cut(path, 0.5)
    path = new("Ogg cut in the middle", "a.ogg")
    soundfile.write(path, tone(3), RATE)
    cut(path, 0.5)
    path = new("FLAC that counts more samples than it has", "a.flac")
    soundfile.write(path, tone(1), RATE)
    overwrite(path, b"fLaC", 18, (RATE << 44 | 15 << 36 | 99_000).to_bytes(8, "big"))
    samples = tone(1)
    samples[5_000] = np.nan
    soundfile.write(new("NaN in a WAV", "a.wav"), samples, RATE, subtype="FLOAT")
    soundfile.write(new("a WAV without samples", "a.wav"), np.zeros(0), RATE)
    soundfile.write(new("a WAV of 0.05 s", "a.wav"), tone(0.05), RATE)
    soundfile.write(new("a silent WAV", "a.wav"), np.zeros(RATE), RATE)
    soundfile.write(new("a WAV named .mp4", "a.mp4"), tone(1), RATE, format="WAV")
    shutil.copy(write_video(folder / "v.mp4", sound=tone(2)), new("an MP4 named .wav", "a.wav"))
    cut(write_video(new("MP4 cut in the middle", "a.mp4"), sound=tone(2)), 0.5)
    path = write_video(new("MP4 without its index", "a.mp4"), sound=tone(2))
    path.write_bytes(path.read_bytes()[: path.read_bytes().index(b"moov") - 4])
    path = write_video(new("MP4 whose sound track has no length", "a.mp4"), sound=tone(2))
    content = path.read_bytes()
    sound_track = content.rindex(b"stsz")
    path.write_bytes(content[: sound_track + 12] + bytes(4) + content[sound_track + 16 :])
    write_video(new("MP4 with a picture only", "a.mp4"))
    write_sound(new("MP4 with sound only", "a.mp4"), tone(2))
    cut(write_video(new("WebM cut in the middle", "a.webm"), codec="libvpx"), 0.5)
    path = write_video(new("MP4 with a third of its data overwritten", "a.mp4"), sound=tone(2))
    start = path.read_bytes().index(b"mdat") + 200
    overwrite(path, b"mdat", 200, np.random.default_rng(0).bytes((path.stat().st_size - start) // 3))
    turn(write_video(new("MP4 turned by 45 degrees", "a.mp4"), sound=tone(2)), 45)
    if os.geteuid() != 0:  # root may read every file
        path = new("a WAV that may not be read", "a.wav")
        soundfile.write(path, tone(1), RATE)
        path.chmod(0)
    return made


def outcome(read: Callable[[], str], path: Path) -> str:
    """What reading gave, in words."""
    try:
        return read()
    except BadClipError as error:
        return "refused: " + str(error).replace(f"{path}: ", "")


def broken_table() -> list[dict[str, str]]:
    """Each broken file and what came of it."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, Decoder(20) as decoder:

        def sound(path: Path) -> str:
            read = decoder.audio(path, RATE, 30)
            return f"read: {read.seconds:.2f} s" + (f" ({', '.join(read.odd)})" if read.odd else "")

        def frames(path: Path) -> str:
            return f"read: {len(decoder.frames(path, RULE).pixels_THWC)} frames"

        for what, path in make_broken(Path(folder)).items():
            row = {"file": what}
            for name, read in (("sound", sound), ("frames", frames)):
                row[name] = outcome(lambda read=read, path=path: read(path), path)
            rows.append(row)
    return rows


def make_whole(clips: Path, folder: Path, number: int) -> dict[str, list[Path]]:
    """The same clips as Ogg, WAV, FLAC, MP3 and MP4 (H.264 of 640 x 360 at 25 frames a second, and AAC)."""
    oggs = sorted(clips.glob("*.ogg"))[:number]
    kinds = ("wav", "stereo_wav", "flac", "mp3", "headerless_mp3", "mp4")
    files: dict[str, list[Path]] = {"ogg": oggs, **{kind: [] for kind in kinds}}
    for ogg in oggs:
        samples, rate = soundfile.read(ogg)
        for kind in ("wav", "stereo_wav", "flac", "mp3"):
            files[kind].append(folder / f"{ogg.stem}.{kind.replace('_', '.')}")
            soundfile.write(
                files[kind][-1], np.stack([samples] * 2, 1) if "stereo" in kind else samples, rate
            )
        content = files["mp3"][-1].read_bytes()
        files["headerless_mp3"].append(folder / f"{ogg.stem}.headerless.mp3")
        files["headerless_mp3"][-1].write_bytes(content[_second_frame(content) :])
        seconds = len(samples) / rate
        mono = np.interp(np.arange(int(RATE * seconds)) / RATE, np.arange(len(samples)) / rate, samples)
        path = folder / f"{ogg.stem}.mp4"
        how = {"size": (360, 640), "sound": mono, "options": {"g": "50", "preset": "veryfast"}}
        files["mp4"].append(write_video(path, frames=int(25 * seconds), **how))
    return files


def _second_frame(content: bytes) -> int:
    """Where the frame after the one that states the length begins: the next with the same sync and layer."""
    return content.index(content[:2], 4)


def rates(clips: Path, number: int, turns: int) -> dict[str, float | str]:
    """Milliseconds a clip, by what is read and how; and what it costs to start the decoder's process."""
    with tempfile.TemporaryDirectory() as folder, Decoder() as decoder:
        files = make_whole(clips, Path(folder), number)
        ways: dict[str, tuple[str, Callable[[Path], object]]] = {
            "mp4_frames_decord_here": ("mp4", lambda path: read_frames(path, RULE, None, True)),
            "mp4_frames_pyav_here": ("mp4", lambda path: read_frames(path, RULE, None, False)),
            "mp4_frames_isolated": ("mp4", lambda path: decoder.frames(path, RULE)),
        }
        for kind in files:
            ways[f"{kind}_sound_here"] = (kind, lambda path: load_audio(path, RATE, 30))
            ways[f"{kind}_sound_isolated"] = (kind, lambda path: decoder.audio(path, RATE, 30))
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn_number in range(turns + 1):
            for name, (kind, read) in ways.items():
                start = time.perf_counter()
                for path in files[kind]:
                    read(path)
                if turn_number:
                    times[name].append(1000 * (time.perf_counter() - start) / number)
        starts = []
        for _ in range(turns):
            decoder.close()
            start = time.perf_counter()
            decoder.audio(files["wav"][0], RATE, 30)
            starts.append(1000 * (time.perf_counter() - start))
    quickest = {name: round(min(values), 2) for name, values in times.items()}
    return {**quickest, "start_and_first_wav": round(min(starts), 1)}


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder of Ogg clips")
    parser.add_argument("--number", type=int, default=40, help="clips read for the rates")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    packages = ("soundfile", "av", "decord", "numpy", "torchaudio")
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "broken": broken_table(),
        "load_average": round(os.getloadavg()[0], 1),  # of the last minute; above the cores, all is slower
        "clips": args.number,
        "milliseconds_a_clip": rates(args.clips, args.number, args.turns),
    }
    for row in record["broken"]:
        print(f"{row['file']}\n    sound   {row['sound']}\n    frames  {row['frames']}")
    print(json.dumps({name: value for name, value in record.items() if name != "broken"}, indent=2))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
