"""Folds and draws: who is support and who is query, over one list of questions each."""

from dataclasses import replace

import pytest

from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.questions.draws import draw_support
from calm_pl.data.questions.rounds import divide
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]

LABELS = {"dog": 0, "rooster": 1, "pig": 2}


@pytest.fixture
def five_folds(esc50_root):
    """ESC-50 of three classes, five folds and four recordings a class and fold; every two are one source."""
    rows = [
        f"{fold}-{label}-{n}.wav,{fold},{target},{label},True,{fold}{target}{n // 2},A"
        for fold in range(1, 6)
        for label, target in LABELS.items()
        for n in range(4)
    ]
    return esc50_root(rows)


def prepared(make, root, **settings):
    module = make("esc50", root, **{"n_options": 0, **settings})
    module.prepare()
    return module


def ids(module, name, positions=None) -> list[str]:
    questions = getattr(module, name)
    return [questions[p].clip.id for p in (range(len(questions)) if positions is None else positions)]


def test_all_folds_ask_about_every_clip_once(make, five_folds):
    module = prepared(make, five_folds, fold="all", shots=2)
    assert [(one.fold, one.draw) for one in module.rounds] == [(str(f), 0) for f in range(1, 6)]
    asked = [clip for one in module.rounds for clip in ids(module, "query", one.query)]
    assert len(asked) == len(set(asked)) == 60
    for one in module.rounds:
        assert {clip[0] for clip in ids(module, "query", one.query)} == {one.fold}
        assert one.fold not in {clip[0] for clip in ids(module, "support", one.support)}
        assert len(one.query) == 12
        assert len(one.support) == 6


def test_without_a_number_of_shots_the_pool_is_all_other_folds(make, five_folds):
    module = prepared(make, five_folds, fold="all", shots=None)
    for one in module.rounds:
        assert len(one.support) == 48
        assert {clip[0] for clip in ids(module, "support", one.support)} == set("12345") - {one.fold}
    assert len(module.support) == 60  # each clip once, though four folds fit it


def test_a_draw_is_that_of_its_seed(make, five_folds):
    together = prepared(make, five_folds, draws=3, seed=5, shots=3)
    assert [one.draw for one in together.rounds] == [0, 1, 2]
    chosen = [ids(together, "support", one.support) for one in together.rounds]
    alone = [ids(prepared(make, five_folds, seed=5 + d, shots=3), "support") for d in range(3)]
    assert chosen == alone
    assert len({tuple(sorted(c)) for c in chosen}) == 3
    assert {one.query for one in together.rounds} == {tuple(range(12))}


def test_every_fold_and_draw_is_that_of_a_run_of_its_own(make, five_folds):
    together = prepared(make, five_folds, fold="all", draws=2, seed=3, shots=2, heldout_shots=1)
    assert len(together.rounds) == 10
    for one in together.rounds:
        alone = prepared(make, five_folds, fold=int(one.fold), seed=3 + one.draw, shots=2, heldout_shots=1)
        (only,) = alone.rounds
        for name, positions in (("support", "support"), ("support", "heldout"), ("query", "query")):
            in_one = ids(together, name, getattr(one, positions))
            assert in_one == ids(alone, name, getattr(only, positions))


def test_a_question_is_listed_once_however_many_rounds_use_it(make, five_folds):
    module = prepared(make, five_folds, fold="all", draws=6, shots=3, heldout_shots=2, n_options=3)
    for name, used in (("support", ("support", "heldout")), ("query", ("query",))):
        listed = ids(module, name)
        assert len(listed) == len(set(listed))
        positions = {p for one in module.rounds for kind in used for p in getattr(one, kind)}
        assert positions == set(range(len(listed)))
    assert sum(len(one.support) + len(one.heldout) for one in module.rounds) > 2 * len(module.support)


def test_a_questions_options_are_drawn_by_the_seed_and_not_by_the_draw(make, five_folds):
    many = prepared(make, five_folds, draws=3, seed=2, shots=4, n_options=2)
    one = prepared(make, five_folds, draws=1, seed=2, shots=4, n_options=2)
    assert many.query == one.query
    first = {q.clip.id: q for q in one.support}
    shared = [q for q in many.support if q.clip.id in first]
    assert len(shared) == len(first)
    assert all(q == first[q.clip.id] for q in shared)


def test_held_out_clips_share_nothing_with_the_support(make, five_folds):
    module = prepared(make, five_folds, draws=8, shots=5, heldout_shots=4)
    for one in module.rounds:
        support, heldout = ([module.support[p].clip for p in part] for part in (one.support, one.heldout))
        assert [LABELS[clip.labels[0]] for clip in heldout] == [0] * 4 + [1] * 4 + [2] * 4
        assert {clip.id for clip in support}.isdisjoint(clip.id for clip in heldout)
        assert {g for c in support for g in c.groups}.isdisjoint(g for c in heldout for g in c.groups)


def test_held_out_clips_are_those_next_in_line(clips):
    pool = clips(["dog", "owl"], 9)
    few = draw_support(pool, ["dog", "owl"], 3, 0, heldout_shots=2)
    more = draw_support(pool, ["dog", "owl"], 5, 0)
    assert few.support == draw_support(pool, ["dog", "owl"], 3, 0).support
    assert {one.clip.id for one in [*few.support, *few.heldout]} == {one.clip.id for one in more.support}


def test_too_few_clips_to_hold_out_names_the_class(clips):
    pool = [*clips(["dog"], 5), *clips(["owl"], 4)]
    with pytest.raises(DataError, match=r"heldout_shots is 2, but class 'owl' has only 1 clips left"):
        draw_support(pool, ["dog", "owl"], 3, 0, heldout_shots=2)


