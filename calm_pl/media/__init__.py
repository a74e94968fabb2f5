"""Media files in, arrays out. Floor 1. Every failure names the file."""

from calm_pl.media.audio import LONG_CLIPS, Waveform, load_audio

__all__ = ["LONG_CLIPS", "Waveform", "load_audio"]
