"""How words sound: phonemes from espeak-ng and a fixed embedding made of them alone.

Words that sound alike get similar embeddings. A word that no training clip ever spoke still has
one, so that the model can be asked about words it was never taught.
"""

from __future__ import annotations

import subprocess
from functools import cache

import numpy as np

ATTRIBUTES: dict[str, str] = {
    "p": "stop labial", "b": "stop labial voiced", "t": "stop alveolar",
    "d": "stop alveolar voiced", "k": "stop velar", "g": "stop velar voiced",
    "tS": "affricate palatal sibilant", "dZ": "affricate palatal sibilant voiced",
    "f": "fricative labial", "v": "fricative labial voiced", "T": "fricative dental",
    "D": "fricative dental voiced", "s": "fricative alveolar sibilant",
    "z": "fricative alveolar sibilant voiced", "S": "fricative palatal sibilant",
    "Z": "fricative palatal sibilant voiced", "h": "fricative glottal",
    "m": "nasal labial voiced", "n": "nasal alveolar voiced", "N": "nasal velar voiced",
    "l": "liquid alveolar voiced", "r": "liquid rhotic voiced", "w": "glide labial voiced back",
    "j": "glide palatal voiced front",
    "i:": "vowel front high tense", "I": "vowel front high", "E": "vowel front mid",
    "a": "vowel front low", "A:": "vowel back low", "O:": "vowel back mid round",
    "V": "vowel central low", "U": "vowel back high round", "u:": "vowel back high round tense",
    "eI": "vowel front mid tense rising", "aI": "vowel low front rising",
    "OI": "vowel back mid round rising", "aU": "vowel low back rounding",
    "oU": "vowel back mid round rounding", "3:": "vowel central mid rhotic",
    "@": "vowel central mid",
}  # fmt: skip
"""Phonemes of English with the attributes that make some of them alike."""

PHONEMES: tuple[str, ...] = tuple(ATTRIBUTES)

SPELLINGS: dict[str, tuple[str, ...]] = {
    "A@": ("A:", "r"), "O@": ("O:", "r"), "o@": ("O:", "r"), "e@": ("E", "r"), "i@3": ("I", "r"),
    "i@": ("I", "@"), "U@": ("U", "r"), "aI@": ("aI", "@"), "aI3": ("aI", "3:"),
    "aU@": ("aU", "@"), "@L": ("@", "l"), "I2": ("I",), "I#": ("I",), "a#": ("@",), "@2": ("@",),
    "@5": ("@",), "3": ("3:",), "aa": ("a",), "0": ("A:",), "0#": ("@",), "O": ("O:",),
    "i": ("i:",), "u": ("u:",), "t2": ("t",), "t#": ("t",), "d#": ("d",), "l#": ("l",),
    "e": ("E",), "A": ("A:",), "r-": ("r",), "w#": ("w",), "n-": ("n",), "z#": ("z",),
    "E2": ("E",), "E#": ("E",), "o": ("oU",), "3:r": ("3:",), "oUl": ("oU", "l"), "u#": ("U",),
    "U#": ("U",), "V#": ("V",), "@-": ("@",), "hw": ("w",),
}  # fmt: skip
"""What espeak-ng writes besides the phonemes above, and what it is taken for."""

EMBEDDING_SEED = 1207
SLOTS = 4


def parse(mnemonics: str) -> tuple[str, ...]:
    """Split espeak-ng's phoneme mnemonics into phonemes, longest match first."""
    known = {phoneme: (phoneme,) for phoneme in PHONEMES} | SPELLINGS
    text = "".join(symbol for symbol in mnemonics.strip() if symbol not in "',%=_|;~?! ")
    phonemes: list[str] = []
    while text:
        for width in (3, 2, 1):
            if text[:width] in known and len(text) >= width:
                phonemes += known[text[:width]]
                text = text[width:]
                break
        else:
            if text[0] not in ":-#*2":
                raise ValueError(f"Unknown espeak-ng phoneme at {text!r} in {mnemonics!r}")
            text = text[1:]
    return tuple(phonemes)


@cache
def pronounce(words: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Ask espeak-ng how it pronounces each word in American English."""
    command = ["espeak-ng", "-q", "-x", "-v", "en-us"]
    spoken: dict[str, tuple[str, ...]] = {}
    for word in words:
        answer = subprocess.run([*command, word], check=True, capture_output=True, text=True)
        spoken[word] = parse(answer.stdout)
    return spoken


def _phoneme_vectors(width: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(EMBEDDING_SEED)
    names = sorted({name for text in ATTRIBUTES.values() for name in text.split()})
    attributes = {name: rng.standard_normal(width) for name in names}
    vectors = {}
    for phoneme, text in ATTRIBUTES.items():
        shared = sum((attributes[name] for name in text.split()), np.zeros(width))
        own = rng.standard_normal(width)
        vector = shared / np.linalg.norm(shared) + own / np.linalg.norm(own)
        vectors[phoneme] = vector / np.linalg.norm(vector)
    return vectors


def embed_pronunciations(pronunciations: list[tuple[str, ...]], width: int, inner: int = 64) -> np.ndarray:
    """Return unit vectors `(words, width)`: phonemes summed into soft slots from start to end."""
    vectors = _phoneme_vectors(inner)
    rng = np.random.default_rng(EMBEDDING_SEED + 1)
    projection = rng.standard_normal((SLOTS * inner, width)) / np.sqrt(width)
    centres = np.linspace(0, 1, SLOTS)
    rows = []
    for phonemes in pronunciations:
        place = (np.arange(len(phonemes)) + 0.5) / len(phonemes)
        weights = np.maximum(0, 1 - np.abs(place[:, None] - centres[None]) * (SLOTS - 1))
        table = weights.T @ np.stack([vectors[phoneme] for phoneme in phonemes])
        rows.append((table / np.linalg.norm(table)).reshape(-1) @ projection)
    out = np.stack(rows)
    return out / np.linalg.norm(out, axis=1, keepdims=True)
