"""A tiny Gemma 3n, whose ids have to stand in order."""

from tiny_parts import save, template, text_config, tokenizer_with


def build_gemma3n(folder):
    """Ids in the order the model needs: words, then what stands for pictures, then for sound."""
    import transformers as t
    from tokenizers import AddedToken

    tokenizer = tokenizer_with("<start_of_audio>")
    filler = [f"<word_{n}>" for n in range(512 - len(tokenizer))]
    pictures = ["<end_of_image>", "<image_soft_token>", *(f"<picture_{n}>" for n in range(6))]
    sounds = ["<end_of_audio>", "<audio_soft_token>", *(f"<sound_{n}>" for n in range(6))]
    tokenizer.add_tokens([AddedToken(token, special=True) for token in [*filler, *pictures, *sounds]])
    named = {"boi_token": "<word_0>", "eoi_token": pictures[0], "image_token": pictures[1]}
    named |= {"boa_token": "<start_of_audio>", "eoa_token": sounds[0], "audio_token": sounds[1]}
    for name, token in named.items():
        setattr(tokenizer, name, token)
        setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
    tokenizer._set_model_specific_special_tokens(named)
    processor = t.Gemma3nProcessor(
        t.Gemma3nAudioFeatureExtractor(feature_size=32),
        t.SiglipImageProcessor(),
        tokenizer,
        chat_template=template("<audio_soft_token>"),
    )
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    config = t.Gemma3nConfig(
        text_config=text_config(
            "gemma3n_text",
            tokenizer,
            vocab_size=528,
            vocab_size_per_layer_input=512,
            hidden_size_per_layer_input=16,
            num_hidden_layers=5,
            num_kv_shared_layers=2,
            layer_types=[*["sliding_attention", "full_attention"] * 2, "full_attention"],
            sliding_window=64,
            laurel_rank=8,
        ),
        audio_config={
            "vocab_offset": 520,
            "vocab_size": 8,
            "input_feat_size": 32,
            "hidden_size": 48,
            "conf_num_attention_heads": 4,
            "conf_num_hidden_layers": 2,
            "sscp_conv_channel_size": [16, 8],
        },
        vision_config={"architecture": "resnet18", "vocab_offset": 512, "vocab_size": 8, "hidden_size": 512},
        boi_token_id=ids["boi_token"],
        eoi_token_id=ids["eoi_token"],
        image_token_id=ids["image_token"],
        boa_token_id=ids["boa_token"],
        eoa_token_id=ids["eoa_token"],
        audio_token_id=ids["audio_token"],
    )
    return save(folder, processor, t.Gemma3nForConditionalGeneration, config)
