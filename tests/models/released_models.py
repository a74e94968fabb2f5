"""Models of the released configurations: at full size without weights, or shrunken and saved as released.

`released/*.json` are facts: keys and values of the `config.json` that checkpoints come with, old names
included, where these are public; else those of the configuration classes in transformers. Shrinking changes
widths and depths; token ids and the size of the vocabulary stay.
"""

import json
from pathlib import Path

from tiny_families import GRANITE_TEMPLATE
from tiny_parts import template

FOLDER = Path(__file__).parent / "released"
_TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
_WHISPER = {
    "d_model": 40,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 80,
    "output_dim": 64,
}
_HEARING = {"hidden_size": 40, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4}
_SEEING = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64}
_SMALL = {
    "qwen2_audio": {
        # 7B's values that its file leaves to the class stay large unless they are named.
        "text_config": {**_TEXT, "num_key_value_heads": 4},
        "audio_config": {key: value for key, value in _WHISPER.items() if key != "output_dim"},
    },
    "qwen2_5_omni": {
        "thinker_config": {
            "text_config": {**_TEXT, "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default"}},
            "audio_config": _WHISPER,
            "vision_config": {**_SEEING, "embed_dim": 32, "fullatt_block_indexes": [1]},
            "hidden_size": 64,
        }
    },
    "qwen3_omni_moe": {
        "thinker_config": {
            "text_config": {
                **_TEXT,
                "head_dim": 24,
                "moe_intermediate_size": 32,
                "num_experts": 4,
                "num_experts_per_tok": 2,
                "rope_scaling": {
                    "mrope_interleaved": True,
                    "mrope_section": [4, 4, 4],
                    "rope_type": "default",
                },
            },
            "audio_config": {**_WHISPER, "downsample_hidden_size": 16},
            "vision_config": {**_SEEING, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]},
        }
    },
    "voxtral": {
        "text_config": {**_TEXT, "head_dim": 24, "vocab_size": 296},
        "audio_config": {
            **_HEARING,
            "intermediate_size": 160,  # four frames are one token's
            "head_dim": 10,
            "num_key_value_heads": 4,
            "num_mel_bins": 32,
        },
        "hidden_size": 64,
    },
    "audioflamingo3": {"text_config": _TEXT, "audio_config": _HEARING},
    "granite_speech": {
        "text_config": _TEXT,
        "encoder_config": {"hidden_dim": 48, "num_layers": 2, "num_heads": 4, "dim_head": 12},
        "projector_config": {
            "hidden_size": 48,
            "encoder_hidden_size": 48,
            "intermediate_size": 96,
            "num_attention_heads": 4,
        },
        "has_lora_adapter": False,  # adapters have tests of their own
    },
}
NAMES = tuple(_SMALL)
_QWEN = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
_MEDIA = {
    "qwen2_audio": {"<|AUDIO|>": 151646, "<|audio_bos|>": 151647, "<|audio_eos|>": 151648},
    "qwen2_5_omni": {
        "audio_token": ("<|AUDIO|>", 151646),
        "audio_bos_token": ("<|audio_bos|>", 151647),
        "audio_eos_token": ("<|audio_eos|>", 151648),
        "vision_bos_token": ("<|vision_bos|>", 151652),
        "vision_eos_token": ("<|vision_eos|>", 151653),
        "image_token": ("<|IMAGE|>", 151655),
        "video_token": ("<|VIDEO|>", 151656),
    },
    "qwen3_omni_moe": {
        "audio_token": ("<|audio_pad|>", 151675),
        "audio_bos_token": ("<|audio_start|>", 151669),
        "audio_eos_token": ("<|audio_end|>", 151670),
        "vision_bos_token": ("<|vision_start|>", 151652),
        "vision_eos_token": ("<|vision_end|>", 151653),
        "image_token": ("<|image_pad|>", 151655),
        "video_token": ("<|video_pad|>", 151656),
    },
}


