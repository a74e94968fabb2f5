"""Questions about a clip as token ids, exactly as the processor would write them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from tiny_lalm.classes import ClassTable
from tiny_lalm.vocabulary import LETTERS, SOUND_QUESTIONS, WORD_QUESTIONS


@dataclass(frozen=True)
class QuestionBatch:
    """Padded questions: ids, which positions take which class vector, and where answers stand."""

    ids: torch.Tensor
    """`(questions, tokens)`, padded on the right."""
    option_at: torch.Tensor
    """`(questions, tokens)`: row of the class table that replaces the embedding, or -1."""
    targets: torch.Tensor
    """`(questions,)`: the class of each clip, a row of the class table."""
    matches: torch.Tensor
    """`(questions, tokens)`: true where the option that is the answer stands."""
    audio_at: torch.Tensor
    """`(questions, tokens)`: true where an audio token stands."""
    answer_at: torch.Tensor
    """`(questions,)`: the last prompt position, whose output is the answer."""
    answer: torch.Tensor
    """`(questions,)`: the id of the answer's token, which also stands after the prompt."""

    def to(self, device: torch.device) -> QuestionBatch:
        """Move every tensor."""
        return QuestionBatch(
            self.ids.to(device),
            self.option_at.to(device),
            self.targets.to(device),
            self.matches.to(device),
            self.audio_at.to(device),
            self.answer_at.to(device),
            self.answer.to(device),
        )


class Questioner:
    """Writes questions with two to ten shuffled options, or none."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, table: ClassTable) -> None:
        def ids(text: str) -> list[int]:
            return tokenizer(text, add_special_tokens=False).input_ids

        self.table = table
        self.head = ids("<|im_start|>user\nAudio 1: <|audio_bos|>")
        self.audio = ids("<|AUDIO|>")[0]
        self.questions = {
            True: [ids(f"<|audio_eos|>\n{text}") for text in WORD_QUESTIONS],
            False: [ids(f"<|audio_eos|>\n{text}") for text in SOUND_QUESTIONS],
        }
        self.tail = ids("<|im_end|>\n<|im_start|>assistant\n")
        self.letters = [ids(letter)[0] for letter in LETTERS]
        self.dot = ids(".")[0]
        self.names = [ids(name) for name in table.names]
        if any(len(name) != 1 for name in self.names):
            raise ValueError("Every class name must be a single token")
        self.unknown = tokenizer.unk_token_id
        self.pad = tokenizer.pad_token_id

    def _wording(self, rng: np.random.Generator, word: bool) -> list[int]:
        forms = self.questions[word]
        return forms[int(rng.choice(len(forms), p=[0.7, 0.15, 0.15]))]

    def _pool(self, target: int) -> np.ndarray:
        if target < self.table.sounds.stop:
            return np.arange(self.table.sounds.stop)
        if target < self.table.digits.start:
            return np.arange(self.table.words.start, self.table.words.stop)
        return np.arange(self.table.digits.stop, len(self.table.vectors))

    def batch(
        self,
        rng: np.random.Generator,
        targets: np.ndarray,
        audio_tokens: np.ndarray,
        open_share: float,
        options: tuple[int, int] = (2, 10),
    ) -> QuestionBatch:
        """Ask one question about each target, a row of the class table."""
        texts, rows, ends, answers = [], [], [], []
        for target, count in zip(targets.tolist(), audio_tokens.tolist(), strict=True):
            text = self.head + [self.audio] * count
            text = text + self._wording(rng, target >= self.table.sounds.stop)
            row = [-1] * len(text)
            named = target < len(self.table.names)
            if named and rng.random() < open_share:
                answers.append(self.names[target][0])
            else:
                size = int(rng.integers(options[0], options[1] + 1))
                pool = self._pool(target)
                drawn = rng.choice(pool, size + 2, replace=False)
                chosen = [int(other) for other in drawn if other != target][: size - 1]
                place = int(rng.integers(size))
                chosen.insert(place, target)
                for letter, option in zip(self.letters, chosen, strict=False):
                    token = self.names[option][0] if option < len(self.names) else self.unknown
                    text = [*text, letter, self.dot, token]
                    row += [-1, -1, option]
                answers.append(self.letters[place])
            text = text + self.tail
            row += [-1] * len(self.tail)
            ends.append(len(text) - 1)
            texts.append([*text, answers[-1]])
            rows.append([*row, -1])
        width = max(len(text) for text in texts)
        ids = torch.tensor([text + [self.pad] * (width - len(text)) for text in texts])
        option_at = torch.tensor([row + [-1] * (width - len(row)) for row in rows])
        return QuestionBatch(
            ids,
            option_at,
            torch.from_numpy(targets),
            option_at == torch.from_numpy(targets)[:, None],
            ids == self.audio,
            torch.tensor(ends),
            torch.tensor(answers),
        )
