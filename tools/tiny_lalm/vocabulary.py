"""What the model may say: sound labels, spoken words, digits and the words of its questions."""

from __future__ import annotations

import string
from pathlib import Path

ESC50_LABELS: tuple[str, ...] = (
    "dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow",
    "rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds", "water_drops", "wind",
    "pouring_water", "toilet_flush", "thunderstorm",
    "crying_baby", "sneezing", "clapping", "breathing", "coughing", "footsteps", "laughing",
    "brushing_teeth", "snoring", "drinking_sipping",
    "door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening",
    "washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking",
    "helicopter", "chainsaw", "siren", "car_horn", "engine", "train", "church_bells", "airplane",
    "fireworks", "hand_saw",
)  # fmt: skip
"""The label vocabulary of ESC-50, in its official order of targets by group."""

EXTRA_SOUND_LABELS: tuple[str, ...] = (
    "tone", "chirp", "bicycle_bell", "white_noise", "telephone_ring", "whistle", "drum",
    "guitar", "organ", "flute", "laser", "buzzer", "heartbeat", "bubbles", "gunshot", "applause",
    "steam_hiss", "motorcycle", "sonar", "owl", "wolf_howl", "zipper_pull", "coin_drop",
    "geiger_counter", "music_box", "fan", "hum", "static_radio", "printer", "ball_bounce",
    "crowd_murmur",
)  # fmt: skip
"""Further procedural sounds, for variety."""

SOUND_LABELS: tuple[str, ...] = ESC50_LABELS + EXTRA_SOUND_LABELS

DIGITS: tuple[str, ...] = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip
"""In the tokenizer, but never in the training data: they measure unseen words."""

DIGIT_HOMOPHONES: frozenset[str] = frozenset({"won", "to", "too", "for", "fore", "ate", "nein", "sicks"})

LETTERS: tuple[str, ...] = tuple(string.ascii_uppercase)

SOUND_QUESTION = "What caption does the given audio belong to?"
WORD_QUESTION = "Which word is spoken in the given audio?"
SOUND_QUESTIONS: tuple[str, ...] = (
    SOUND_QUESTION,
    "Which sound is heard in the given audio?",
    "What is the sound in this audio?",
)
WORD_QUESTIONS: tuple[str, ...] = (
    WORD_QUESTION,
    "What word does the given audio say?",
    "What caption does the given audio belong to?",
)

SPECIAL_TOKENS: tuple[str, ...] = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|audio_bos|>",
    "<|AUDIO|>",
    "<|audio_eos|>",
    "[UNK]",
)


def spoken_words() -> tuple[str, ...]:
    """Return the training words, sorted, without digits and what sounds like one."""
    text = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8")
    barred = set(DIGITS) | DIGIT_HOMOPHONES
    return tuple(sorted(set(text.split()) - barred - set(SOUND_LABELS)))


def class_names() -> tuple[str, ...]:
    """Return every class name in a fixed order: sounds, training words, digits."""
    return SOUND_LABELS + spoken_words() + DIGITS
