"""A tiny Voxtral, whose tokenizer is mistral-common's."""

from tiny_parts import save, text_config, whisper_extractor


def write_tekken(path):
    """A tokenizer file of mistral-common: bytes and the special tokens of Voxtral."""
    import base64
    import json

    from mistral_common.tokens.tokenizers.base import SpecialTokens

    names = [str(token) for token in SpecialTokens if token != SpecialTokens.audio]
    names.insert(24, str(SpecialTokens.audio))  # where the processor expects it
    special = [{"rank": i, "token_str": name, "is_control": True} for i, name in enumerate(names)]
    vocab = [
        {"rank": i, "token_bytes": base64.b64encode(bytes([i])).decode(), "token_str": None}
        for i in range(256)
    ]
    config = {
        "pattern": r"\s?[^\s]+|\s+",
        "num_vocab_tokens": 256,
        "default_vocab_size": 296,
        "default_num_special_tokens": 40,
        "version": "v7",
    }
    audio = {
        "sampling_rate": 16_000,
        "frame_rate": 12.5,
        "audio_encoding_config": {"num_mel_bins": 32, "hop_length": 160, "window_size": 400},
        "chunk_length_s": 30.0,
    }
    file = {"config": config, "vocab": vocab, "special_tokens": special, "audio": audio}
    path.write_text(json.dumps(file))


def build_voxtral(folder):
    import transformers as t

    folder.mkdir(parents=True, exist_ok=True)
    write_tekken(folder / "tekken.json")
    tokenizer = t.MistralCommonBackend.from_pretrained(folder)
    processor = t.VoxtralProcessor(whisper_extractor(30), tokenizer)
    config = t.VoxtralConfig(
        audio_config={
            "model_type": "voxtral_encoder",
            "num_mel_bins": 32,
            "hidden_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 192,
        },
        text_config=text_config("llama", tokenizer, vocab_size=296),
        audio_token_id=processor.audio_token_id,
    )
    return save(folder, processor, t.VoxtralForConditionalGeneration, config)
