"""Shared parts of Qwen's omni models: audio within video, and positions in time, height and width."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from calm_pl.models.chat import ChatPreparer, settings_hash
from calm_pl.models.families.pieces import attending_at_once
from calm_pl.models.families.table import Inputs
from calm_pl.models.preparer import Video


class OmniPreparer(ChatPreparer):
    """Preparer of clips with or without video; see `ChatPreparer`.

    A video's sound is woven into its frames by time, as the model was trained, rather than put before them.
    """

    modalities: tuple[str, ...] = ("audio", "video")

    def _process_one(
        self, waveform: np.ndarray, question: str, video: Video | None, audio: dict[str, Any]
    ) -> Mapping[str, Any]:
        # One by one with video: the processor knows one frame rate a call.
        if video is None:
            return super()._process_one(waveform, question, None, audio)
        pixels_THWC, frames_per_second = video
        prompt = self._render(question, ("video",))
        with warnings.catch_warnings():
            # The processor counts with tensors in NumPy.
            warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
            result: Mapping[str, Any] = self.processor(
                text=[prompt],
                audio=[waveform],
                videos=[pixels_THWC],
                load_audio_from_video=True,
                audio_from_video_indices=[0],
                **self._settings(prompt, audio),
                videos_kwargs={
                    "fps": float(frames_per_second),
                    "do_sample_frames": False,
                    "input_data_format": "channels_last",
                    "cap_pixels_per_frame": True,  # as the family's reference implementation does
                },
            )
        return result

    def describe(self) -> dict[str, Any]:
        """Return the settings as hashes, including those of video; see `ChatPreparer.describe`."""
        return {**super().describe(), "video_sha256": settings_hash(self.processor.video_processor)}


def rope_positions(model: Any, inputs: Inputs) -> Tensor:
    """Compute positions (3, N, T) in time, height and width, by the model's own rule.

    With video, positions that merely count tokens would be silently wrong.
    """
    has_video = "video_grid_thw" in inputs
    positions, _ = model.model.get_rope_index(
        inputs["input_ids"],
        None,
        inputs.get("video_grid_thw"),
        inputs["attention_mask"],
        has_video,
        inputs["feature_attention_mask"].sum(-1),
        inputs.get("video_second_per_grid"),
    )
    return positions


def prefill(model: Any, inputs: Inputs, positions_3NT: Tensor, use_cache: bool) -> Any:
    """Run the inner model; audio that comes with video belongs to it."""
    with attending_at_once(model.model.audio_tower):
        return model.model(
            **inputs,
            position_ids=positions_3NT,
            use_audio_in_video="video_grid_thw" in inputs,
            use_cache=use_cache,
        )
