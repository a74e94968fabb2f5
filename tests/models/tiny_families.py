"""Tiny folders of each family, from its real configuration, model and processor classes."""

from functools import partial

from tiny_gemma3n import build_gemma3n
from tiny_parts import save, template, text_config, tokenizer_with, whisper_extractor, whisper_tower
from tiny_voxtral import build_voxtral

from calm_pl.models.tiny import build_tiny
from calm_pl.models.tiny_omni import build_tiny_omni


def build_audio_flamingo_3(folder):
    import transformers as t

    tokenizer = tokenizer_with("<sound>")
    processor = t.AudioFlamingo3Processor(
        whisper_extractor(), tokenizer, chat_template=template("<sound>"), max_audio_len=10
    )
    config = t.AudioFlamingo3Config(
        audio_config=whisper_tower("audioflamingo3_encoder"),
        text_config=text_config("qwen2", tokenizer),
        audio_token_id=processor.audio_token_id,
    )
    return save(folder, processor, t.AudioFlamingo3ForConditionalGeneration, config)


def build_music_flamingo(folder):
    import transformers as t

    tokenizer = tokenizer_with("<sound>", "<|sound_bos|>", "<|sound_eos|>")
    processor = t.MusicFlamingoProcessor(
        whisper_extractor(), tokenizer, chat_template=template("<sound>"), max_audio_len=10
    )
    config = t.MusicFlamingoConfig(
        audio_config=whisper_tower("audioflamingo3_encoder"),
        text_config=text_config("qwen2", tokenizer),
        audio_token_id=processor.audio_token_id,
        audio_bos_token_id=processor.audio_bos_token_id,
        audio_eos_token_id=processor.audio_eos_token_id,
    )
    return save(folder, processor, t.MusicFlamingoForConditionalGeneration, config)


def build_glm_asr(folder):
    import transformers as t

    tokenizer = tokenizer_with("<|pad|>")
    processor = t.GlmAsrProcessor(
        whisper_extractor(), tokenizer, chat_template=template("<|pad|>"), max_audio_len=10
    )
    config = t.GlmAsrConfig(
        audio_config={
            "model_type": "glmasr_encoder",
            "hidden_size": 48,
            "intermediate_size": 192,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_mel_bins": 32,
            "max_position_embeddings": 100,
        },
        text_config=text_config("llama", tokenizer),
        audio_token_id=processor.audio_token_id,
    )
    return save(folder, processor, t.GlmAsrForConditionalGeneration, config)


GRANITE_TEMPLATE = (  # as the released ones, it takes a turn as one string
    "{% for message in messages %}{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>'"
    " + message['content'] + '<|end_of_text|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)


def build_granite_speech(folder, plus=False):
    import transformers as t

    kind = "GraniteSpeechPlus" if plus else "GraniteSpeech"
    tokenizer = tokenizer_with("<|audio|>", "<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>")
    tokenizer.eos_token = "<|end_of_text|>"
    tokenizer.chat_template = GRANITE_TEMPLATE
    processor = t.GraniteSpeechProcessor(t.GraniteSpeechFeatureExtractor(), tokenizer)
    heard_layers = {"cat_hidden_layers": [1]} if plus else {}
    config = getattr(t, f"{kind}Config")(
        encoder_config={
            "input_dim": 160,
            "num_layers": 2,
            "hidden_dim": 48,
            "feedforward_mult": 2,
            "num_heads": 4,
            "output_dim": 10,
            "context_size": 20,
            "max_pos_emb": 64,
            **heard_layers,
        },
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 48,
            "encoder_hidden_size": 96 if plus else 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 96,
        },
        text_config=text_config("granite", tokenizer, residual_multiplier=0.3, attention_multiplier=0.2),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
    )
    return save(folder, processor, getattr(t, f"{kind}ForConditionalGeneration"), config)


def build_qwen3_omni(folder):
    import transformers as t

    named = {
        "image_token": "<|image_pad|>",
        "audio_token": "<|audio_pad|>",
        "video_token": "<|video_pad|>",
        "vision_bos_token": "<|vision_start|>",
        "vision_eos_token": "<|vision_end|>",
        "audio_bos_token": "<|audio_start|>",
        "audio_eos_token": "<|audio_end|>",
    }
    tokenizer = tokenizer_with(*named.values(), named=named)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    processor = t.Qwen3OmniMoeProcessor(
        t.Qwen2VLImageProcessor(patch_size=16),
        t.Qwen2VLVideoProcessor(patch_size=16),
        whisper_extractor(30),
        tokenizer,
        chat_template=template(
            "<|audio_start|><|audio_pad|><|audio_end|>", "<|vision_start|><|video_pad|><|vision_end|>"
        ),
    )
    config = t.Qwen3OmniMoeThinkerConfig(
        audio_config={
            "num_mel_bins": 32,
            "d_model": 48,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 96,
            "output_dim": 96,
            "downsample_hidden_size": 16,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_heads": 4,
            "out_hidden_size": 96,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        text_config=text_config(
            "qwen3_omni_moe_text",
            tokenizer,
            moe_intermediate_size=32,
            num_experts=4,
            num_experts_per_tok=2,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
        ),
        audio_token_id=ids["audio_token"],
        image_token_id=ids["image_token"],
        video_token_id=ids["video_token"],
        audio_start_token_id=ids["audio_bos_token"],
        vision_start_token_id=ids["vision_bos_token"],
    )
    return save(folder, processor, t.Qwen3OmniMoeThinkerForConditionalGeneration, config)


BUILDERS = {
    "qwen2_audio": lambda folder: build_tiny(folder, window_seconds=2),
    "qwen2_5_omni": build_tiny_omni,
    "qwen3_omni_moe": build_qwen3_omni,
    "audioflamingo3": build_audio_flamingo_3,
    "musicflamingo": build_music_flamingo,
    "voxtral": build_voxtral,
    "granite_speech": build_granite_speech,
    "granite_speech_plus": partial(build_granite_speech, plus=True),
    "glmasr": build_glm_asr,
    "gemma3n": build_gemma3n,
}
