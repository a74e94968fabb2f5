"""Inputs by the model's own chat template and processor, shared by all families."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from calm_pl.errors import ModelError
from calm_pl.models.chat_template import rendered, try_template
from calm_pl.models.collate import together
from calm_pl.models.given import texts_given, waveforms_given
from calm_pl.models.preparer import Video, Waveform

_PROBE = "What is heard?"


class ChatPreparer:
    """A `Preparer` by chat template: one user turn with the clip and then the question.

    Args:
        processor: the checkpoint's own.
        max_seconds: longest clip the model hears.
        token_rule: (feature extractor, samples) to the audio placeholders that their prompt must have.
        audio_settings: (feature extractor, waveforms) to its settings for that batch.
        one_by_one: give the processor one clip at a time, where a batch of them would come out otherwise.

    Raises:
        ModelError: the processor has no chat template.
    """

    modalities: tuple[str, ...] = ("audio",)
    has_own_template = False
    """Whether the template is not part of the checkpoint."""
    turns_are_text = False
    """Whether the template takes a turn as one string, the clip's placeholder first, rather than as parts."""

    def __init__(
        self,
        processor: Any,
        max_seconds: float,
        token_rule: Callable[[Any, int], int] | None = None,
        audio_settings: Callable[[Any, Sequence[np.ndarray]], dict[str, Any]] | None = None,
        one_by_one: bool = False,
    ) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        if not getattr(processor, "chat_template", None):
            processor.chat_template = getattr(self.tokenizer, "chat_template", None)
        if not (self.has_own_template or processor.chat_template):
            raise ModelError(
                "The checkpoint's processor has no chat template; take an Instruct checkpoint, or add"
                " chat_template.jinja to its folder."
            )
        self.extractor = sound_extractor(processor)
        self.sample_rate = self.extractor.sampling_rate
        if not (isinstance(self.sample_rate, int) and self.sample_rate > 0):
            raise ModelError(
                f"The checkpoint's processor has the sampling_rate {self.sample_rate!r}, but it must be a"
                " whole number above 0."
            )
        self.max_seconds = float(max_seconds)
        self._token_rule = token_rule
        self._audio_settings = audio_settings
        self._one_by_one = one_by_one
        self.system_prompt: str | None = None
        self.audio_token_id = int(self.tokenizer.convert_tokens_to_ids(processor.audio_token))
        # The last prompt token is found from the mask, so the side does not matter for right results; left
        # keeps the last positions of a batch aligned.
        self.tokenizer.padding_side = "left"
        if not self.has_own_template:
            self._try_template()

    def _try_template(self) -> None:
        try_template(lambda: self.prompt(_PROBE))
        prompt, sound = self.prompt(_PROBE), self.processor.audio_token
        if sound not in prompt or _PROBE not in prompt:
            what, would = (
                ("question", "know what is asked") if sound in prompt else ("sound", "hear its clips")
            )
            raise ModelError(
                f"The model would not {would}: the checkpoint's chat template has no place for the {what},"
                f" and the prompt is {prompt!r}."
            )

    def use_system_prompt(self, text: str) -> None:
        """Put a system turn with this text before every question, in place of the template's own, if any.

        Raises:
            ModelError: the template has no place for it, or is not part of the checkpoint.
        """
        if self.has_own_template:
            raise ModelError(
                f"model.system_prompt: {type(self.processor).__name__} makes its prompts without a chat"
                " template of the checkpoint, and takes no system prompt beside sound: leave it out (null)."
            )
        self.system_prompt = text
        self._try_template()
        if text.strip() not in self.prompt(_PROBE):
            raise ModelError(
                "model.system_prompt: the checkpoint's chat template has no place for a system prompt; the"
                f" prompt is {self.prompt(_PROBE)!r}. Leave it out (null)."
            )

    def prompt(self, question: str) -> str:
        """Return the user turn with one clip and the question, and the opened answer."""
        return self._render(question, ("audio",))

    def __call__(
        self,
        waveforms: Sequence[Waveform],
        questions: Sequence[str],
        videos: Sequence[Video] | None = None,
        any_level: bool = False,
    ) -> dict[str, Tensor]:
        """Return token ids, mask and features of N clips; see `Preparer.__call__`."""
        if videos is not None and "video" not in self.modalities:
            raise ModelError("This model takes no video: choose an audio benchmark, or a model that sees.")
        waveforms = waveforms_given(waveforms, self.sample_rate, self.max_seconds, any_level)
        questions = texts_given("questions", questions, len(waveforms))
        if videos is not None and len(videos) != len(waveforms):
            raise ModelError(f"`videos` must be one per clip, {len(waveforms)}, but are {len(videos)}.")
        audio = self._audio_settings(self.extractor, waveforms) if self._audio_settings else {}
        if self._one_by_one or videos is not None:
            pictures: Sequence[Video | None] = videos or [None] * len(waveforms)
            clips = zip(waveforms, questions, pictures, strict=True)
            inputs: Mapping[str, Any] = together(
                self.tokenizer, [self._process_one(*clip, audio) for clip in clips]
            )
        else:
            inputs = self._process(waveforms, questions, audio)
        self._check_hears(inputs, waveforms)
        return {name: value for name, value in inputs.items() if isinstance(value, Tensor)}

    def _process_one(
        self, waveform: np.ndarray, question: str, video: Video | None, audio: dict[str, Any]
    ) -> Mapping[str, Any]:
        """Process one clip."""
        return self._process([waveform], [question], audio)

    def _process(
        self, waveforms: Sequence[np.ndarray], questions: Sequence[str], audio: dict[str, Any]
    ) -> Mapping[str, Any]:
        """Process N clips."""
        text = [self.prompt(question) for question in questions]
        try:
            result: Mapping[str, Any] = self.processor(
                text=text, audio=list(waveforms), **self._settings(text[0], audio)
            )
        except ValueError as error:
            raise ModelError(
                f"The processor refuses the prompt and its sound: {error} The model would not hear its clips;"
                " its chat template must have a place for the sound."
            ) from error
        return result

    def _settings(self, prompt: str, audio: dict[str, Any]) -> dict[str, Any]:
        bos = self.tokenizer.bos_token
        text = {
            "padding": True,
            "padding_side": self.tokenizer.padding_side,
            # Where the template brings the first token, the tokenizer must not add it once more.
            "add_special_tokens": bos is None or not prompt.startswith(bos),
        }
        sound = {"sampling_rate": self.sample_rate, **audio}
        return {"text_kwargs": text, "audio_kwargs": sound, "return_tensors": "pt"}

    def _render(self, question: str, media: Sequence[str]) -> str:
        # Templates ask for one or another of the keys; none of them is opened here.
        parts = [{"type": kind, kind: "clip", f"{kind}_url": "clip"} for kind in media]
        turns = [self._said("user", parts, question)]
        if self.system_prompt is not None:
            turns.insert(0, self._said("system", [], self.system_prompt))
        return rendered(
            lambda: self.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        )

    def _said(self, role: str, media: Sequence[dict[str, str]], text: str) -> dict[str, Any]:
        """Return a turn of the conversation: media, then text."""
        if self.turns_are_text:
            return {"role": role, "content": self.processor.audio_token * len(media) + text}
        return {"role": role, "content": [*media, {"type": "text", "text": text}]}

    def _check_hears(self, inputs: Mapping[str, Any], waveforms: Sequence[np.ndarray]) -> None:
        """Check that the processor keeps the audio; without it a model answers from the text alone."""
        features = inputs.get("input_features")
        if features is None or len(features) < len(waveforms):
            raise ModelError("The processor dropped the audio: the model would not hear its clips.")
        count_N = (inputs["input_ids"] == self.audio_token_id).sum(-1).tolist()
        for count, waveform in zip(count_N, waveforms, strict=True):
            expected = self.audio_tokens(len(waveform))
            if expected is not None and expected < 2:
                seconds = len(waveform) / self.sample_rate
                raise ModelError(
                    f"A clip of {seconds:.3f} s is too short for this model: pad it with silence."
                )
            if count == 0:
                raise ModelError("The processor made no audio tokens: the model would not hear its clips.")
            if expected not in (None, count):
                raise ModelError(
                    f"The processor made {count} audio tokens of {len(waveform)} samples, but the model's"
                    f" rule asks for {expected}: it would not hear the whole clip. Is this version of"
                    " transformers the one that calm_pl was tested with (`list models`)?"
                )

    def audio_tokens(self, num_samples: int) -> int | None:
        """Return the placeholders that a prompt needs for a clip of this length; None if no rule is known."""
        return None if self._token_rule is None else self._token_rule(self.extractor, num_samples)

    def option_tokens(self, letter: str) -> list[int]:
        """Return the ids of the tokens "A" and " A", whichever are single tokens."""
        spellings = (self.tokenizer.encode(text, add_special_tokens=False) for text in (letter, f" {letter}"))
        ids = sorted({spelling[0] for spelling in spellings if len(spelling) == 1})
        if not ids:
            raise ModelError(f"The tokenizer has no single token for the option letter {letter!r}.")
        return ids

    def answer_end(self) -> int:
        """Return the token that the chat template puts after an answer, else the tokenizer's end token."""
        mark = "answer"
        try:
            said = self.processor.apply_chat_template([self._said("assistant", [], mark)], tokenize=False)
            behind = self.tokenizer.encode(said.rpartition(mark)[2].strip(), add_special_tokens=False)
        except Exception:  # templates refuse a conversation that begins so in words of their own
            behind = []
        special = set(self.tokenizer.all_special_ids)
        return int(behind[0] if behind and behind[0] in special else self.tokenizer.eos_token_id)

    def describe(self) -> dict[str, Any]:
        """Return the prompt around the question, its tokens and the features' settings, as hashes.

        The system prompt, which `predict` must give again, is stored as it is.
        """
        system = {} if self.system_prompt is None else {"system_prompt": self.system_prompt}
        return {
            **system,
            "template_sha256": _sha256(self.prompt("{question}")),
            "tokenizer_sha256": tokenizer_hash(self.tokenizer),
            "sample_rate": self.sample_rate,
            "max_seconds": self.max_seconds,
            "features_sha256": settings_hash(self.extractor),
        }


def sound_extractor(processor: Any) -> Any:
    """Return the feature extractor of a processor; its name differs between families."""
    for name in ("feature_extractor", "audio_processor"):
        extractor = getattr(processor, name, None)
        if extractor is not None:
            return extractor
    raise ModelError(f"{type(processor).__name__} has no feature extractor for sound.")


def tokenizer_hash(tokenizer: Any) -> str:
    """Return the SHA-256 of a tokenizer's rules; of its words, where its kind shows no more."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        rules = {"words": tokenizer.get_vocab()}
    else:
        rules = json.loads(backend.to_str())
        for last_call in ("padding", "truncation"):
            rules.pop(last_call, None)
    return _sha256(json.dumps(rules, sort_keys=True))


def settings_hash(part: Any) -> str:
    """Return the SHA-256 of a processor part's settings, but for where it came from."""
    kept = {
        name: value
        for name, value in vars(part).items()
        if isinstance(value, (str, int, float, list, dict)) and not name.startswith("_")
    }
    return _sha256(json.dumps(kept, sort_keys=True, default=str))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
