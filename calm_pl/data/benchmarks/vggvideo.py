"""VGGSound with its frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from calm_pl.data.benchmarks.vggsound import Files, VGGSound
from calm_pl.data.facts import Facts


class VGGVideo(VGGSound):
    """VGGSound with its frames: `video/<id>_<start>.mp4` must exist.

    The sound is that of `audio/` where the clip is there too, else that of the video.
    """

    facts = Facts(
        title="VGGVideo",
        licence="CC BY 4.0 (the labels; the clips belong to their makers)",
        home="https://www.robots.ox.ac.uk/~vgg/data/vggsound/",
        layout="a folder with vggsound.csv (or train.csv and test.csv) and video/<id>_<start>.mp4",
        classes=309,
        clips=199_176,
        splits={"train": 183_730, "test": 15_446},
        about="the same with pictures",
        sides="train → test",
    )
    modality = "video"

    def files(self, name: str, sounds: Mapping[str, Path], videos: Mapping[str, Path]) -> Files:
        """Return the audio from `audio/` and the frames from `video/`, or both from `video/`."""
        video = videos.get(name, self.root / "video" / f"{name}.mp4")
        return Files(sounds[name], video) if name in sounds else Files(video)
