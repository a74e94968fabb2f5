"""From questions to batches: what is read, what failed, and what shape it has."""

from types import SimpleNamespace

import pytest
import torch

from calm_pl.data.loading.batches import Batch, ClipDataset, Collator, Failure, Media, MediaRule, ModelPass
from calm_pl.data.questions.clips import Query

pytest_plugins = ["tiny_data_sets"]

RATE = 8_000


@pytest.fixture
def queries(clips, write_sound):
    """Eight questions; clip i sounds at level i / 10 and lasts 0.2 s or, each third one, 1.5 s."""
    made = []
    for i, clip in enumerate(clips(["dog", "owl"], 4)):
        write_sound(clip.path, 1.5 if i % 3 == 2 else 0.2, i / 10)
        made.append(Query(clip, 10 + i, f"question {i}", (i % 3, i % 3 + 1, i % 3 + 2)))
    return made


@pytest.fixture
def dataset(queries):
    return ClipDataset(queries, MediaRule(RATE, 1.0))


@pytest.fixture
def collate(queries, preparer):
    return Collator(queries, preparer, torch.tensor([8]))


def test_a_clip_comes_with_its_position(dataset):
    assert len(dataset) == 8
    index, media = dataset[1]
    assert index == 1
    assert isinstance(media, Media)
    assert media.frames is None
    (window,) = media.sound.windows
    assert len(window) == 1_600
    assert window.mean() == pytest.approx(0.1, abs=1e-6)


def test_a_clip_that_cannot_be_read_comes_as_a_failure(dataset, queries):
    queries[3].clip.path.write_text("no sound")
    index, failure = dataset[3]
    assert index == 3
    assert isinstance(failure, Failure)
    assert failure.position == 3
    assert failure.reason.startswith(f"{queries[3].clip.path}: ")


