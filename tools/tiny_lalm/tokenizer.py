"""A WordPiece tokenizer with one token per class name, option letter and question word."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tiny_lalm.vocabulary import (
    LETTERS,
    SOUND_QUESTIONS,
    SPECIAL_TOKENS,
    WORD_QUESTIONS,
    class_names,
)

CHAT_TEMPLATE = (
    "{% set clips = namespace(count=0) %}"
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}"
    "{% set clips.count = clips.count + 1 %}"
    "Audio {{ clips.count }}: <|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen2-Audio's turn format without a system turn, which would only cost tokens."""


def vocabulary(further: Sequence[str] = ()) -> list[str]:
    """Return every token, special tokens first, in a fixed order without repeats.

    Args:
        further: texts whose words are to be tokens as well.
    """
    questions = " ".join(SOUND_QUESTIONS + WORD_QUESTIONS)
    frame = ["user", "assistant", "system", "Audio", *re.findall(r"\w+|[^\w\s]+", questions)]
    frame += ["Is", "audio", "bonafide", "or", "spoofed", *re.findall(r"\w+|[^\w\s]+", " ".join(further))]
    characters = string.ascii_letters + string.digits + string.punctuation
    tokens = [*SPECIAL_TOKENS, *LETTERS, *frame, *class_names(), *characters]
    tokens += [f"##{character}" for character in string.ascii_letters + string.digits + "_"]
    return list(dict.fromkeys(tokens))


def build_tokenizer(tokens: Sequence[str]) -> PreTrainedTokenizerFast:
    """Build the tokenizer of a vocabulary; text outside it is spelled character by character."""
    core = Tokenizer(
        models.WordPiece(
            vocab={token: index for index, token in enumerate(tokens)},
            unk_token="[UNK]",
            max_input_chars_per_word=100,
        )
    )
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    core.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="[UNK]",
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        extra_special_tokens={
            "audio_token": "<|AUDIO|>",
            "audio_bos_token": "<|audio_bos|>",
            "audio_eos_token": "<|audio_eos|>",
        },
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )
