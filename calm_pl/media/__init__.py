"""Media files in, arrays out. Floor 1. Every failure names the file."""

from calm_pl.media.audio import LONG_CLIPS, Waveform, load_audio
from calm_pl.media.decoder import Decoder, shared_decoder
from calm_pl.media.frame_rule import FrameRule
from calm_pl.media.headers import Header, header_seconds, read_headers
from calm_pl.media.odd_sound import ODD_SOUND, odd_sentence, odd_sentences
from calm_pl.media.signatures import CONTAINER_SUFFIXES, MEDIA_SUFFIXES, SOUND_SUFFIXES
from calm_pl.media.video import Frames, load_frames

__all__ = [
    "CONTAINER_SUFFIXES",
    "LONG_CLIPS",
    "MEDIA_SUFFIXES",
    "ODD_SOUND",
    "SOUND_SUFFIXES",
    "Decoder",
    "FrameRule",
    "Frames",
    "Header",
    "Waveform",
    "header_seconds",
    "load_audio",
    "load_frames",
    "odd_sentence",
    "odd_sentences",
    "read_headers",
    "shared_decoder",
]
