"""Clips with answers: lists, splits and the batches of steps."""

from collections import Counter

import numpy as np
import pytest
import soundfile

from calm_pl.errors import DataError
from calm_pl.masks.settings import TextSettings
from calm_pl.masks.texts import StepBatches, TextDataModule


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(5):
        soundfile.write(tmp_path / f"{n}.wav", 0.1 * rng.standard_normal(6_000), 16_000)
    return tmp_path


def write(folder, text, name="list.csv"):
    (folder / name).write_text(text)
    return str(folder / name)


def module(manifest, **more):
    data = TextDataModule(TextSettings(manifest, num_workers=0, batch_size=2, **more), seed=0)
    data.prepare()
    return data


def pairs(clips):
    return [(one.clip.id, one.text) for one in clips]


def test_splits_of_one_list(folder):
    text = "path,text,split\n0.wav,zero,train\n1.wav,one two,Validation\n2.wav,three,test\n3.wav,x,train\n"
    data = module(write(folder, text))
    assert pairs(data.train) == [("0.wav", "zero"), ("3.wav", "x")]
    assert pairs(data.validation) == [("1.wav", "one two")]


def test_two_lists_and_named_columns(folder):
    train = write(folder, "sound,say\n0.wav,zero\n1.wav,one\n")
    val = write(folder, "sound,say\n2.wav,two\n", "val.csv")
    data = module(train, val_manifest=val, path_column="sound", text_column="say")
    assert (pairs(data.train), pairs(data.validation)) == (
        [("0.wav", "zero"), ("1.wav", "one")],
        [("2.wav", "two")],
    )


def test_without_a_split_all_are_trained_on(folder):
    data = module(write(folder, '[{"audio": "0.wav", "label": "zero"}]', "list.json"))
    assert pairs(data.train) == [("0.wav", "zero")]
    assert data.val_dataloader() == []


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("path,text\n", "lists no clip"),
        ("path,text,split\n0.wav,x,test\n", "has no clip with the split `train`"),
        ("path,text\n0.wav,\n", "line 2: has no text"),
        ("path,x\n0.wav,y\n", "has no text"),
        ("path,text\n9.wav,x\n", "9.wav: no such file"),
        ("path,text\n../0.wav,x\n", "must stay below"),
        ("path,text,split\n0.wav,x,train\n0.wav,y,val\n", "is a training clip and a validation clip"),
    ],
)
def test_what_is_refused(folder, text, match):
    with pytest.raises(DataError, match=match):
        module(write(folder, text))


def test_a_batch_has_prompts_and_answers(folder, lalm):
    data = module(write(folder, "path,text\n" + "".join(f"{n}.wav,word {n}\n" for n in range(5))))
    data.preparer, data.num_steps = lalm.preparer, 3
    batches = list(data.train_dataloader())
    assert [len(batch.texts) for batch in batches] == [2, 2, 2]
    assert batches[0].inputs["input_ids"].shape[0] == 2
    assert batches[0].failures == []
    prompt = lalm.preparer.tokenizer.decode(batches[0].inputs["input_ids"][0])
    assert prompt.endswith("<|audio_eos|>\n<|im_end|>\n<|im_start|>assistant\n")  # the template, no words


def test_a_clip_in_16_bit_units_is_heard_and_counted(folder, lalm):
    soundfile.write(folder / "0.wav", np.resize([2e4, -2e4], 6_000), 16_000, subtype="FLOAT")
    data = module(write(folder, "path,text\n0.wav,x\n"))
    data.preparer, data.num_steps = lalm.preparer, 1
    (batch,) = data.train_dataloader()
    assert batch.failures == []
    assert [*batch.odd.values()] == [("too_loud",)]


def test_a_bad_clip_is_named(folder, lalm):
    (folder / "0.wav").write_text("no sound")
    data = module(write(folder, "path,text\n0.wav,x\n"))
    data.preparer, data.num_steps = lalm.preparer, 1
    (batch,) = data.train_dataloader()
    assert batch.inputs == {}
    assert "0.wav" in batch.failures[0]


def test_the_ranks_share_one_stream_and_each_epoch_has_each_clip_once():
    clips, width, steps = 7, 2, 21
    ranks = [list(StepBatches(clips, width, 0, rank, 2, 0, steps)) for rank in range(2)]
    stream = [place for step in range(steps) for rank in ranks for place in rank[step]]
    epochs = [stream[start : start + clips] for start in range(0, len(stream), clips)]
    assert len(epochs) == 12
    assert all(Counter(epoch) == Counter(range(clips)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 6  # in new orders
    other = list(StepBatches(clips, width, 1, 0, 2, 0, steps))
    assert other != ranks[0]


@pytest.mark.parametrize("first", [1, 4, 9])
def test_from_any_step_on_it_is_the_same_stream(first):
    whole = list(StepBatches(5, 3, 0, 1, 2, 0, 10))
    rest = StepBatches(5, 3, 0, 1, 2, first, 10)
    assert list(rest) == whole[first:]
    assert len(rest) == 10 - first
