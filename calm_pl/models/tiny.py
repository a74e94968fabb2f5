"""A genuine Qwen2-Audio of a tiny configuration with seeded random weights and its own processor.

    python -m calm_pl.models.tiny FOLDER [--seed 0]

It is the control that any trained model must beat, and what tests run on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|audio_bos|>",
    "<|AUDIO|>",
    "<|audio_eos|>",
)
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_TEXTS = (
    "What caption does the given audio belong to? Which word is spoken in the given audio?",
    " ".join(f"{letter}. word" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "user assistant zero one two three four five six seven eight nine",
    "dog rooster rain sea_waves crackling_fire crying_baby sneezing clock_tick helicopter chainsaw",
)


def build_tiny(folder: str | Path, seed: int = 0, window_seconds: int = 5) -> Path:
    """Write model and processor to `folder`, as `from_pretrained` reads them; returns it.

    Args:
        folder: is made where it is missing.
        seed: of the weights; equal seeds give equal files.
        window_seconds: longest clip the model hears.
    """
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        WhisperFeatureExtractor,
    )

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level_bpe(_SPECIAL),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
    )
    extractor = WhisperFeatureExtractor(
        feature_size=64, sampling_rate=16_000, hop_length=160, chunk_length=window_seconds
    )
    processor = Qwen2AudioProcessor(extractor, tokenizer, chat_template=_CHAT_TEMPLATE)
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": 64,
            "d_model": 96,
            "encoder_layers": 2,
            "encoder_attention_heads": 6,
            "encoder_ffn_dim": 192,
            "max_source_positions": window_seconds * 50,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "max_position_embeddings": 1024,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        audio_token_index=_SPECIAL.index("<|AUDIO|>"),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = Qwen2AudioForConditionalGeneration(config)
        let_sound_through(model)
    folder = Path(folder)
    model.to(torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def let_sound_through(model: torch.nn.Module) -> None:
    """Scale random weights up to unit gain: at the usual 0.02 a clip hardly reaches the last token.

    Biases are drawn too: where they are zero, padding that leaks into a result goes unseen.
    """
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        elif name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)


def byte_level_bpe(special: Sequence[str]) -> object:
    """Train a tokenizer of at most 512 tokens, the special ones first, on a few words of questions."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    return tokenizer


def main() -> None:
    """Run the command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write a tiny random-weight Qwen2-Audio.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(build_tiny(args.folder, args.seed))


if __name__ == "__main__":
    main()