def test_other_errors_are_not_swallowed(dataset, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a fault of the program")

    monkeypatch.setattr("calm_pl.media.Decoder.audio", broken)
    with pytest.raises(ZeroDivisionError):
        dataset[0]


def test_a_batch_keeps_clips_labels_options_and_questions_together(dataset, collate, preparer):
    batch = collate([dataset[i] for i in (4, 0, 5)])
    assert batch.index_N.tolist() == [4, 0, 5]
    assert batch.label_N.tolist() == [14, 10, 15]
    assert batch.options_NO.tolist() == [[1, 2, 3], [0, 1, 2], [2, 3, 4]]
    assert preparer.questions == [["question 4", "question 0", "question 5"]]
    (one,) = batch.passes
    assert one.clip_R.tolist() == [0, 1, 2]
    levels = one.inputs["sounds"][:, 0]
    torch.testing.assert_close(levels, torch.tensor([0.4, 0.0, 0.5]))
    assert {batch.index_N.dtype, batch.label_N.dtype, batch.options_NO.dtype} == {torch.int64}
    assert not batch.failures


def test_cut_clips_are_counted(dataset, collate):
    batch = collate([dataset[i] for i in range(8)])  # clips 2 and 5 last longer than the window
    assert [note["was_cut"] for note in batch.notes] == [i in (2, 5) for i in range(8)]
    assert [note["odd"] for note in batch.notes] == [["silent"]] * 8  # steady levels
    assert batch.passes[0].inputs["lengths"].tolist() == [
        1_600,
        1_600,
        8_000,
        1_600,
        1_600,
        8_000,
        1_600,
        1_600,
    ]


def test_failures_are_carried_beside_the_clips(dataset, collate, queries):
    queries[1].clip.path.unlink()
    queries[2].clip.path.write_bytes(b"")
    batch = collate([dataset[i] for i in (0, 1, 2, 3)])
    assert batch.index_N.tolist() == [0, 3]
    assert batch.options_NO.shape == (2, 3)
    assert len(batch.passes[0].inputs["lengths"]) == 2
    assert [f.position for f in batch.failures] == [1, 2]
    assert "no such file" in batch.failures[0].reason
    assert "0 bytes" in batch.failures[1].reason


def test_nothing_readable_leaves_the_preparer_alone(dataset, collate, queries, preparer):
    queries[0].clip.path.unlink()
    batch = collate([dataset[0]])
    assert batch.passes == []
    assert batch.index_N.shape == (0,)
    assert batch.label_N.shape == (0,)
    assert len(batch.options_NO) == 0
    assert batch.notes == []
    assert not batch.banked
    assert len(batch.failures) == 1
    assert preparer.questions == []


def test_an_empty_batch_of_a_rank_without_clips(collate):
    batch = collate([])
    assert batch.index_N.dtype == torch.int64
    assert len(batch.index_N) == len(batch.label_N) == len(batch.options_NO) == 0
    assert batch.passes == []
    assert batch.failures == []


def test_questions_without_options_have_no_columns(queries, preparer, dataset):
    plain = [query._replace(options=()) for query in queries]
    batch = Collator(plain, preparer, torch.tensor([8]))([dataset[0], dataset[1]])
    assert batch.options_NO.shape == (2, 0)
    assert batch.options_NO.dtype == torch.int64


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loaders_give_every_clip_once_with_and_without_workers(make, esc50_root, two_classes, num_workers):
    root = esc50_root(two_classes)
    (root / "audio" / "1-dog.wav").write_text("no sound")
    module = make("esc50", root, num_workers=num_workers, batch_size=3, shots=None)
    module.prepare()
    support = list(module.val_dataloader())
    assert [i for batch in support for i in batch.index_N.tolist()] == [0, 1, 2, 3]
    assert torch.cat([batch.label_N for batch in support]).tolist() == [0, 0, 1, 1]
    assert [len(batch.index_N) for batch in support] == [3, 1]
    (query,) = module.test_dataloader()
    assert query.index_N.tolist() == [1]
    assert query.label_N.tolist() == [1]
    assert [f.position for f in query.failures] == [0]
    assert query.options_NO.sort(1).values.tolist() == [[0, 1]]


def test_ranks_share_the_clips_and_their_batches_match(make, esc50_root, two_classes):
    module = make("esc50", esc50_root(two_classes), batch_size=1, shots=None)
    module.prepare()
    seen = []
    for rank in range(3):
        module.trainer = SimpleNamespace(global_rank=rank, world_size=3)
        batches = list(module.val_dataloader())
        assert len(batches) == 2
        seen += [i for batch in batches for i in batch.index_N.tolist()]
    assert sorted(seen) == [0, 1, 2, 3]


def test_a_batch_is_moved_whole(make, esc50_root, two_classes):
    module = make("esc50", esc50_root(two_classes))
    batch = Batch(
        torch.tensor([1]),
        torch.tensor([2]),
        torch.tensor([[0, 2]]),
        [ModelPass({"x": torch.ones(1)}, torch.tensor([0]))],
        turned=[[ModelPass({"x": torch.zeros(1)}, torch.tensor([0]))]],
        keys=["k"],
        failures=[Failure(0, "y")],
        notes=[{"was_cut": True}],
    )
    moved = module.transfer_batch_to_device(batch, torch.device("meta"), 0)
    (one,) = moved.passes
    ((other,),) = moved.turned
    tensors = [moved.index_N, moved.label_N, moved.options_NO, one.inputs["x"], one.clip_R, other.inputs["x"]]
    assert {t.device.type for t in tensors} == {"meta"}
    assert moved.failures == [Failure(0, "y")]
    assert (moved.keys, moved.notes) == (["k"], [{"was_cut": True}])


def test_questions_about_one_clip_share_its_decoding(queries, preparer, monkeypatch):
    asked = [queries[0], queries[1], queries[0]._replace(question="again"), queries[0]]
    decoded = []
    dataset = ClipDataset(asked, MediaRule(RATE, 1.0))
    audio = dataset.decoder.audio
    monkeypatch.setattr(
        dataset.decoder, "audio", lambda path, *rest: decoded.append(path) or audio(path, *rest)
    )
    items = dataset.__getitems__([0, 1, 2, 3])
    assert decoded == [queries[0].clip.path, queries[1].clip.path]
    batch = Collator(asked, preparer, torch.tensor([8]))(items)
    assert batch.index_N.tolist() == [0, 1, 2, 3]
    assert preparer.questions == [["question 0", "question 1", "again", "question 0"]]


def test_a_broken_clip_fails_in_each_of_its_questions(queries, preparer):
    queries[0].clip.path.write_text("no sound")
    asked = [queries[0], queries[1], queries[0]]
    batch = Collator(asked, preparer, torch.tensor([8]))(
        ClipDataset(asked, MediaRule(RATE, 1.0)).__getitems__([0, 1, 2])
    )
    assert batch.index_N.tolist() == [1]
    assert [failure.position for failure in batch.failures] == [0, 2]
    assert batch.failures[0].reason == batch.failures[1].reason


def test_fewer_options_are_filled_up_with_minus_one(queries, preparer, dataset):
    ragged = [q._replace(options=tuple(range(i % 3))) for i, q in enumerate(queries)]
    batch = Collator(ragged, preparer, torch.tensor([8]))([dataset[i] for i in (2, 0, 1)])
    assert batch.options_NO.tolist() == [[0, 1], [-1, -1], [0, -1]]


def test_windows_of_one_clip_may_lie_in_several_passes(queries, preparer):
    # Clips 1 to 3: one window of 0.2 s, two of 1.5 s, one.
    windowed = ClipDataset(queries, MediaRule(RATE, 1.0, "windows"))
    batch = Collator(queries, preparer, torch.tensor([2]))(windowed.__getitems__([1, 2, 3]))
    assert [one.clip_R.tolist() for one in batch.passes] == [[0, 1], [1, 2]]
    assert preparer.questions == [["question 1", "question 2"], ["question 2", "question 3"]]


@pytest.mark.parametrize("given", [None, 3])
def test_ranks_agree_on_the_smallest_batch_and_memory_that_ran_out_is_remembered(
    make, esc50_root, two_classes, monkeypatch, given
):
    settings = {"num_workers": 0, "shots": None} | ({} if given is None else {"batch_size": given})
    module = make("esc50", esc50_root(two_classes), **settings)
    module.prepare()
    device = torch.device("cpu")
    module.trainer = SimpleNamespace(
        global_rank=0, world_size=1, strategy=SimpleNamespace(root_device=device)
    )
    asked = []
    module.batch_rule = lambda ahead: asked.append(ahead) or 2 * len(asked)
    monkeypatch.setattr("calm_pl.data.loading.base.concatenate_over_ranks", lambda mine: [64, *mine])
    first = [len(batch.index_N) for batch in module.val_dataloader()]
    module.loaders["support"].remake([0], 1)  # memory ran out
    second = [len(batch.index_N) for batch in module.test_dataloader()]
    assert module.batch_sizes == ({"support": 2, "query": 4} if given is None else {"support": 3, "query": 3})
    assert max(first) == min(module.batch_sizes["support"], sum(first))
    assert max(second) == min(module.batch_sizes["query"], sum(second))
    assert int(module.max_rows[0]) == 1
    if given is None:
        assert [(one.questions, one.device, one.ranks) for one in asked] == [
            (sum(first), device, 1),
            (sum(second), device, 1),
        ]
    else:
        assert asked == []
    module.test_dataloader()
    assert int(module.max_rows[0]) == 1
