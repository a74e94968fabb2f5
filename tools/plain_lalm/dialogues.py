"""Dialogues about a clip: each turn asks one of many questions, and its answer is one token."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from plain_lalm.describing import ACOUSTIC, measure
from tiny_lalm.augment import Features
from tiny_lalm.corpus import Clip
from tiny_lalm.phonology import ATTRIBUTES, PHONEMES
from tiny_lalm.vocabulary import SOUND_QUESTIONS, WORD_QUESTIONS

KIND = ("Is the audio speech or sound?", ("speech", "sound"))
FIRST = "Which phoneme does the word begin with?"
LAST = "Which phoneme does the word end with?"
VOWEL = "Which vowel does the word have first?"
LENGTH = "How many phonemes does the word have?"
LENGTHS = ("few", "some", "many")
IGNORED = -100
"""Where nothing is to be predicted."""


def phoneme_token(phoneme: str) -> str:
    """Return a phoneme's name as one word of the tokenizer."""
    return "ph_" + phoneme.replace(":", "_").replace("@", "schwa")


def further_texts() -> list[str]:
    """Return the texts whose words the tokenizer needs besides those of `tiny_lalm`."""
    questions = [KIND[0], FIRST, LAST, VOWEL, LENGTH, *(one.question for one in ACOUSTIC.values())]
    answers = [*KIND[1], *LENGTHS, *(word for one in ACOUSTIC.values() for word in one.answers)]
    return [*questions, *answers, *(phoneme_token(phoneme) for phoneme in PHONEMES)]


class Dialogues(NamedTuple):
    """Padded dialogues: ids, where audio tokens stand, and what each position is to be followed by."""

    ids: torch.Tensor
    """`(dialogues, tokens)`, padded on the right."""
    audio_at: torch.Tensor
    """`(dialogues, tokens)`: true where an audio token stands."""
    next_ids: torch.Tensor
    """`(dialogues, tokens)`: the answer's token, the end of the answer's turn, or `IGNORED`."""


Turn = tuple[str, str]
"""A question and its answer."""


class Interviewer:
    """Asks about clips: what each is, and some of the other things that can be told of it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        def ids(text: str) -> list[int]:
            return tokenizer(text, add_special_tokens=False).input_ids

        self._ids = ids
        self._known: dict[str, list[int]] = {}
        self.head = ids("<|im_start|>user\nAudio 1: <|audio_bos|>")
        self.audio = ids("<|AUDIO|>")[0]
        self.after_audio = ids("<|audio_eos|>")
        self.tail = ids("<|im_end|>\n<|im_start|>assistant\n")
        self.end = ids("<|im_end|>")[0]
        self.next_turn = ids("<|im_start|>user\n")
        self.pad = tokenizer.pad_token_id

    def written(self, text: str) -> list[int]:
        """Return the ids of a question or an answer."""
        if text not in self._known:
            self._known[text] = self._ids(text)
        return self._known[text]

    def turns(self, clips: list[Clip], features: Features) -> list[dict[str, Turn]]:
        """Return everything that can be asked about each clip, by the question's name."""
        found: list[dict[str, Turn]] = [{} for _ in clips]
        for name, values in measure(features.mels, features.frames).items():
            asked = ACOUSTIC[name]
            places = torch.bucketize(values, torch.tensor(asked.limits), right=True).tolist()
            for one, place in zip(found, places, strict=True):
                one[name] = (asked.question, asked.answers[place])
        for one, clip in zip(found, clips, strict=True):
            speech = clip.kind == "word"
            one["kind"] = (KIND[0], KIND[1][0] if speech else KIND[1][1])
            if speech:
                vowels = [p for p in clip.phonemes if "vowel" in ATTRIBUTES[p]] or [clip.phonemes[0]]
                one["first"] = (FIRST, phoneme_token(clip.phonemes[0]))
                one["last"] = (LAST, phoneme_token(clip.phonemes[-1]))
                one["vowel"] = (VOWEL, phoneme_token(vowels[0]))
                one["length"] = (LENGTH, LENGTHS[int(np.digitize(len(clip.phonemes), (4, 6)))])
        return found

    def named(self, clip: Clip, rng: np.random.Generator) -> Turn:
        """Return the question what a clip is, in one of its wordings."""
        forms = WORD_QUESTIONS if clip.kind == "word" else SOUND_QUESTIONS
        return forms[int(rng.choice(len(forms), p=(0.7, 0.15, 0.15)))], clip.label

    def write(self, dialogues: list[list[Turn]], audio_tokens: list[int]) -> Dialogues:
        """Write dialogues as the processor and the chat template would."""
        texts, targets = [], []
        for turns, count in zip(dialogues, audio_tokens, strict=True):
            text = self.head + [self.audio] * count + self.after_audio
            target = [IGNORED] * len(text)
            for question, answer in turns:
                if text[-1] == self.end:
                    text, target = text + self.next_turn, target + [IGNORED] * len(self.next_turn)
                asked = self.written(question) + self.tail
                (token,) = self.written(answer)
                text = [*text, *asked, token, self.end]
                target += [IGNORED] * (len(asked) - 1) + [token, self.end, IGNORED]
            texts.append(text)
            targets.append(target)
        width = max(map(len, texts))
        ids = torch.tensor([text + [self.pad] * (width - len(text)) for text in texts])
        next_ids = torch.tensor([one + [IGNORED] * (width - len(one)) for one in targets])
        return Dialogues(ids, ids == self.audio, next_ids)
