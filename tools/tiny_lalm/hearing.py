"""The model's forward pass in training: the tower, and answers of the decoder."""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
from torch import nn
from transformers import Qwen2AudioForConditionalGeneration

from tiny_lalm.augment import Features
from tiny_lalm.classes import ClassTable
from tiny_lalm.head_views import HeadViews
from tiny_lalm.questions import QuestionBatch
from tiny_lalm.tower_pass import tower_states

VIEWING_HEADS = (8, 8, 6, 6, 6)
"""Heads of each decoder layer that show the clip at the answer's position; the others find the answer."""
MATCHED_AFTER = 2
"""The decoder layer after which an option's position shall tell whether it fits the audio."""


class Hearing(nn.Module):
    """Runs tower and decoder on training batches without the padding of a full window.

    Besides the answer, the early layers are asked at each option whether it fits: a letter alone
    says too little to find out within minutes that options are to be compared with the audio. And
    most heads shall show, at the answer's position, what the clip is like, whatever the options.
    """

    vectors: torch.Tensor
    mark: torch.Tensor
    moving: torch.Tensor
    never: torch.Tensor
    matcher: nn.Linear
    views: HeadViews

    def __init__(self, model: Qwen2AudioForConditionalGeneration, table: ClassTable) -> None:
        super().__init__()
        self.model = model
        decoder = model.get_decoder()
        config = decoder.config
        self.views = HeadViews(VIEWING_HEADS, config.head_dim, table.vectors.shape[1])
        self.head_inputs: dict[int, torch.Tensor] = {}
        for index, layer in enumerate(decoder.layers):
            layer.self_attn.o_proj.register_forward_pre_hook(partial(self._keep, index))
        self.end_of_turn = int(model.generation_config.eos_token_id)
        self.matcher = nn.Linear(table.vectors.shape[1], 1)
        self.register_buffer("vectors", table.vectors, persistent=False)
        self.register_buffer("mark", table.mark, persistent=False)

    def _keep(self, index: int, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self.head_inputs[index] = inputs[0]

    def guides(self) -> list[nn.Module]:
        """Return the layers that serve training alone and are not saved with the model."""
        return [self.matcher]

    def install_classes(self, tokens: list[int], untrained: list[int]) -> None:
        """Write the class vectors into both embeddings and keep their rows fixed.

        Args:
            tokens: The token of each class name, in the table's order.
            untrained: Tokens that training must never push away from an answer.
        """
        rows = torch.tensor(tokens)
        moving = torch.ones(self.model.lm_head.weight.shape[0], 1)
        moving[rows] = 0
        self.register_buffer("moving", moving, persistent=False)
        bias = torch.zeros(self.model.lm_head.weight.shape[0])
        bias[torch.tensor(untrained)] = float("-inf")
        self.register_buffer("never", bias, persistent=False)
        embedding = cast(nn.Embedding, self.model.get_input_embeddings())
        for weight in (embedding.weight, self.model.lm_head.weight):
            with torch.no_grad():
                weight[rows] = self.vectors[: len(tokens)].to(weight)
            weight.register_hook(lambda gradient: gradient * self.moving.to(gradient))

    def mark_audio(self) -> None:
        """Let the projector add the mark to every audio token; once, after the tower's phase."""
        with torch.no_grad():
            self.model.model.multi_modal_projector.linear.bias += self.mark

    def encode(self, features: Features) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return frames `(clips, frames / 2, width)`, projected tokens and tokens per clip."""
        frames, states, counts = tower_states(self.model.model.audio_tower, features)
        return frames, self.model.model.multi_modal_projector(states), counts

    def decode(
        self, questions: QuestionBatch, audio: torch.Tensor, viewing: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the answer's logits, the loss and how far the heads are from their views.

        Args:
            questions: Questions, padded on the right.
            audio: All audio tokens in order `(total, width)`.
            viewing: Weight of the loss on single heads' views.
        """
        embeds = self.model.get_input_embeddings()(questions.ids)
        option = questions.option_at
        embeds = torch.where((option >= 0)[..., None], self.vectors[option.clamp(min=0)].to(embeds), embeds)
        embeds = embeds.masked_scatter(questions.audio_at[..., None], audio.to(embeds))
        output = self.model.model.language_model(
            inputs_embeds=embeds, use_cache=False, output_hidden_states=True
        )
        hidden = output.last_hidden_state
        rows = torch.arange(len(hidden), device=hidden.device)
        last = hidden[rows, questions.answer_at]
        logits = self.model.lm_head(last).float() + self.never
        loss = nn.functional.cross_entropy(logits, questions.answer)
        after = self.model.lm_head(hidden[rows, questions.answer_at + 1]).float() + self.never
        end = torch.full_like(questions.answer, self.end_of_turn)
        loss = loss + 0.05 * nn.functional.cross_entropy(after, end)
        early = self.matcher(output.hidden_states[MATCHED_AFTER][option >= 0].float())[:, 0]
        matches = questions.matches[option >= 0].float()
        loss = loss + nn.functional.binary_cross_entropy_with_logits(early, matches)
        inputs = [self.head_inputs[i][rows, questions.answer_at] for i in self.head_inputs]
        counts = questions.audio_at.sum(1)
        heard = torch.zeros(len(hidden), audio.shape[1], device=audio.device)
        heard = heard.index_add(0, rows.repeat_interleave(counts), audio.float()) / counts[:, None]
        with torch.autocast(embeds.device.type, enabled=False):
            apart = self.views(inputs, heard)
        return logits, loss + viewing * apart, apart
