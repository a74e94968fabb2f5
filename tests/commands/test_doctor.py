"""`doctor`: a checklist, and a status that scripts can use."""

import pytest
from conftest import make_esc50

from calm_pl.commands import doctor


@pytest.fixture
def checked(tmp_path, capsys, monkeypatch):
    """Run the command in a folder of its own; gives its status and its lines."""

    def run(*args):
        monkeypatch.chdir(tmp_path)
        status = doctor.run([str(arg) for arg in args], "calm-pl doctor", False)
        return status, capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def job(esc_root, tiny_folder):
    return ["data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4"]


def marks(lines):
    return [line[0] for line in lines[:-1] if not line.startswith(" ")]


def test_a_sound_job(checked, job, esc_root, tiny_folder):
    status, lines = checked(*job)
    assert status == 0, lines
    assert "✗" not in marks(lines)
    assert lines[-1] == "All is well."
    assert f"✓ data: ESC-50 found in {esc_root}" in lines
    assert "– note: 45 of ESC-50's 2,000 clips, 3 of 50 classes" in lines
    assert "✓ labels: 3 classes, dog, rain, siren" in lines
    assert "✓ rounds: 1, with 12 support and 9 query questions in all" in lines
    assert "✓ leaks: none in any round, by names and content" in lines
    assert "✓ clips: 10 taken by chance can be decoded (at 16 kHz)" in lines
    assert f"✓ model: {tiny_folder} is there" in lines
    assert any(line.startswith("✓ disk: ") and "GiB free" in line for line in lines)


def test_every_round_is_looked_at(checked, job):
    _, lines = checked(*job, "data.fold=all", "data.draws=2")
    assert any(line.startswith("✓ rounds: 10, ") for line in lines)


def test_a_wrong_root_fails_and_the_rest_is_still_checked(checked, job, tmp_path):
    status, lines = checked(*job, f"data.root={tmp_path}")
    assert status == 1
    assert lines[0].startswith(f"✗ data.root is '{tmp_path}', but meta/esc50.csv is not in it.")
    assert "– clips: not checked, since there is no data" in lines
    assert any(line.startswith("✓ model: ") for line in lines)
    assert lines[-1] == "1 of the checks failed."


def test_a_leak_fails(checked, job, tmp_path):
    root = make_esc50(tmp_path / "esc", per_cell=1)
    meta = root / "meta" / "esc50.csv"
    lines = meta.read_text().splitlines()
    fields = lines[4].split(",")
    fields[5] = lines[1].split(",")[5]
    meta.write_text("\n".join([*lines[:4], ",".join(fields), *lines[5:]]) + "\n")
    status, out = checked(*job, f"data.root={root}", "data.shots=null")
    assert status == 1
    assert out[0].startswith("✗ Support and query share 1 recording")


def test_clips_that_cannot_be_decoded_are_named(checked, job, tmp_path):
    root = make_esc50(tmp_path / "esc", per_cell=1)
    for path in (root / "audio").iterdir():
        path.write_text(f"no sound in {path.name}")
    status, lines = checked(*job, f"data.root={root}")
    assert status == 1
    failed = [line for line in lines if line.startswith("✗ clips: ")]
    assert len(failed) == 10
    assert all(str(root / "audio") in line for line in failed)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "model.path=/none/such",
            "✗ model: /none/such is neither a folder nor an id on the hub (OWNER/NAME)",
        ),
        (
            "model.path=nobody/nothing",
            "✗ model: nobody/nothing is not in the hub's cache, and this machine is",
        ),
        ("model.path=bundled:tiny_lalm", "✓ model: "),
        ("data.leak_guard=none", "– leaks: not checked (data.leak_guard=none)"),
    ],
)
def test_single_findings(checked, job, override, line):
    status, lines = checked(*job, override)
    assert any(one.startswith(line) for one in lines), lines
    assert status == (1 if line.startswith("✗") else 0)


def test_a_model_folder_without_weights(checked, job, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    status, lines = checked(*job, f"model.path={tmp_path}/model")
    assert status == 1
    assert f"✗ model: {tmp_path}/model lacks *.safetensors" in lines


def test_a_full_disk(checked, job, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: doctor.shutil._ntuple_diskusage(1, 1, 2**20))
    status, lines = checked(*job)
    assert status == 1
    assert any(line.startswith("✗ disk: 0.0 GiB free") for line in lines)


def test_a_run_folder_below_a_file_cannot_be_written(checked, job, tmp_path):
    (tmp_path / "file").write_text("")
    status, lines = checked(*job, f"run.dir={tmp_path}/file/run")
    assert status == 1
    assert any(line.startswith(f"✗ disk: {tmp_path}/file cannot be written") for line in lines)


def test_nothing_is_written(checked, job, tmp_path):
    checked(*job, "run.dir=runs/new")
    assert list(tmp_path.iterdir()) == []
