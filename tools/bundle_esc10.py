"""Make the bundled recordings: a subset of ESC-10, 16 kHz mono Ogg, in the official ESC-50 layout.

    python tools/bundle_esc10.py ESC10_ROOT calm_pl/assets/esc10

Takes `PER_FOLD` clips of each class from each fold, one of each source recording before a second of any.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from pathlib import Path

import soundfile

from calm_pl.media import load_audio

PER_FOLD = 6
RATE = 16_000
SECONDS = 5.0  # as in ESC-50; ESC-10's Ogg files carry a few milliseconds of padding
COMPRESSION = 0.7  # of libsndfile's Vorbis encoder, 0 best quality, 1 smallest
NOTICE = """\
The recordings in this folder are a subset of ESC-10 (K. J. Piczak, "ESC: Dataset for Environmental Sound
Classification", ACM Multimedia 2015), licensed CC BY 3.0. Changes: {count} of 400 clips were kept, resampled
from 44.1 kHz to 16 kHz mono, cut to 5.0 s (their Ogg padding) and encoded again as Ogg
Vorbis; `meta/esc50.csv` lists just these.
What follows is the original notice, with the credits of the clips that were kept.

"""


def freely_licensed(text: str) -> set[str]:
    """Stems of the clips that are credited as CC0 or CC-BY: all but two, which are CC-Sampling+."""
    return set(re.findall(r"^- \[(.+)\.ogg\]:.*\[(?:CC0|CC-BY)\]", text, flags=re.MULTILINE))


def choose(rows: list[dict[str, str]], free: set[str]) -> list[dict[str, str]]:
    """`PER_FOLD` rows of each (fold, class), spread over source recordings, in the order of `rows`."""
    cells: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        if credit_name(row) in free:
            cells[row["fold"], row["target"]].append(row)
    kept: set[str] = set()
    for cell in cells.values():
        takes_so_far: dict[str, int] = defaultdict(int)
        turns = []
        for row in sorted(cell, key=lambda r: r["filename"]):
            turns.append((takes_so_far[row["src_file"]], row["filename"]))
            takes_so_far[row["src_file"]] += 1
        kept.update(name for _, name in sorted(turns)[:PER_FOLD])
    return [row for row in rows if row["filename"] in kept]


def credit_name(row: dict[str, str]) -> str:
    """The name by which the attribution text calls a clip."""
    return f"{row['fold']}-{row['src_file']}-{row['take']}"


def credits(text: str, kept: list[dict[str, str]]) -> str:
    """The attribution text without the credit lines of clips that were left out."""
    names = {credit_name(row) for row in kept}
    lines = []
    for line in text.splitlines():
        match = re.match(r"- \[(.+)\.ogg\]:", line)
        if match is None or match[1] in names:
            lines.append(line)
    return "\n".join(lines) + "\n"


def main(source: Path, target: Path) -> None:
    """Write the subset of `source` to `target`."""
    (target / "audio").mkdir(parents=True, exist_ok=True)
    (target / "meta").mkdir(exist_ok=True)
    with (source / "meta" / "esc50.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    text = (source / "ATTRIBUTION.txt").read_text(encoding="utf-8")
    kept = choose(rows, freely_licensed(text))
    for row in kept:
        clip = load_audio(source / "audio" / row["filename"], RATE, SECONDS)
        soundfile.write(
            target / "audio" / row["filename"],
            clip.windows[0],
            RATE,
            format="OGG",
            subtype="VORBIS",
            compression_level=COMPRESSION,
        )
    with (target / "meta" / "esc50.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    notice = NOTICE.format(count=len(kept))
    (target / "ATTRIBUTION.txt").write_text(notice + credits(text, kept), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
