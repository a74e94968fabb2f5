"""What teaches the tower: class vectors, phonemes of speech, which cuts share a clip."""

from __future__ import annotations

import torch
from torch import nn

from tiny_lalm.batches import ClipBatch
from tiny_lalm.classes import ClassTable
from tiny_lalm.hearing import Hearing
from tiny_lalm.phonology import PHONEMES
from tiny_lalm.tower_pass import mean_tokens


class TowerLosses(nn.Module):
    """Class cross-entropy over cosines, CTC over phonemes and contrast between cuts of a sound.

    Its own layers serve training alone and are not saved with the model.
    """

    def __init__(self, width: int, table: ClassTable) -> None:
        super().__init__()
        self.sounds = table.sounds
        self.words = table.words
        self.speller = nn.Linear(width, len(PHONEMES) + 1)
        self.aligner = nn.Linear(width, len(PHONEMES) + 1)
        self.contrast = nn.Linear(width, 128)
        self.log_sharpness = nn.Parameter(torch.tensor(2.3))

    def forward(
        self,
        hearing: Hearing,
        batch: ClipBatch,
        encoded: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss and the share of clips whose class is nearest."""
        with torch.autocast(encoded[0].device.type, enabled=False):
            return self._losses(hearing, batch, *encoded)

    def _losses(
        self,
        hearing: Hearing,
        batch: ClipBatch,
        frames: torch.Tensor,
        tokens: torch.Tensor,
        counts: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mean = mean_tokens(tokens.float(), counts)
        speech = len(batch.phonemes) > 0
        rows = torch.tensor(self.words if speech else self.sounds, device=mean.device)
        if speech:
            rows = torch.cat([rows, batch.targets[batch.targets >= self.words.stop]]).unique()
        target = torch.searchsorted(rows, batch.targets)
        cosines = nn.functional.normalize(mean, dim=1) @ hearing.vectors[rows].T
        loss = nn.functional.cross_entropy(cosines * self.log_sharpness.exp().clamp(max=40), target)
        loss = loss + 0.1 * (mean.norm(dim=1) - 1).square().mean()
        hit = (cosines.argmax(1) == target).float().mean()
        if speech:
            spelled = self.speller(frames.float()).log_softmax(-1).transpose(0, 1)
            lengths = ((batch.features.frames - 1) // 2 + 1).clamp(max=spelled.shape[0])
            loss = loss + 0.5 * nn.functional.ctc_loss(
                spelled, batch.phonemes, lengths, batch.phoneme_counts, zero_infinity=True
            )
            loss = loss + 0.5 * self._flat_start(frames, batch)
        else:
            loss = loss + 0.3 * self._contrast(frames, (batch.features.frames - 1) // 2 + 1)
        return loss, hit

    def _flat_start(self, frames: torch.Tensor, batch: ClipBatch) -> torch.Tensor:
        """Return the loss of naming each frame's phoneme if all phonemes lasted equally long.

        Roughly true is enough to start from: CTC alone stays blank for hundreds of steps.
        """
        time = 2 * torch.arange(frames.shape[1], device=frames.device)[None]
        share = (time - batch.spoken[:, :1]) / batch.spoken[:, 1:]
        inside = (share >= 0) & (share < 1)
        counts = batch.phoneme_counts[:, None]
        first = (batch.phoneme_counts.cumsum(0) - batch.phoneme_counts)[:, None]
        order = first + (share.clamp(0, 1) * counts).long().minimum(counts - 1)
        return nn.functional.cross_entropy(
            self.aligner(frames)[inside], batch.phonemes[order[inside]], label_smoothing=0.1
        )

    def _contrast(self, frames: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Return the loss of finding each cut's partner among all cuts of the batch."""
        cuts = nn.functional.normalize(self.contrast(mean_tokens(frames.float(), counts)), dim=1)
        likeness = (cuts @ cuts.T) / 0.1
        likeness = likeness.masked_fill(torch.eye(len(cuts), device=cuts.device).bool(), -1e4)
        partner = torch.arange(len(cuts), device=cuts.device).roll(len(cuts) // 2)
        return nn.functional.cross_entropy(likeness, partner)
