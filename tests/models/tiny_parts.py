"""What the tiny families are made of: tokenizer, template, ears, decoder."""

from calm_pl.models.tiny import byte_level_bpe, let_sound_through

BASE = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def template(audio, video=""):
    shown = "{% if part['type'] == 'audio' %}AUDIO{% elif part['type'] == 'video' %}VIDEO{% else %}"
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
        + shown.replace("AUDIO", audio).replace("VIDEO", video)
        + "{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def tokenizer_with(*special, named=None):
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level_bpe([*BASE, *special]),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        **({"extra_special_tokens": named} if named else {}),
    )


def text_config(kind, tokenizer, **changes):
    """A decoder of 3 layers, 6 heads of 16."""
    return {
        "model_type": kind,
        "vocab_size": len(tokenizer),
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 4096,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        **changes,
    }


def whisper_extractor(window_seconds=2):
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(feature_size=32, chunk_length=window_seconds)


def whisper_tower(kind, window_seconds=2):
    return {
        "model_type": kind,
        "num_mel_bins": 32,
        "d_model": 48,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 96,
        "max_source_positions": 50 * window_seconds,
    }


def save(folder, processor, model_class, config):
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = model_class(config)
        let_sound_through(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