def test_held_out_clips_may_come_from_a_pool_of_their_own(clips):
    pool, other = clips(["dog", "owl"], 3), clips(["dog", "owl", "cow"], 6)[3:]
    other = [replace(clip, id=f"other {clip.id}", groups=()) for clip in other]
    drawn = draw_support(pool, ["dog", "owl"], 3, 0, heldout_shots=2, heldout_pool=other)
    assert all(one.clip.id.startswith("other") for one in drawn.heldout)
    assert not any(one.clip.id.startswith("other") for one in drawn.support)


def test_a_clip_of_several_labels_may_be_drawn_for_each(tmp_path):
    both = Clip("both", tmp_path / "both", ("dog", "owl"), ())
    drawn = draw_support([both], ["dog", "owl"], 1, 0)
    assert [(one.clip.id, one.label) for one in drawn.support] == [("both", "dog"), ("both", "owl")]


def test_fewer_where_allowed_but_never_none(clips):
    pool = [*clips(["dog"], 5), *clips(["owl"], 2)]
    drawn = draw_support(pool, ["dog", "owl"], 4, 0, take_fewer=True)
    assert [one.label for one in drawn.support] == ["dog"] * 4 + ["owl"] * 2
    assert drawn.short == {"owl": 2}
    with pytest.raises(DataError, match="Class 'cow' has no clip"):
        draw_support(pool, ["dog", "owl", "cow"], 4, 0, take_fewer=True)


def test_a_leak_is_found_in_the_fold_where_it_is(make, esc50_root):
    rows = [
        f"{fold}-{label}.wav,{fold},{target},{label},True,{fold}{target},A"
        for fold in range(1, 6)
        for label, target in LABELS.items()
    ]
    # A take of fold 4's dog in fold 5: fold 1 to 3 may fit both, folds 4 and 5 hold them apart.
    root = esc50_root([*rows, "5-again.wav,5,0,dog,True,40,B"])
    prepared(make, root, fold=1, shots=None)
    for fold in (4, 5, "all"):
        with pytest.raises(DataError, match=r"share 1 recording.*\n.*: recording 40"):
            prepared(make, root, fold=fold, shots=None)


@pytest.fixture
def listing(tmp_path):
    """Six clips with folds and splits."""
    clips = [
        Clip(f"{i}", tmp_path / f"{i}", ("a",), (), split=split, fold=fold)
        for i, (split, fold) in enumerate(
            zip(["train", "train", "dev", "dev", "test", "test"], "xyzxyz", strict=True)
        )
    ]
    return Listing(("a",), clips, folds=("x", "y", "z"))


def divisions(listing, **settings):
    return [
        (d.fold, [c.id for c in d.pool], [c.id for c in d.query])
        for d in divide(listing, DataSettings(root=".", **settings))
    ]


def test_divisions(listing):
    assert divisions(listing) == [("", ["0", "1"], ["4", "5"])]
    assert divisions(listing, pool_split="dev", query_split="train") == [("", ["2", "3"], ["0", "1"])]
    assert divisions(listing, fold="y") == divisions(listing, fold=2)
    assert divisions(listing, fold="y") == [("y", ["0", "2", "3", "5"], ["1", "4"])]
    assert [fold for fold, _, _ in divisions(listing, fold="all")] == ["x", "y", "z"]
    assert divisions(listing._replace(fold="z")) == divisions(listing, fold="z")


def test_held_out_clips_of_a_split_of_their_own(listing):
    (one,) = divide(listing._replace(heldout="dev"), DataSettings(root=".", heldout_shots=1))
    assert [clip.id for clip in one.heldout] == ["2", "3"]


def test_a_split_to_hold_out_is_needed_only_where_clips_are_held_out(listing):
    listing = listing._replace(clips=[c for c in listing.clips if c.split != "dev"], heldout="dev")
    assert divisions(listing) == [("", ["0", "1"], ["4", "5"])]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"fold": "w"}, r"data\.fold is 'w', but the folds are x, y, z; `all` takes each in turn"),
        ({"fold": 4}, r"data\.fold is 4, but the folds are x, y, z"),
        ({"pool_split": "trian"}, r"data\.pool_split is 'trian', but .* the splits dev, test, train\."),
        ({"query_split": "val"}, r"data\.query_split is 'val', but .* the splits dev, test, train\."),
        ({"fold": 1, "pool_split": "dev"}, r"data\.pool_split is 'dev', but .* by folds \(data\.fold=1\)"),
        ({"fold": "all", "query_split": "dev"}, r"data\.query_split is 'dev', but .* by folds"),
    ],
)
def test_divisions_that_there_are_not(listing, settings, match):
    with pytest.raises(DataError, match=match):
        divisions(listing, **settings)


@pytest.mark.parametrize("fold", [1, "all"])
def test_folds_of_a_set_without_any(listing, fold):
    with pytest.raises(DataError, match=rf"data\.fold is {fold!r}, but this data set has no folds"):
        divisions(listing._replace(folds=()), fold=fold)


def test_numbers_among_names_go_by_name_first(listing):
    named = listing._replace(
        clips=[replace(c, fold={"x": "2", "y": "3", "z": "1"}[c.fold]) for c in listing.clips],
        folds=("2", "3", "1"),
    )
    assert divisions(named, fold=1)[0][0] == "1"


def test_clusters_are_recordings_where_there_are_enough(make, five_folds):
    task = prepared(make, five_folds, shots=1, fold="all").task()
    sources = [query.clip.groups[0] for query in task.query]
    assert len(sources) == 60
    assert len(set(task.cluster_Q.tolist())) == len(set(sources)) == 30
    pairs = {(source, number) for source, number in zip(sources, task.cluster_Q.tolist(), strict=True)}
    assert len(pairs) == 30  # one number a recording
