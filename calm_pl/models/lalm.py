"""`FrozenLALM`: a frozen audio language model that turns clips into head vectors and logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from calm_pl.errors import ModelError
from calm_pl.models import answering
from calm_pl.models.convolutions import without_tf32
from calm_pl.models.doubts import template_doubts
from calm_pl.models.families.table import Family, family_of, next_token_logits
from calm_pl.models.gates import HeadGates
from calm_pl.models.given import texts_given
from calm_pl.models.heads import HeadLayout, StoppedEarly, head_layout, last_positions, stack_heads, tapped
from calm_pl.models.identity import config_fingerprint, weights_fingerprint
from calm_pl.models.loading import load_checkpoint, make_preparer
from calm_pl.models.masks import HeadMask, load_mask
from calm_pl.models.preparer import Preparer, Waveform
from calm_pl.models.refusals import refuse_other_tokens
from calm_pl.models.rollouts import Draws, sample_answers
from calm_pl.models.sharing import SharedSound, shared_sound
from calm_pl.models.teacher import AnswerScores, answer_scores
from calm_pl.models.tower import pooled_tower, tower_tapped


class LalmOutput(NamedTuple):
    """Result of one forward pass.

    Attributes:
        vectors_NHD: head vectors at the last prompt token, layer-major, in the model's dtype.
        logits_NV: logits of the next token, float32.
        hidden_NE: hidden state of the last layer at the last prompt token, after the decoder's norm: what
            the logits are made of, in the model's dtype.
        tower_N2E: mean and standard deviation of the audio tower's states, see `pooled_tower`, in the model's
            dtype; None if not requested.
    """

    vectors_NHD: Tensor
    logits_NV: Tensor
    hidden_NE: Tensor
    tower_N2E: Tensor | None = None


class Sampled(NamedTuple):
    """Result of one prefill with answers sampled after it.

    Attributes:
        output: as `FrozenLALM.forward` gives it.
        answers: M texts for each of N prompts, special tokens left out.
    """

    output: LalmOutput
    answers: list[list[str]]


class FrozenLALM(nn.Module):
    """A frozen audio language model.

    Args:
        model: a `transformers` model of a supported family.
        preparer: makes its inputs.
        path: where it came from, for reports.
        last_n_tokens: prompt tokens whose head vectors are averaged; 1 is the last prompt token alone.

    Attributes:
        layout: of its heads.
        mask: which heads are on, see `use_mask`; None where all are.

    Raises:
        ModelError: a model of no supported family, or whose layers differ in their heads.
    """

    def __init__(self, model: Any, preparer: Preparer, path: str = "", last_n_tokens: int = 1) -> None:
        super().__init__()
        self.model: Any = model.eval().requires_grad_(False)
        without_tf32(self.model)
        self.preparer = preparer
        self.path = path
        self.last_n_tokens = last_n_tokens
        self.family: Family = family_of(model)
        self.layout: HeadLayout = self._find_layout()
        self.mask: HeadMask | None = None
        self._gates: HeadGates | None = None
        self._fingerprints: dict[bool, str] = {}

    @classmethod
    def from_pretrained(
        cls,
        path: str,
        *,
        revision: str | None = None,
        dtype: str | torch.dtype = "auto",
        attn: str = "sdpa",
        last_n_tokens: int = 1,
        device_map: str | dict[str, Any] | None = None,
        quantization: str | None = None,
        device: torch.device | None = None,
        trust_remote_code: bool = False,
        offline: bool = False,
        mask: str | Path | HeadMask | None = None,
        system_prompt: str | None = None,
    ) -> Self:
        """Load a local folder, a hub id, or `bundled:NAME`. Only safetensors are read.

        Args:
            path: the checkpoint.
            revision: branch, tag or commit of a hub id.
            dtype: `float32`, `bfloat16`, `float16`, also as `torch.float32` and so on, or `auto`: the
                checkpoint's own where a GPU is present, float32 on a CPU.
            attn: `sdpa`, `eager` or `flash_attention_2`.
            last_n_tokens: see the class.
            device_map: `auto` spreads the layers over the GPUs of this process; the model then stays where
                it was put. None leaves placing it to the caller.
            quantization: `8bit` or `4bit`, with bitsandbytes.
            device: where a quantised model is to be, which cannot be moved afterwards; None is this rank's
                GPU. Other models are loaded on the CPU and can be moved.
            trust_remote_code: let the checkpoint run code of its own.
            offline: make no network call.
            mask: which heads are on, or a file that says so; see `use_mask`.
            system_prompt: text of a system turn before every question; None leaves it to the chat template.

        Raises:
            ModelError: not there, not a supported audio language model, or without a needed file; a mask of
                another model; a system prompt that the model's prompts have no place for.
        """
        model, processor, family = load_checkpoint(
            path,
            revision=revision,
            dtype=dtype,
            attn=attn,
            device_map=device_map,
            quantization=quantization,
            device=device,
            trust_remote_code=trust_remote_code,
            offline=offline,
        )
        preparer = make_preparer(path, family, processor, system_prompt)
        lalm = cls(model, preparer, path, last_n_tokens)
        refuse_other_tokens(path, model, preparer)
        if mask is not None:
            layers = lalm.layout.num_layers
            lalm.use_mask(mask if isinstance(mask, HeadMask) else load_mask(mask, layers))
        return lalm

    @property
    def hidden_size(self) -> int:
        """E, the size of the decoder's hidden states."""
        return int(self.model.lm_head.in_features)

    @property
    def decoder(self) -> Any:
        """The text decoder."""
        return self.model.get_decoder()

    def use_mask(self, mask: HeadMask | None) -> None:
        """Switch heads off in everything the model does from now on; None switches all on again.

        Head vectors are then caught behind the mask: those of a head that is off are zero.

        Raises:
            ModelError: a mask of another model.
        """
        if mask is not None:
            mask.check(self.layout, self.checkpoint(), self.path)
            self._gates = self._gates or HeadGates(self.decoder)
            self._gates.set(mask.on_LA)
        elif self._gates is not None:
            self._gates.remove()
            self._gates = None
        self.mask = mask

    def _find_layout(self) -> HeadLayout:
        if self.family.is_embedder:
            raise ModelError(
                f"{self.path!r} is a CLAP model, which has no heads: fit-free and predict take it, and"
                " calm_pl.models.load_frozen in Python."
            )
        return head_layout(self.decoder)

    @property
    def is_placed(self) -> bool:
        """Whether the model is where its loading put it: spread over devices, or quantised."""
        return getattr(self.model, "hf_device_map", None) is not None or bool(
            getattr(self.model, "is_quantized", False)
        )

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        """Move or cast, as `.to` does; a placed model stays, since moving it would undo its placement."""
        return self if self.is_placed else super()._apply(fn, recurse)

    @torch.inference_mode()
    def forward(self, inputs: dict[str, Tensor], tower: bool = False) -> LalmOutput:
        """Compute head vectors and next-token logits of N prompts in one pass.

        Neighbouring prompts about the same sound share it, and their tokens up to its end, by the key-value
        cache; see `shared_sound`. Their vectors then differ by rounding, as those of another batch do.

        Args:
            inputs: what `preparer` made.
            tower: also pool the audio tower's states.

        Returns:
            All on the device of `inputs`.

        Raises:
            ModelError: `tower`, with a family whose states of sound cannot be told from those of padding.
        """
        home = inputs["attention_mask"].device
        inputs = self._placed(inputs)
        shared = shared_sound(inputs, self.preparer.audio_token_id, self.last_n_tokens)
        if shared is not None:
            return self._forward_shared(shared, tower, home)
        positions_NK = last_positions(inputs["attention_mask"], self.last_n_tokens)
        with tapped(self.decoder, positions_NK) as caught, self._tower_tapped(tower) as seen:
            hidden_NTE = self._prefill(inputs).last_hidden_state
        rows_N = torch.arange(len(hidden_NTE), device=hidden_NTE.device)
        last_NE = hidden_NTE[rows_N, positions_NK[:, -1].to(hidden_NTE.device)]
        logits_NV = next_token_logits(self.model, last_NE)
        vectors_NHD = stack_heads(caught, self.layout).to(home)
        return LalmOutput(
            vectors_NHD, logits_NV.to(home), last_NE.to(home), self._pooled(inputs, seen, vectors_NHD)
        )

    def _forward_shared(self, shared: SharedSound, tower: bool, home: torch.device) -> LalmOutput:
        """Run each clip once, then what follows it in each prompt."""
        with self._tower_tapped(tower) as seen:
            prompt = answering.CachedPrompt(self.model, self.family, shared.clips)
        prompt.take(shared.clip_N)
        positions_NK = last_positions(shared.mask_NS, self.last_n_tokens)
        with tapped(self.decoder, positions_NK) as caught:
            hidden_NSE = prompt.extended(shared.ids_NS, shared.mask_NS)
        rows_N = torch.arange(len(hidden_NSE), device=hidden_NSE.device)
        last_NE = hidden_NSE[rows_N, positions_NK[:, -1].to(hidden_NSE.device)]
        vectors_NHD = stack_heads(caught, self.layout).to(home)
        pooled_G2E = self._pooled(shared.clips, seen, vectors_NHD)
        return LalmOutput(
            vectors_NHD,
            next_token_logits(self.model, last_NE).to(home),
            last_NE.to(home),
            None if pooled_G2E is None else pooled_G2E[shared.clip_N.to(home)],
        )

    @torch.inference_mode()
    def head_vectors(self, inputs: dict[str, Tensor], num_heads: int | None = None) -> Tensor:
        """Compute only the head vectors (N, H, D): the pass stops once the last layer's are captured.

        Args:
            inputs: what `preparer` made of N clips.
            num_heads: how many of the first heads are needed; those of layers after them are zero. None for
                all.
        """
        layers, heads = self.layout.num_layers, self.layout.heads_per_layer
        needed = layers if num_heads is None else max(1, -(-num_heads // heads))
        home = inputs["attention_mask"].device
        inputs = self._placed(inputs)
        positions_NK = last_positions(inputs["attention_mask"], self.last_n_tokens)
        with tapped(self.decoder, positions_NK, needed) as caught, suppress(StoppedEarly):
            self._prefill(inputs)
        caught += [torch.zeros_like(caught[0])] * (layers - needed)
        return stack_heads(caught, self.layout).to(home)

    def encode(
        self,
        clips: Sequence[Waveform],
        question: str | Sequence[str] = "What caption does the given audio belong to?",
        batch_size: int = 8,
    ) -> Tensor:
        """Return the head vectors of clips, (N, H, D), on the CPU.

        Args:
            clips: paths of files, which are read and resampled; or mono waveforms at `preparer.sample_rate`.
                None may be longer than `preparer.max_seconds`.
            question: what is asked about every clip, or one question per clip.
            batch_size: clips per forward pass.

        Raises:
            ModelError: a single path, a waveform or a number of questions that cannot be.
            BadClipError: a file that cannot be read.
        """
        if isinstance(clips, (str, PathLike)):
            raise ModelError(f"`clips` must be a list, but is the path {str(clips)!r}: write [path].")
        asked = texts_given(
            "question", [question] * len(clips) if isinstance(question, str) else question, len(clips)
        )
        device = next(self.parameters()).device
        parts = [torch.zeros(0, self.layout.num_heads, self.layout.head_dim, dtype=self.model.dtype)]
        for start in range(0, len(clips), batch_size):
            stop = start + batch_size
            inputs = self.preparer(clips[start:stop], asked[start:stop])
            parts.append(self.head_vectors({name: one.to(device) for name, one in inputs.items()}).cpu())
        return torch.cat(parts)

    @torch.inference_mode()
    def option_text_scores(self, inputs: dict[str, Tensor], options: Sequence[Sequence[str]]) -> Tensor:
        """Score the likelihood of each option's text as the answer, (N, O) float32.

        Mean log-likelihood of the option's tokens after the prompt; audio and prompt are run once for all of
        a clip's options.

        Args:
            inputs: what `preparer` made of N clips.
            options: N lists of O texts.

        Raises:
            ModelError: lists of different lengths, or an empty text.
        """
        scores_NO = answering.option_text_scores(
            self.model, self.family, self.preparer.tokenizer, self._placed(inputs), options
        )
        return scores_NO.to(inputs["attention_mask"].device)

    def text_embeddings(self, labels: Sequence[str]) -> Tensor:
        """Refuse: only CLAP models have texts in the space of their sound; see `FrozenClap`.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"{self.path!r} is no CLAP model: it has no texts in the space of its sound.")

    def similarities(self, x_NE: Tensor, options: Sequence[Sequence[str]]) -> Tensor:
        """Refuse, as `text_embeddings`.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"{self.path!r} is no CLAP model: it has no texts in the space of its sound.")

    @torch.inference_mode()
    def generate(self, inputs: dict[str, Tensor], max_new_tokens: int = 32) -> list[str]:
        """Generate the model's greedy answers to N prompts, without special tokens.

        Plain argmax: repetition penalties and the like of the checkpoint's generation settings are not used.
        """
        return answering.generate(
            self.model, self.family, self.preparer.tokenizer, self._placed(inputs), max_new_tokens
        )

    @torch.inference_mode()
    def sample(self, inputs: dict[str, Tensor], draws: Draws, tower: bool = False) -> Sampled:
        """Compute head vectors, logits and M sampled answers of N prompts; audio and prompt are run once.

        Args:
            inputs: what `preparer` made of N clips.
            draws: temperatures and noise.
            tower: see `forward`.
        """
        home = inputs["attention_mask"].device
        inputs = self._placed(inputs)
        positions_NK = last_positions(inputs["attention_mask"], self.last_n_tokens)
        with tapped(self.decoder, positions_NK) as caught, self._tower_tapped(tower) as seen:
            prompt = answering.CachedPrompt(self.model, self.family, inputs)
        vectors_NHD = stack_heads(caught, self.layout).to(home)
        output = LalmOutput(
            vectors_NHD,
            prompt.logits_NV.to(home),
            prompt.hidden_NE.to(home),
            self._pooled(inputs, seen, vectors_NHD),
        )
        return Sampled(output, sample_answers(self.model, self.preparer.tokenizer, prompt, draws))

    def answer_scores(self, inputs: dict[str, Tensor], answers: Sequence[str]) -> AnswerScores:
        """Score the likelihood of N given answers, token by token, including the end of the answer.

        Gradients are kept where the caller lets them be: those of a mask's logits go through it.

        Args:
            inputs: what `preparer` made of N clips.
            answers: N texts.
        """
        return answer_scores(self.model, self.family, self.preparer, self._placed(inputs), answers)

    def commit(self) -> str | None:
        """Return the commit on the Hugging Face hub that it was loaded from; None of a local folder."""
        found: str | None = getattr(self.model.config, "_commit_hash", None)
        return found

    def checkpoint(self) -> str:
        """Return the fingerprint of the weights, independent of the dtype they are loaded in."""
        return self._fingerprint(whatever_dtype=True)

    def identity(self) -> dict[str, Any]:
        """Return what makes head vectors of this model comparable with others.

        That is weights, settings of the architecture, dtype, tokens, prompt, features, and the mask where
        there is one.
        """
        masked = {} if self.mask is None else {"mask": self.mask.code()}
        return {
            "weights": self._fingerprint(),
            "config_sha256": config_fingerprint(self.model.config),
            "class": type(self.model).__name__,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "attn": self.model.config._attn_implementation,
            "last_n_tokens": self.last_n_tokens,
            "inputs": self.preparer.describe(),
            **masked,
        }

    def doubts(self) -> list[str]:
        """Return what a reader of results must know about the model's prompts; see `template_doubts`."""
        return template_doubts(self.model, self.preparer)

    def _fingerprint(self, whatever_dtype: bool = False) -> str:
        if whatever_dtype not in self._fingerprints:
            self._fingerprints[whatever_dtype] = weights_fingerprint(self.model, whatever_dtype)
        return self._fingerprints[whatever_dtype]

    @contextmanager
    def _tower_tapped(self, tower: bool) -> Iterator[list[Tensor]]:
        """Keep the audio tower's states, if requested."""
        if not tower:
            yield []
            return
        if self.family.tower is None:
            raise ModelError(
                f"{type(self.model).__name__}: methods that read the audio tower cannot be evaluated with"
                " models of this family, whose states of sound are not known apart from those of padding."
                " Leave them out of methods."
            )
        with tower_tapped(self.family.tower.projector(self.model)) as seen:
            yield seen

    def _pooled(
        self, inputs: dict[str, Tensor], seen: Sequence[Tensor], vectors_NHD: Tensor
    ) -> Tensor | None:
        """Pool the audio tower's states, to where and as the head vectors are; None if there are none."""
        if self.family.tower is None or not seen:
            return None
        tokens_N = (inputs["input_ids"] == self.preparer.audio_token_id).sum(-1).tolist()
        return pooled_tower(seen, tokens_N, self.family.tower.is_alone).to(vectors_NHD)

    def _prefill(self, inputs: dict[str, Tensor]) -> Any:
        positions = self.family.positions(self.model, inputs)
        return self.family.prefill(self.model, inputs, positions, False)

    def _placed(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Move inputs to the model's first device; features and pixels, but not times, in its dtype."""
        device, dtype = self.model.device, self.model.dtype
        moved = {name: value.to(device) for name, value in inputs.items()}
        media = moved.keys() & {"input_features", "pixel_values_videos"}
        return moved | {name: moved[name].to(dtype) for name in media}
