"""What stands at the head of a run's page."""

from calm_pl.runs.entries import heading_of
from calm_pl.runs.folder import RunFolder


def test_a_headings_parts(tmp_path):
    def heading(limited=None, **setting):
        results = {"benchmark": "esc50", "model": "m", "methods": {}, "classes": ["a", "b"]}
        return heading_of(RunFolder(tmp_path, {**results, "setting": setting, "limited": limited}, ""))

    esc = {"title": "ESC-50", "n_folds": 1, "n_draws": 1, "full_classes": 50, "full_clips": 2000}
    few = {**esc, "n_classes": 10, "n_clips": 300, "shots": 20, "fold": 1}
    whole = {**esc, "n_classes": 50, "n_clips": 2000, "shots": None, "fold": "all", "n_draws": 10}
    assert heading(**few) == "ESC-50 subset, 10 of 50 classes, 20 shots, fold 1"
    assert heading(**whole) == "ESC-50, 50 classes, all support clips, all folds, 10 draws"
    assert heading(**{**whole, "n_clips": 1999, "fold": None, "n_draws": 1}) == (
        "ESC-50 subset, 1,999 of 2,000 clips, all support clips"
    )
    own = {"title": "your folder", "n_classes": 3, "n_clips": 9, "shots": 4, "fold": None}
    assert (
        heading(40, **own, n_folds=1, n_draws=1) == "your folder, 3 classes, 4 shots, limited: not a result"
    )
    assert heading() == "esc50, 2 classes"
