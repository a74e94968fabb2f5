"""A genuine Qwen2.5-Omni (ears, eyes and thinker, no voice) of a tiny configuration with random weights.

    python -m calm_pl.models.tiny_omni FOLDER [--seed 0]

For trying audio-visual runs without 7B of weights, and for tests.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from calm_pl.models.tiny import byte_level_bpe, let_sound_through

_MEDIA = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *_MEDIA.values())
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% elif part['type'] == 'video' %}<|vision_bos|><|VIDEO|><|vision_eos|>"
    "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tiny_omni(folder: str | Path, seed: int = 0, window_seconds: int = 30) -> Path:
    """Write model and processor to `folder`, as `from_pretrained` reads them; returns it.

    Args:
        folder: is made where it is missing.
        seed: of the weights; equal seeds give equal files.
        window_seconds: longest clip the model hears.
    """
    from transformers import Qwen2_5OmniForConditionalGeneration

    folder = Path(folder)
    processor = _processor(window_seconds)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = Qwen2_5OmniForConditionalGeneration(_config(processor.tokenizer))
        let_sound_through(model)
    model.to(torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _processor(window_seconds: int) -> Any:
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2_5OmniProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        WhisperFeatureExtractor,
    )

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level_bpe(_SPECIAL),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        extra_special_tokens=_MEDIA,
    )
    extractor = WhisperFeatureExtractor(
        feature_size=64, sampling_rate=16_000, hop_length=160, chunk_length=window_seconds
    )
    size = {"shortest_edge": 28 * 28, "longest_edge": 4 * 28 * 28}
    return Qwen2_5OmniProcessor(
        Qwen2VLImageProcessor(size=size),
        Qwen2VLVideoProcessor(size=size),
        extractor,
        tokenizer,
        chat_template=_CHAT_TEMPLATE,
    )


def _config(tokenizer: Any) -> Any:
    from transformers import Qwen2_5OmniConfig

    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _MEDIA.items()}
    thinker = {
        "audio_config": {
            "num_mel_bins": 64,
            "d_model": 64,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 128,
            "output_dim": 96,
        },
        "vision_config": {
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 4,
            "out_hidden_size": 96,
            "fullatt_block_indexes": [1],
        },
        "text_config": {
            "vocab_size": len(tokenizer),
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_hidden_layers": 3,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        "audio_token_index": ids["audio_token"],
        "image_token_index": ids["image_token"],
        "video_token_index": ids["video_token"],
        "audio_start_token_id": ids["audio_bos_token"],
        "audio_end_token_id": ids["audio_eos_token"],
        "vision_start_token_id": ids["vision_bos_token"],
        "vision_end_token_id": ids["vision_eos_token"],
    }
    return Qwen2_5OmniConfig(thinker_config=thinker, enable_audio_output=False)


def main() -> None:
    """Run the command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write a tiny random-weight Qwen2.5-Omni.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(build_tiny_omni(args.folder, args.seed))


if __name__ == "__main__":
    main()
