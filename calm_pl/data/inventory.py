"""What a data set consists of, a sentence each: clips per class and split, files, durations, alike labels."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import median

from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.media import Header

_MANY = 10  # parts, or classes of a part, that get a word each
_SHOWN = 3
_SHORTEST_NAME = 5  # of labels in which one letter may be a slip


def class_counts(listing: Listing) -> list[str]:
    """Return a sentence per split, or per fold where folds are evaluated in turn: its clips per class."""
    parts: dict[str, list[Clip]] = {name: [] for name in _parts(listing)}
    for clip in listing.clips:
        parts.setdefault(_part(listing, clip), []).append(clip)
    parts = {name: clips for name, clips in parts.items() if clips}
    roles = _parts(listing)
    same: dict[str, list[str]] = defaultdict(list)
    for name, clips in parts.items():
        same[_classes(clips, listing.classes)].append(name + roles.get(name, " (on neither side)"))
    lines = [f"{_few(names, _MANY)}: {'each ' * (len(names) > 1)}{what}" for what, names in same.items()]
    more = [f"{len(lines) - _MANY:,} more, unlike each other"] if len(lines) > _MANY else []
    return [*lines[:_MANY], *more]


def file_kinds(headers: Iterable[Header]) -> str:
    """Return formats, sample rates and channels of files, the most frequent first."""
    headers = list(headers)
    formats = Counter(header.format or "of unknown format" for header in headers)
    rates = Counter(header.rate for header in headers if header.rate)
    channels = Counter(header.channels for header in headers if header.channels)
    named = {1: "mono", 2: "stereo"}
    parts = [
        _most(formats),
        _most({f"{rate:,} Hz": count for rate, count in rates.items()}),
        _most({named.get(n, f"of {n} channels"): count for n, count in channels.items()}),
    ]
    return "; ".join(part for part in parts if part)


def durations(seconds: Sequence[float]) -> str:
    """Return range, median and sum of some durations in seconds."""
    whole = sum(seconds)
    size, unit = next(((n, unit) for n, unit in ((3600, "h"), (60, "min")) if whole >= n), (1, "s"))
    return f"{_range(seconds, '.2f')} s, median {median(seconds):.2f} s, {whole / size:,.1f} {unit} in all"


def alike_labels(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of labels that may be one class: `car_horn` and `car horn`, `dog` and `dogs`, a slip.

    Labels whose digits differ are not meant, nor are short ones that differ in a letter.
    """
    keys: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        letters = "".join(char for char in label.casefold() if char.isalnum())
        digits = "".join(re.findall(r"\d", letters))
        # Texts one slip apart (a letter more, less, changed or swapped) share what is left without a letter.
        slips = [letters[:n] + letters[n + 1 :] for n in range(len(letters))]
        for text in {letters, letters.removesuffix("s"), *(slips if len(letters) > _SHORTEST_NAME else ())}:
            keys[f"{digits}:{text}"].add(label)
    pairs = {pair for found in keys.values() for pair in combinations(sorted(found), 2)}
    return sorted(pairs)


def _parts(listing: Listing) -> Mapping[str, str]:
    """Return the names of the parts in their order, each with what it is for."""
    if listing.folds and listing.fold is not None:
        return {f"fold {fold}": "" for fold in listing.folds}
    roles = {listing.pool: " (support)"}
    if listing.heldout is not None:
        roles[listing.heldout] = " (held-out)"
    return {**roles, listing.query: " (query)"}


def _part(listing: Listing, clip: Clip) -> str:
    return f"fold {clip.fold}" if listing.folds and listing.fold is not None else clip.split


def _classes(clips: Sequence[Clip], classes: Sequence[str]) -> str:
    """Return how many clips each class has, in as few words as it takes."""
    found = Counter(label for clip in clips for label in clip.labels)
    counts = {label: found[label] for label in classes if found[label]}
    head = f"{_count(len(clips), 'clip', 'clips')} of {_count(len(counts), 'class', 'classes')}"
    lacking = [label for label in classes if not found[label]]
    tail = f"; none of {_few(lacking)}" if lacking else ""
    if len(set(counts.values())) == 1:
        return f"{head}, {next(iter(counts.values())):,} each{tail}"
    if len(counts) <= _MANY:
        return f"{head}: {', '.join(f'{label} {count:,}' for label, count in counts.items())}{tail}"
    ranked = sorted(counts, key=lambda label: counts[label])
    ends = (
        ", ".join(f"{label} {counts[label]:,}" for label in some)
        for some in (ranked[:_SHOWN], ranked[: -_SHOWN - 1 : -1])
    )
    middle = median(counts.values())
    return f"{head}, median {middle:g}; fewest {next(ends)}; most {next(ends)}{tail}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _most(counts: Mapping[str, int]) -> str:
    """Return the most frequent of some texts."""
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    return f"all {ranked[0]}" if len(ranked) == 1 else _few([f"{counts[one]:,} {one}" for one in ranked], 5)


def _few(names: Sequence[str], shown: int = _SHOWN) -> str:
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _range(values: Sequence[float], format: str = ",") -> str:
    low, high = (f"{value:{format}}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
