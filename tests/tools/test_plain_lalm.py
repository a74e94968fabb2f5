"""The second bundled model's recipe, without training: what it asks, and that it writes as the processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plain_lalm.describing import ACOUSTIC, measure
from plain_lalm.dialogues import IGNORED, Interviewer, further_texts
from plain_lalm.listening import at_peak
from tiny_lalm.augment import Features
from tiny_lalm.build import SAMPLE_RATE, build_processor
from tiny_lalm.corpus import Clip
from tiny_lalm.phonology import PHONEMES
from tiny_lalm.tokenizer import build_tokenizer, vocabulary
from tiny_lalm.vocabulary import SOUND_LABELS, SOUND_QUESTION

BINS, FRAMES = 64, 120


@pytest.fixture(scope="module")
def processor():
    return build_processor(build_tokenizer(vocabulary(further_texts())))


def features(*events: tuple[int, int, int]) -> Features:
    """One clip of silence with steady tones, each a bin and the frames it starts and ends at."""
    mels = torch.full((1, BINS, FRAMES), -1.0)
    for place, start, end in events:
        mels[0, place, start:end] = 1.0
    return Features(mels, torch.tensor([FRAMES]))


def answers(clip: Features) -> dict[str, str]:
    """The answer to each acoustic question."""
    found = {}
    for name, values in measure(*clip).items():
        place = int(torch.bucketize(values[0], torch.tensor(ACOUSTIC[name].limits), right=True))
        found[name] = ACOUSTIC[name].answers[place]
    return found


def test_one_late_low_tone() -> None:
    found = answers(features((4, 90, 110)))
    assert {n: found[n] for n in ("loud", "when", "high", "share", "often")} == {
        "loud": "quiet",
        "when": "end",
        "high": "low",
        "share": "little",
        "often": "once",
    }
    assert (found["background"], found["tonal"]) == ("clean", "ringing")


def test_three_tones_that_rise() -> None:
    found = answers(features((10, 5, 25), (30, 45, 65), (50, 85, 105)))
    assert (found["often"], found["way"], found["high"]) == ("often", "up", "high")


def test_frames_that_are_padding_do_not_count() -> None:
    clip = features((4, 10, 30))
    longer = clip.mels.clone()
    longer[:, :, 60:] = 3.0
    short = Features(clip.mels[:, :, :60], torch.tensor([60]))
    for name, values in measure(longer, torch.tensor([60])).items():
        torch.testing.assert_close(values, measure(*short)[name], msg=name)


def test_the_peak_is_what_was_asked_for_and_changes_nothing_but_loudness() -> None:
    clip = features((10, 5, 25), (30, 45, 65))
    louder = at_peak(clip, torch.tensor([1.5]))
    assert float(louder.mels.amax()) == pytest.approx(1.5)
    assert answers(louder) == answers(clip) | {"loud": "loud"}


def test_every_answer_is_one_token(processor) -> None:
    interviewer = Interviewer(processor.tokenizer)
    clips = [Clip("sound", "dog", (), 0, FRAMES, 0)]
    clips += [Clip("word", "apple", (phoneme, "a"), 0, FRAMES, 0) for phoneme in PHONEMES]
    many = Features(torch.rand(len(clips), BINS, FRAMES), torch.full((len(clips),), FRAMES))
    turns = interviewer.turns(clips, many)
    assert len(turns[0]) == len(ACOUSTIC) + 1
    assert len(turns[1]) == len(ACOUSTIC) + 5
    for one in turns:
        for question, answer in one.values():
            assert len(interviewer.written(answer)) == 1, answer
            assert processor.tokenizer.unk_token_id not in interviewer.written(question)


def test_a_dialogue_starts_as_the_processor_writes_it(processor) -> None:
    interviewer = Interviewer(processor.tokenizer)
    wave = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    content = [{"type": "audio", "audio_url": "x"}, {"type": "text", "text": SOUND_QUESTION}]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    inputs = processor(text=[prompt], audio=[wave], sampling_rate=SAMPLE_RATE, return_tensors="pt")
    turns = [(SOUND_QUESTION, SOUND_LABELS[0]), ("How loud is the audio?", "loud")]
    written = interviewer.write([turns], [int((inputs["input_ids"] == interviewer.audio).sum())])
    length = inputs["input_ids"].shape[1]
    assert written.ids[0, :length].tolist() == inputs["input_ids"][0].tolist()
    (answer,) = interviewer.written(SOUND_LABELS[0])
    (second,) = interviewer.written("loud")
    asked = written.next_ids[0] != IGNORED
    assert written.next_ids[0][asked].tolist() == [answer, interviewer.end, second, interviewer.end]
    assert int(asked.nonzero()[0]) == length - 1
    # What is to be predicted is what stands next.
    assert written.ids[0, 1:][asked[:-1]].tolist() == written.next_ids[0, :-1][asked[:-1]].tolist()
