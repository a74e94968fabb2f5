"""What a run of a 7B model needs per benchmark: memory, time and disk, from the sizes of Qwen2-Audio-7B."""

from __future__ import annotations

from calm_pl.data import benchmark_facts
from calm_pl.models.sizes import Widths, activation_bytes

# Of the released checkpoint's configuration.
PARAMETERS = 8_397_000_000
WIDTHS = Widths(4096, 11_008, 32, 128, 32, 32, 1280, 5120)
TOWER_PARAMETERS = 637_000_000
TOKENS_PER_SECOND, PROMPT_TOKENS = 25, 50
# About a third of what an A100 does at most in bfloat16: short prompts in small batches.
OPERATIONS_PER_SECOND = 100e12
BYTES, BATCH = 2, 8
SECONDS = {
    "esc50": 5.0,
    "urbansound8k": 4.0,
    "fsdd": 0.5,
    "speech_commands": 1.0,
    "asvspoof2019_la": 3.0,
    "audioset": 10.0,
    "vggsound": 10.0,
}
"""Length of a clip; of ASVspoof and FSDD about the mean."""


def needs_table() -> str:
    """Markdown: a row a benchmark."""
    head = "| benchmark | clips | seconds each | GPU memory, batch 8 | GPU hours | head bank |"
    rows = [head, "|---|--:|--:|--:|--:|--:|"]
    for name, seconds in SECONDS.items():
        clips = benchmark_facts(name).clips
        memory = PARAMETERS * BYTES + activation_bytes(WIDTHS, BATCH, seconds, round(tokens(seconds)), BYTES)
        bank = clips * WIDTHS.layers * WIDTHS.heads * WIDTHS.head_dim * BYTES
        rows.append(
            f"| {benchmark_facts(name).title} | {clips:,} | {seconds:g} | {memory / 2**30:.1f} GiB |"
            f" {clips * operations(seconds) / OPERATIONS_PER_SECOND / 3600:.2f} | {bank / 2**30:.1f} GiB |"
        )
    return "\n".join(rows)


def tokens(seconds: float) -> float:
    """Return the length of a prompt with a clip."""
    return seconds * TOKENS_PER_SECOND + PROMPT_TOKENS


def operations(seconds: float) -> float:
    """Return operations of one pass: two for each weight and position of decoder and tower.

    Attention among positions is left out; at these lengths it adds a few per cent.
    """
    decoder = PARAMETERS - TOWER_PARAMETERS
    return 2 * (decoder * tokens(seconds) + TOWER_PARAMETERS * seconds * 50)
