"""Make three data sets in official layouts out of ESC-10 and FSDD.

    python benchmarks/make_sets.py --esc10 DIR --fsdd DIR --out DIR

- `audioset/`: mixes of one to three ESC-10 clips of different classes, in the AudioSet layout.
- `asvspoof/`: FSDD recordings (bona fide) against digits spoken by espeak-ng and flite (spoof, an attack a
  voice), in the layout of ASVspoof 2019 LA. Needs both programs.
- `vggsound/`: mp4 files with the sound of ESC-10 clips and a moving square in the colour of their class, in
  the VGGSound layout.
"""

from __future__ import annotations

import argparse
import colorsys
import csv
import random
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from calm_pl.data.benchmarks.fsdd import CLASSES as DIGITS
from calm_pl.media import load_audio

RATE = 16_000
SECONDS = 5.0
# AudioSet's names of ESC-10's classes.
NAMES = {
    "dog": "Dog",
    "rooster": "Crowing, cock-a-doodle-doo",
    "rain": "Rain",
    "sea_waves": "Waves, surf",
    "crackling_fire": "Crackle",
    "crying_baby": "Baby cry, infant cry",
    "sneezing": "Sneeze",
    "clock_tick": "Tick-tock",
    "helicopter": "Helicopter",
    "chainsaw": "Chainsaw",
}
SPOOFS = {
    "A01": ["espeak-ng", "-v", "en-us"],
    "A02": ["espeak-ng", "-v", "en-gb+f3"],
    "A03": ["flite", "-voice", "slt"],
    "A07": ["espeak-ng", "-v", "en-us+m3"],
    "A08": ["espeak-ng", "-v", "en-gb-scotland+f2"],
    "A09": ["flite", "-voice", "kal"],
    "A10": ["flite", "-voice", "rms"],
}


def esc10(root: Path) -> list[dict[str, str]]:
    """Rows of `esc50.csv`."""
    with (root / "meta" / "esc50.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def waveform(root: Path, row: dict[str, str]) -> np.ndarray:
    """Five seconds, padded."""
    samples = load_audio(root / "audio" / row["filename"], RATE, SECONDS).windows[0]
    return np.pad(samples, (0, int(RATE * SECONDS) - len(samples)))


def make_audioset(source: Path, out: Path, rng: random.Random) -> None:
    """300 mixes of folds 1 to 3 for the support, 200 of folds 4 and 5 for the query."""
    labels = {label: f"/m/{n:05d}" for n, label in enumerate(NAMES)}
    out.mkdir(parents=True)
    with (out / "class_labels_indices.csv").open("w", newline="") as file:
        file.write("index,mid,display_name\n")
        for n, (label, mid) in enumerate(labels.items()):
            file.write(f'{n},{mid},"{NAMES[label]}"\n')
    for split, folds, count in (("balanced_train", "123", 300), ("eval", "45", 200)):
        by_label = defaultdict(list)
        for row in esc10(source):
            if row["fold"] in folds:
                by_label[row["category"]].append(row)
        (out / "audio" / split).mkdir(parents=True)
        lines = []
        for n in tqdm(range(count), desc=split, disable=None):
            chosen = rng.sample(sorted(by_label), rng.choice((1, 2, 2, 3)))
            mix = sum(waveform(source, rng.choice(by_label[label])) for label in chosen)
            name = f"{split[:4]}{n:07d}"
            peak = max(1e-6, float(np.abs(mix).max()))
            soundfile.write(out / "audio" / split / f"{name}.flac", 0.9 * mix / peak, RATE)
            lines.append(f'{name}, 0.000, 5.000, "{",".join(labels[label] for label in chosen)}"')
        header = ["# Segments csv of mixed ESC-10 clips", f"# num_ytids={count}", "# YTID, start_seconds,"]
        header[2] += " end_seconds, positive_labels"
        (out / f"{split}_segments.csv").write_text("\n".join([*header, *lines]) + "\n")


def speak(command: list[str], digit: str, pace: int) -> np.ndarray:
    """One synthetic digit at `RATE`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digit.wav"
        if command[0] == "flite":
            stretch = f"duration_stretch={160 / pace:.3f}"
            run = [*command, "--setf", stretch, "-t", digit, "-o", str(path)]
        else:
            run = [*command, "-s", str(pace), "-w", str(path), digit]
        subprocess.run(run, check=True, capture_output=True)
        return load_audio(path, RATE, SECONDS).windows[0]


def make_asvspoof(source: Path, out: Path, rng: random.Random) -> None:
    """One bona fide digit to about nine spoofed ones; the query has other speakers and attacks."""
    speakers = sorted({path.stem.split("_")[1] for path in (source / "recordings").glob("*.wav")})
    protocols = out / "ASVspoof2019_LA_cm_protocols"
    protocols.mkdir(parents=True)
    plan = (
        ("train", "T", "trn", speakers[:3], ("A01", "A02", "A03"), 60, 270),
        ("dev", "D", "trl", speakers[3:4], ("A01", "A02", "A03"), 20, 90),
        ("eval", "E", "trl", speakers[4:], ("A07", "A08", "A09", "A10"), 100, 600),
    )
    for split, letter, suffix, voices, attacks, real, spoofed in plan:
        folder = out / f"ASVspoof2019_LA_{split}" / "flac"
        folder.mkdir(parents=True)
        lines = []
        for n in tqdm(range(real + spoofed), desc=split, disable=None):
            name = f"LA_{letter}_{n:07d}"
            digit = rng.randrange(10)
            if n < real:
                speaker = rng.choice(voices)
                recording = source / "recordings" / f"{digit}_{speaker}_{n // 2 % 50}.wav"
                samples = load_audio(recording, RATE, SECONDS).windows[0]
                lines.append(f"LA_{speakers.index(speaker):04d} {name} - - bonafide")
            else:
                attack = rng.choice(attacks)
                samples = speak(SPOOFS[attack], DIGITS[digit], rng.randrange(130, 200))
                # The telephone band of the recordings must not tell the two apart.
                samples = band_limited(samples)
                lines.append(f"LA_{90 + int(attack[1:]):04d} {name} - {attack} spoof")
            soundfile.write(folder / f"{name}.flac", samples, RATE)
        text = "\n".join(lines) + "\n"
        (protocols / f"ASVspoof2019.LA.cm.{split}.{suffix}.txt").write_text(text)


def band_limited(samples: np.ndarray) -> np.ndarray:
    """As if recorded at 8 kHz."""
    import torch
    from torchaudio.functional import resample

    narrow = resample(torch.from_numpy(samples), RATE, 8_000)
    return resample(narrow, 8_000, RATE).numpy()


def make_vggsound(source: Path, out: Path, rng: random.Random) -> None:
    """12 clips a class for the support, 8 for the query, 320 x 240 at 10 frames a second."""
    (out / "video").mkdir(parents=True)
    by_label = defaultdict(list)
    for row in esc10(source):
        by_label[row["category"]].append(row)
    lines = []
    for c, label in enumerate(tqdm(sorted(by_label), desc="vggsound", disable=None)):
        # Recordings, so that no source is on both sides.
        sources = sorted({row["src_file"] for row in by_label[label]})
        rng.shuffle(sources)
        first = {name: next(r for r in by_label[label] if r["src_file"] == name) for name in sources}
        for n, name in enumerate(sources[:20]):
            split = "train" if n < 12 else "test"
            clip = f"{int(name) % 10**11:011d}"
            write_mp4(out / "video" / f"{clip}_000000.mp4", waveform(source, first[name]), c, rng)
            lines.append(f"{clip},0,{label.replace('_', ' ')},{split}")
    (out / "vggsound.csv").write_text("\n".join(lines) + "\n")


def write_mp4(path: Path, samples: np.ndarray, c: int, rng: random.Random) -> None:
    """A moving square in the class's colour, on noise, with its sound."""
    import av

    noise = np.random.default_rng(rng.randrange(2**32))
    colour = np.array(colorsys.hsv_to_rgb(c / 10, 0.8, 0.9)) * 255
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for n in range(int(SECONDS * 10)):
            pixels = noise.integers(0, 90, (240, 320, 3)).astype(np.uint8)
            x = (n * 7 + rng.randrange(20)) % 240
            pixels[80:160, x : x + 80] = colour
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(audio.encode(frame))
        container.mux(audio.encode())


def main() -> None:
    """Make all three."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--esc10", type=Path, required=True)
    parser.add_argument("--fsdd", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name, make, source in (
        ("audioset", make_audioset, args.esc10),
        ("asvspoof", make_asvspoof, args.fsdd),
        ("vggsound", make_vggsound, args.esc10),
    ):
        folder = args.out / name
        if folder.exists():
            print(f"{folder} is there already")
            continue
        try:
            make(source, folder, random.Random(args.seed))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # half a set would pass for a whole one
            raise


if __name__ == "__main__":
    main()