def released(name):
    """The configuration of a released checkpoint, as its file has it."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def shrunken(name):
    """The same with small widths and depths."""
    return _merged(released(name), _SMALL[name])


def configured(config):
    """What transformers makes of such a file: the part that is loaded."""
    import transformers as t

    whole = t.CONFIG_MAPPING[config["model_type"]].from_dict(config)
    return getattr(whole, "thinker_config", whole)


def save_shrunken(name, folder, dtype="float32"):
    """Write a shrunken model in several files, under released names, with its processor; returns it."""
    import torch
    import transformers as t

    from calm_pl.models.families.table import find_family
    from calm_pl.models.tiny import let_sound_through

    config = shrunken(name)
    folder.mkdir(parents=True, exist_ok=True)
    processor_of(name, folder).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(t, find_family(name).model_class)(configured(config))
        let_sound_through(model)
    model = model.eval().to(getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size="200KB")
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    if "thinker_config" in config:
        _as_parts_of_the_whole(folder)
    return model


def _merged(config, changes):
    return config | {
        key: _merged(config[key], value)
        if isinstance(config.get(key), dict) and key != "rope_scaling"
        else value
        for key, value in changes.items()
    }


def _as_parts_of_the_whole(folder):
    """Name an Omni's thinker as in its whole checkpoint."""
    from safetensors.torch import load_file, save_file

    index = folder / "model.safetensors.index.json"
    weights = json.loads(index.read_text())
    for path in folder.glob("*.safetensors"):
        save_file({f"thinker.{key}": one for key, one in load_file(path).items()}, path, {"format": "pt"})
    weights["weight_map"] = {f"thinker.{key}": file for key, file in weights["weight_map"].items()}
    index.write_text(json.dumps(weights))


def byte_tokenizer(special, first=0, **named):
    """A tokenizer of bytes, with special tokens at their released ids."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: first + place for place, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE({**vocabulary, **special}, []))
    tokenizer.add_special_tokens(list(special))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def processor_of(name, folder):
    """A processor with the released settings and token ids; its words are single bytes."""
    import transformers as t

    if name == "voxtral":
        from tiny_parts import whisper_extractor
        from tiny_voxtral import write_tekken

        write_tekken(folder / "tekken.json")
        tokenizer = t.MistralCommonBackend.from_pretrained(folder)
        return t.VoxtralProcessor(whisper_extractor(30), tokenizer)
    if name == "granite_speech":
        special = {
            "<|end_of_text|>": 0,
            "<|audio|>": 49155,
            "<|start_of_role|>": 49152,
            "<|end_of_role|>": 49153,
        }
        ends = {"eos_token": "<|end_of_text|>", "pad_token": "<|end_of_text|>"}
        tokenizer = byte_tokenizer(special, 1, **ends)
        tokenizer.chat_template = GRANITE_TEMPLATE
        return t.GraniteSpeechProcessor(t.GraniteSpeechFeatureExtractor(), tokenizer)
    ends = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    if name == "qwen2_audio":
        tokenizer = byte_tokenizer({**_QWEN, **_MEDIA[name]}, **ends)
        # Its template is that of transformers, as for the released ones.
        return t.Qwen2AudioProcessor(t.WhisperFeatureExtractor(feature_size=128), tokenizer)
    if name == "audioflamingo3":
        tokenizer = byte_tokenizer({**_QWEN, "<sound>": 151669}, **ends)
        extractor = t.WhisperFeatureExtractor(feature_size=128)
        return t.AudioFlamingo3Processor(extractor, tokenizer, chat_template=template("<sound>"))
    media = _MEDIA[name]
    special = {**_QWEN, **dict(media.values())}
    named = {key: token for key, (token, _) in media.items()}
    tokenizer = byte_tokenizer(special, **ends, extra_special_tokens=named)
    sound = "{audio_bos_token}{audio_token}{audio_eos_token}".format(**named)
    sight = "{vision_bos_token}{video_token}{vision_eos_token}".format(**named)
    patch = {} if name == "qwen2_5_omni" else {"patch_size": 16}
    kind = t.Qwen2_5OmniProcessor if name == "qwen2_5_omni" else t.Qwen3OmniMoeProcessor
    return kind(
        t.Qwen2VLImageProcessor(**patch),
        t.Qwen2VLVideoProcessor(**patch),
        t.WhisperFeatureExtractor(feature_size=128, chunk_length=300),
        tokenizer,
        chat_template=template(sound, sight),
    )
