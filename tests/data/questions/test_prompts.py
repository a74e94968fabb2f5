"""Multiple-choice questions: their exact words, their options, and what the draw depends on."""

import random
from collections import Counter

import pytest

from calm_pl.data.questions.clips import Asked, Clip
from calm_pl.data.questions.prompts import LETTERS, Questioner
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]

QUESTION = "What caption does the given audio belong to?"
CLASSES = ("dog", "washing_machine", "toilet_flush", "car_horn", "wind", "rain")


def asker(classes=CLASSES, n_options=4, seed=0, **more) -> Questioner:
    return Questioner(classes, QUESTION, n_options, seed, **more)


def test_the_exact_text():
    text = asker().text([1, 2, 3, 4])
    assert text == f"{QUESTION} A. washing_machine B. toilet_flush C. car_horn D. wind"


def test_readable_labels_replace_underscores():
    text = asker(readable_labels=True).text([1, 2, 3, 4])
    assert text == f"{QUESTION} A. washing machine B. toilet flush C. car horn D. wind"


def test_the_text_of_a_query_lists_its_options(clips):
    (clip,) = clips(["dog"], 1)
    query = asker().ask(clip, "dog")
    listed = " ".join(f"{LETTERS[i]}. {CLASSES[c]}" for i, c in enumerate(query.options))
    assert query.question == f"{QUESTION} {listed}"
    assert query.clip is clip


@pytest.mark.parametrize("label", range(len(CLASSES)))
def test_the_truth_is_among_distinct_options(clips, label):
    for clip in clips([CLASSES[label]], 100):
        query = asker().ask(clip, CLASSES[label])
        assert query.label == label
        options = query.options
        assert len(options) == len(set(options)) == 4
        assert label in options
        assert set(options) <= set(range(len(CLASSES)))


def test_the_draw_depends_on_seed_and_id_only(clips, tmp_path):
    many = clips(["dog"], 50)
    asked = {clip.id: asker().ask(clip, "dog").options for clip in many}
    ask = asker().ask  # another object, another order, other calls in between
    for clip in random.Random(1).sample(many, len(many)):
        ask(clips(["car_horn"], 1)[0], "car_horn")
        moved = type(clip)(clip.id, tmp_path / "elsewhere" / clip.id, clip.labels, ("another group",))
        assert ask(moved, "dog").options == asked[clip.id]


def test_the_state_of_the_global_generator_does_not_matter(clips):
    (clip,) = clips(["dog"], 1)
    random.seed(1)
    first = asker().ask(clip, "dog")
    random.seed(2)
    state = random.getstate()
    assert asker().ask(clip, "dog") == first
    assert random.getstate() == state


def test_seed_and_id_both_matter(clips):
    many = clips(["dog"], 40)
    by_seed = {asker(seed=seed).ask(many[0], "dog").options for seed in range(40)}
    by_id = {asker().ask(clip, "dog").options for clip in many}
    assert len(by_seed) > 20
    assert len(by_id) > 20


def test_the_letter_of_the_truth_is_about_uniform(clips):
    # 4,000 clips: 1,000 a letter, standard deviation 27.
    letters = Counter(
        asker().ask(clip, "toilet_flush").options.index(2) for clip in clips(["toilet_flush"], 4_000)
    )
    assert set(letters) == {0, 1, 2, 3}
    assert all(abs(count - 1_000) < 150 for count in letters.values()), letters


def test_distractors_are_about_uniform(clips):
    # Each of 5 others is one of 3 distractors in 3/5 of 2,000 clips: 1,200, standard deviation 22.
    counts = Counter(c for clip in clips(["dog"], 2_000) for c in asker().ask(clip, "dog").options if c != 0)
    assert set(counts) == {1, 2, 3, 4, 5}
    assert all(abs(count - 1_200) < 120 for count in counts.values()), counts


def test_no_options(clips):
    query = asker(n_options=0).ask(clips(["dog"], 1)[0], "dog")
    assert query.question == QUESTION
    assert query.options == ()


def test_one_option_is_the_truth(clips):
    assert asker(n_options=1).ask(clips(["car_horn"], 1)[0], "car_horn").options == (3,)


@pytest.mark.parametrize("n_options", [6, 7, 26, 100])
def test_never_more_options_than_classes(clips, n_options):
    for clip in clips(["dog"], 5):
        assert sorted(asker(n_options=n_options).ask(clip, "dog").options) == list(range(6))


def test_the_order_of_all_classes_varies(clips):
    orders = {asker(n_options=6).ask(clip, "dog").options for clip in clips(["dog"], 20)}
    assert len(orders) > 10


def test_more_options_than_letters_are_refused():
    classes = [f"class {i}" for i in range(50)]
    with pytest.raises(
        DataError, match=r"data\.n_options is 27, but there are 26 option letters; set it to 26"
    ):
        asker(classes, n_options=27)
    assert asker(classes, n_options=26).text(range(26)).endswith("Z. class 25")
    assert asker(classes[:10], n_options=27).n_options == 10


@pytest.mark.parametrize("n_options", [0, 1, 4, 6])
def test_an_unknown_truth_draws_all_options(tmp_path, n_options):
    drawn = Counter()
    for i in range(300):
        clip = Clip(f"{i}.wav", tmp_path / f"{i}.wav", (), ())
        options = asker(n_options=n_options).ask(clip, None).options
        assert len(options) == len(set(options)) == n_options
        drawn.update(options)
    assert len(drawn) == (len(CLASSES) if n_options else 0)


def test_two_classes_as_in_spoofing(clips):
    ask = Questioner(("bonafide", "spoofed"), "Is this audio bonafide or spoofed?", 4, 0).ask
    texts = {ask(clip, "bonafide").question for clip in clips(["bonafide"], 30)}
    assert texts == {
        "Is this audio bonafide or spoofed? A. bonafide B. spoofed",
        "Is this audio bonafide or spoofed? A. spoofed B. bonafide",
    }


def several(tmp_path, *labels) -> Clip:
    return Clip("several.wav", tmp_path / "several.wav", labels, ())


def test_a_clips_other_labels_are_no_distractors(tmp_path):
    clip = several(tmp_path, "dog", "wind", "rain")
    for seed in range(50):
        for label in clip.labels:
            query = asker(seed=seed).ask(clip, label)
            assert query.label == CLASSES.index(label)
            assert {CLASSES[c] for c in query.options} & set(clip.labels) == {label}
            assert len(query.options) == 4  # the truth and the three classes that are wrong


def test_fewer_options_where_too_few_classes_are_wrong(tmp_path):
    clip = several(tmp_path, *CLASSES[:5])
    assert sorted(asker().ask(clip, "dog").options) == [0, 5]


def test_each_question_about_a_clip_draws_its_own_distractors(tmp_path):
    classes = [f"c{i}" for i in range(40)]
    clip = several(tmp_path, "c0", "c1")
    ask = asker(classes).ask
    others = [set(ask(clip, label).options) - {0, 1} for label in clip.labels]
    assert others[0] != others[1]


ASKED = Asked("wind", "What blows? A. rain B. wind", ("rain", "wind"))


def test_a_question_that_came_with_the_clip_is_asked_as_it_is(tmp_path):
    clip = Clip("x.wav", tmp_path / "x.wav", ("wind", "dog"), (), asked=(ASKED,))
    assert asker().ask(clip, "wind")[1:] == (4, "What blows? A. rain B. wind", (5, 4), ())
    assert asker().ask(clip, "dog").question.startswith(QUESTION)  # nothing came with this label


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        (ASKED._replace(options=("rain", "snow", "wind")), r"Clip x\.wav: its option 'snow' is none of"),
        (ASKED._replace(options=("rain", "dog")), r"Clip x\.wav: its label 'wind' is not among its options"),
        (ASKED._replace(options=("wind", "rain", "wind")), r"Clip x\.wav: options must be at most 26 diff"),
    ],
)
def test_questions_that_came_with_a_clip_and_do_not_fit(tmp_path, asked, match):
    with pytest.raises(DataError, match=match):
        asker().ask(Clip("x.wav", tmp_path / "x.wav", ("wind",), (), asked=(asked,)), "wind")
