"""Layouts that once failed (../shared/data/faults, where it is there) give the right values."""

from pathlib import Path

import pytest
from tiny_layouts import prepared

from calm_pl.errors import DataError

FAULTS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "faults" / "layouts"
LISTS = FAULTS / "manifests"

pytestmark = pytest.mark.skipif(not FAULTS.is_dir(), reason="no ../shared/data/faults beside the repository")


@pytest.mark.parametrize(
    ("benchmark", "root", "classes", "support", "query"),
    [
        ("folder", "folder_train_val", ("dog", "rain"), 6, 6),
        ("folder", "folder_appledouble", ("dog", "rain"), None, None),
        ("urbansound8k", "urbansound8k_shared_fsID_and_short", ("air_conditioner", "car_horn"), 17, 2),
    ],
)
def test_folders(benchmark, root, classes, support, query):
    data = prepared(benchmark, FAULTS / root, shots=None)
    assert data.classes == classes
    if support is not None:
        assert (len(data.support), len(data.query)) == (support, query)


@pytest.mark.parametrize(
    ("name", "classes", "support", "query"),
    [
        ("backslashes", ("dog", "rain"), 4, 4),
        ("capital_header", ("dog", "rain"), 4, 4),
        ("fsd50k_comma_labels", ("Animal", "Bark", "Dog", "Rain", "Water"), 10, 10),
        ("labels_nfc_nfd_mixed", ("M\u00f6we", "rain"), 4, 4),
        ("semicolon", ("dog", "rain"), 4, 4),
        ("splits_mixed_case", ("dog", "rain"), 4, 4),
        ("utf16", ("dog", "rain"), 4, 4),
    ],
)
def test_lists(name, classes, support, query):
    data = prepared("manifest", "", manifest=str(LISTS / f"{name}.csv"), shots=None)
    assert (data.classes, len(data.support), len(data.query)) == (classes, support, query)


@pytest.mark.parametrize(
    ("benchmark", "root", "message"),
    [
        ("folder", "folder_case_and_space_twins", "'Dog' and 'dog' look alike"),
        ("audioset", "audioset_saved_by_excel", r"eval_segments.csv, line 4: YTID is '#NAME\?'"),
    ],
)
def test_refused(benchmark, root, message):
    with pytest.raises(DataError, match=message):
        prepared(benchmark, FAULTS / root, shots=None)
