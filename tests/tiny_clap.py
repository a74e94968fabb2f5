"""A tiny CLAP of its real configuration, model and processor classes, with random weights."""

import json

from calm_pl.models.tiny import let_sound_through

TEXTS = (
    "This is a sound of dog. This is a sound of rain. This is a sound of siren.",
    "the sound of a car horn, wind, sea waves and clock alarm",
)


def roberta_tokenizer():
    """RoBERTa's own class, its byte pairs learnt from a few words."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(TEXTS, vocab_size=320, special_tokens=special, show_progress=False)
    rules = json.loads(trained.to_str())["model"]
    return RobertaTokenizer(vocab=rules["vocab"], merges=[tuple(pair) for pair in rules["merges"]])


def build_clap(folder, fused=False, padding="repeatpad", padding_id=1):
    """Windows of 2 s at 48 kHz, embeddings of 24; fused models stack four spectrograms."""
    import torch
    import transformers as t

    tokenizer = roberta_tokenizer()
    extractor = t.ClapFeatureExtractor(
        max_length_s=2, truncation="fusion" if fused else "rand_trunc", padding=padding
    )
    config = t.ClapConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "max_position_embeddings": 66,
            "pad_token_id": padding_id,
        },
        audio_config={
            "patch_embeds_hidden_size": 16,
            "depths": [1, 1],
            "num_attention_heads": [2, 4],
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "drop_path_rate": 0.1,
            "enable_fusion": fused,
        },
        projection_dim=24,
        logit_scale_init_value=10.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = t.ClapModel(config)
        let_sound_through(model)
    model.save_pretrained(folder)
    t.ClapProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder
