"""`FrozenClap`: a frozen CLAP model, the external baseline: one vector per clip, zero-shot by texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from calm_pl.errors import ModelError
from calm_pl.models.clap_facts import TEMPLATE
from calm_pl.models.families.clap import ClapPreparer
from calm_pl.models.given import option_lists_given
from calm_pl.models.heads import HeadLayout
from calm_pl.models.lalm import FrozenLALM, LalmOutput, Sampled
from calm_pl.models.loading import checkpoint_family, load_checkpoint, make_preparer
from calm_pl.models.masks import HeadMask
from calm_pl.models.rollouts import Draws
from calm_pl.models.teacher import AnswerScores


class FrozenClap(FrozenLALM):
    """A frozen CLAP model in the place of an audio language model.

    Its one "head" is the projected embedding of the sound, of unit length: that of a clip of one window as
    the model gives it; of a longer clip the mean of its windows weighted by their length, at unit length. All
    is computed in float32.

    Args:
        model: a `ClapModel`.
        preparer: makes its inputs.
        path: where it came from, for reports.

    Raises:
        ModelError: a tokenizer of another model.
    """

    preparer: ClapPreparer

    def __init__(self, model: Any, preparer: ClapPreparer, path: str = "") -> None:
        super().__init__(model, preparer, path)
        self._texts: dict[str, Tensor] = {}
        _refuse_other_texts(path, model, preparer)

    @classmethod
    def from_pretrained(
        cls,
        path: str,
        *,
        revision: str | None = None,
        dtype: str | torch.dtype = "auto",
        attn: str = "eager",
        last_n_tokens: int = 1,
        device_map: str | dict[str, Any] | None = None,
        quantization: str | None = None,
        device: torch.device | None = None,
        trust_remote_code: bool = False,
        offline: bool = False,
        mask: str | Path | HeadMask | None = None,
        system_prompt: str | None = None,
        template: str = TEMPLATE,
    ) -> Self:
        """Load a local folder or a hub id; see `FrozenLALM.from_pretrained`, also for what is not said here.

        `dtype`, `attn` and `device` have no effect: all is computed in float32, attention has one form, and
        nothing is quantised. `last_n_tokens`, `device_map`, `quantization`, `mask` and `system_prompt` must
        be left at their defaults.

        Args:
            path: the checkpoint.
            template: the sentence about a class that zero-shot compares sound with; `{}` is its label.

        Raises:
            ModelError: see there; or a setting that only audio language models have.
        """
        given = {
            "last_n_tokens": last_n_tokens != 1,
            "device_map": device_map is not None,
            "quantization": quantization is not None,
            "mask": mask is not None,
            "system_prompt": system_prompt is not None,
        }
        wrong = [f"model.{name}" for name, is_given in given.items() if is_given]
        if wrong:
            raise ModelError(
                f"{path!r} is a CLAP model, which has neither prompt nor heads: leave {', '.join(wrong)} out."
            )
        model, processor, family = load_checkpoint(
            path,
            revision=revision,
            trust_remote_code=trust_remote_code,
            offline=offline,
        )
        preparer = make_preparer(path, family, processor, clap_template=template)
        assert isinstance(preparer, ClapPreparer)
        return cls(model, preparer, path)

    @property
    def hidden_size(self) -> int:
        """E, the size of its embeddings."""
        return int(self.model.config.projection_dim)

    @property
    def decoder(self) -> Any:
        """Refuse: a CLAP model has no decoder.

        Raises:
            ModelError: always.
        """
        raise _lacks(self.path, "no text decoder with heads")

    def _find_layout(self) -> HeadLayout:
        return HeadLayout(1, 1, self.hidden_size)

    def use_mask(self, mask: HeadMask | None) -> None:
        """Accept None, which changes nothing.

        Raises:
            ModelError: a mask.
        """
        if mask is not None:
            raise _lacks(self.path, "no heads to switch off")

    @torch.inference_mode()
    def forward(self, inputs: dict[str, Tensor], tower: bool = False) -> LalmOutput:
        """Embed N clips.

        Args:
            inputs: what `preparer` made.
            tower: must be False.

        Returns:
            `vectors_NHD` and `hidden_NE`: the embedding, (N, 1, E) and (N, E) float32. `logits_NV`: (N, 0).

        Raises:
            ModelError: `tower`.
        """
        if tower:
            raise _lacks(self.path, "no projector with an audio tower before it")
        home = inputs["clip_W"].device
        x_NE = self._embedded({name: one.to(self.model.device) for name, one in inputs.items()}).to(home)
        return LalmOutput(x_NE[:, None], x_NE.new_zeros(len(x_NE), 0), x_NE)

    def _embedded(self, inputs: dict[str, Tensor]) -> Tensor:
        features, clip_W, samples_W = (inputs[name] for name in ("input_features", "clip_W", "samples_W"))
        # No window is longer than the model's, whatever the processor says: in a batch without a longer one
        # it marks a clip at random.
        longer_W1 = torch.zeros(len(clip_W), 1, dtype=torch.bool, device=clip_W.device)
        found_WE = self.model.get_audio_features(features, is_longer=longer_W1).pooler_output
        counts = torch.bincount(clip_W.cpu()).tolist()
        weighted_WE = found_WE * samples_W[:, None]
        return torch.stack(
            [
                # A single window keeps the model's own last bits.
                own_wE[0] if len(own_wE) == 1 else functional.normalize(long_wE.sum(0), dim=0)
                for own_wE, long_wE in zip(found_WE.split(counts), weighted_WE.split(counts), strict=True)
            ]
        )

    def head_vectors(self, inputs: dict[str, Tensor], num_heads: int | None = None) -> Tensor:
        """Return the embeddings of N clips, (N, 1, E)."""
        return self(inputs).vectors_NHD

    @torch.inference_mode()
    def text_embeddings(self, labels: Sequence[str]) -> Tensor:
        """Return the embeddings of the sentences about C classes, (C, E) float32 of unit length.

        Each is embedded alone, without padding, once.

        Args:
            labels: as the model reads them.

        Raises:
            ModelError: a sentence longer than the model can read.
        """
        for label in labels:
            if label not in self._texts:
                self._texts[label] = self._text_embedding(self.preparer.sentence(label))
        return torch.stack([self._texts[label] for label in labels]).to(self.model.device)

    def _text_embedding(self, sentence: str) -> Tensor:
        tokens = self.preparer.tokenizer([sentence], return_tensors="pt")
        most = self.model.config.text_config.max_position_embeddings - 2  # positions begin after padding's
        if tokens["input_ids"].shape[1] > most:
            raise ModelError(
                f"A class needs {tokens['input_ids'].shape[1]} tokens, but the CLAP model at {self.path!r}"
                f" reads at most {most}: {sentence[:80]!r}. Shorten the label, or model.clap_template."
            )
        ids, mask = (tokens[name].to(self.model.device) for name in ("input_ids", "attention_mask"))
        found: Tensor = self.model.get_text_features(ids, attention_mask=mask).pooler_output[0]
        return found.cpu()  # the model may move

    def similarities(self, x_NE: Tensor, options: Sequence[Sequence[str]]) -> Tensor:
        """Return the model's scale times the cosine of sound and sentence, (N, O) float32.

        Args:
            x_NE: embeddings of N clips.
            options: N lists of O labels as the model reads them.
        """
        lists = option_lists_given(options, len(x_NE))
        u_NE = functional.normalize(x_NE.to(torch.float32), dim=-1)
        scale = self.model.logit_scale_a.exp().to(u_NE)
        rows_of: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for n, labels in enumerate(lists):
            rows_of[tuple(labels)].append(n)
        scores_NO = u_NE.new_empty(len(lists), len(lists[0]) if lists else 0)
        for shared, rows in rows_of.items():  # a single list where all classes are compared
            texts_nOE = self.text_embeddings(shared).to(u_NE).expand(len(rows), -1, -1)
            # A product a clip: in one of all clips last bits would depend on the batch.
            scores_NO[rows] = scale * torch.bmm(texts_nOE, u_NE[rows][:, :, None])[:, :, 0]
        return scores_NO

    def option_text_scores(self, inputs: dict[str, Tensor], options: Sequence[Sequence[str]]) -> Tensor:
        """Return `similarities` of clips and their options, (N, O) float32."""
        return self.similarities(self(inputs).hidden_NE, options)

    def generate(self, inputs: dict[str, Tensor], max_new_tokens: int = 32) -> list[str]:
        """Refuse.

        Raises:
            ModelError: always.
        """
        raise _lacks(self.path, "no text decoder that answers")

    def sample(self, inputs: dict[str, Tensor], draws: Draws, tower: bool = False) -> Sampled:
        """Refuse.

        Raises:
            ModelError: always.
        """
        raise _lacks(self.path, "no text decoder that answers")

    def answer_scores(self, inputs: dict[str, Tensor], answers: Sequence[str]) -> AnswerScores:
        """Refuse.

        Raises:
            ModelError: always.
        """
        raise _lacks(self.path, "no text decoder that answers")


def load_frozen(path: str, *, clap_template: str = TEMPLATE, **arguments: Any) -> FrozenLALM:
    """Load an audio language model, or a CLAP model, by what its configuration says.

    Args:
        path: the checkpoint.
        clap_template: see `FrozenClap.from_pretrained`; of no effect on other models.
        arguments: of `FrozenLALM.from_pretrained`.

    Raises:
        ModelError: as the class's `from_pretrained`.
    """
    source = {
        name: arguments[name] for name in ("revision", "trust_remote_code", "offline") if name in arguments
    }
    if checkpoint_family(path, **source).is_embedder:
        return FrozenClap.from_pretrained(path, template=clap_template, **arguments)
    return FrozenLALM.from_pretrained(path, **arguments)


def _lacks(path: str, what: str) -> ModelError:
    return ModelError(f"{path!r} is a CLAP model, which has {what}.")


def _refuse_other_texts(path: str, model: Any, preparer: ClapPreparer) -> None:
    """Refuse a tokenizer that does not belong to the model."""
    config, tokenizer = model.config.text_config, preparer.tokenizer
    if tokenizer.pad_token_id != config.pad_token_id:
        raise ModelError(
            f"The tokenizer at {path!r} is not the model's: its padding is the token"
            f" {tokenizer.pad_token_id}, but config.json says {config.pad_token_id}, and the places of all"
            " words are counted from it."
        )
    largest = max(tokenizer.get_vocab().values())
    if largest >= config.vocab_size:
        raise ModelError(
            f"The tokenizer at {path!r} is not the model's: it has tokens up to {largest:,}, but the model's"
            f" vocabulary ends at {config.vocab_size - 1:,}."
        )
