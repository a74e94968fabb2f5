"""`doctor`: a checklist, and a status that scripts can use."""

import shutil

import numpy as np
import pytest
import soundfile
import tiny_layouts
from conftest import make_esc50

from calm_pl.commands import doctor
from calm_pl.jobs import data_checks, forecast


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
    assert "✓ fold 1, fold 2, fold 3, fold 4, fold 5: each 9 clips of 3 classes, 3 each" in lines
    assert "✓ files: all wav; all 16,000 Hz; all mono" in lines
    assert "✓ clips: all 45 can be decoded (at 16 kHz)" in lines
    assert "✓ durations: 0.40 s, median 0.40 s, 18.0 s in all" in lines
    assert "✓ sound: none of those decoded is silent, cancelling or far too loud" in lines
    assert f"✓ model: {tiny_folder} is there" in lines
    assert any(line.startswith("✓ disk: ") and "GiB free" in line for line in lines)
    assert any(line.startswith("✓ device: CPU, ") for line in lines)
    assert "✓ work: 21 clips, 0 cached, 21 to encode" in lines
    assert any(line.startswith("✓ bank: 0.") and "MiB to write" in line for line in lines)
    assert any(
        line.startswith("✓ memory: ")
        and "a batch of 8 clips of 0 s (estimated; data.batch_size=auto)" in line
        for line in lines
    )
    assert any(line.startswith("– time: about ") and "for 21 clips, at 0.0" in line for line in lines)
    prompt = lines[next(n for n, line in enumerate(lines) if line.startswith("– prompt of ")) :]
    assert "<|AUDIO|>" in "".join(prompt)
    assert any("A. " in line and " B. " in line for line in prompt)


def test_a_dry_run_says_what_is_cached_and_runs_nothing(call, small_job, tmp_path):
    job = [*small_job, "bank.dir=bank"]
    assert call("extract", *job, "--only-drawn").returncode == 0
    for command, work in (
        (("fit-free",), "✓ work: 21 clips, 21 cached, 0 to encode"),
        (("fit-free", "zero_shot=text"), "✓ work: 21 clips, 0 cached, 21 to encode"),
        (("extract",), "✓ work: 45 clips, 21 cached, 24 to encode"),
        (("pseudo-label", "--whole-pool"), "✓ work: 45 clips, 21 cached, 24 to encode"),
        (("sweep", "sweep.grid.data.shots=[2,4]"), "✓ work: 21 clips, 21 cached, 0 to encode"),
    ):
        done = call(command[0], *job, *command[1:], "--dry-run")
        lines = done.stdout.splitlines()
        assert done.returncode == 0, done.stdout + done.stderr
        assert work in lines, (command, lines)
        assert lines[-1] == "All is well."
        assert any(line.startswith("– time: ") for line in lines) == ("0 to encode" not in work), lines
    assert not list(tmp_path.glob("run/*.json"))


def test_what_is_cached_is_known_without_loading_the_model(call, small_job):
    job = [*small_job, "bank.dir=bank"]
    assert call("extract", *job, "--only-drawn").returncode == 0
    lines = call("doctor", *job, "--no-model").stdout.splitlines()
    assert "✓ work: 21 clips, 21 cached, 0 to encode" in lines
    lines = call("doctor", *job, "--no-model", "model.attn=eager").stdout.splitlines()
    assert "– work: at most 21 clips to encode; how many are cached is not known yet" in lines


HUB = ("model.path=owner/name", "--no-model")


@pytest.mark.parametrize(
    ("size", "start", "end", "status"),
    [
        (
            None,
            "? model: owner/name is not in the hub's cache; the first run will download it (of unknown",
            "?",
            0,
        ),
        (
            2**30,
            "– model: owner/name is not in the hub's cache; the first run will download it, 1.0 GiB of",
            "?",
            0,
        ),
        (2**60, "✗ model: owner/name is not in the hub's cache", "choose another disk with HF_HOME", 1),
    ],
)
def test_what_will_be_downloaded(checked, job, monkeypatch, size, start, end, status):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(forecast, "download_size", lambda path, revision: size)
    found, lines = checked(*job, *HUB)
    assert found == status
    (line,) = [one for one in lines if one.startswith(start)]
    assert line.endswith(end) or end == "?"
    assert any(one.startswith("? memory: not known") for one in lines)
    assert lines[-1] != "All is well."


def test_files_that_a_download_needs_are_counted(monkeypatch):
    class Api:
        def model_info(self, path, revision, files_metadata):
            sizes = {"model-1.safetensors": 5, "config.json": 2, "pytorch_model.bin": 100, "README.md": 7}
            files = [type("File", (), {"rfilename": name, "size": size}) for name, size in sizes.items()]
            return type("Info", (), {"siblings": files})

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    assert forecast.download_size("owner/name") == 7


def test_a_model_that_does_not_fit_and_a_device_that_is_not_there(checked, job, monkeypatch):
    monkeypatch.setattr(forecast, "device_facts_of", lambda trainer: ("a small GPU", 2**10))
    status, lines = checked(*job, "--no-model")
    assert status == 1
    (line,) = [one for one in lines if one.startswith("✗")]
    assert line.startswith("✗ memory: ")
    assert line.endswith("; lower data.batch_size, or see model.quantization and model.device_map")
    assert "? model: not loaded, since it does not fit into memory" in checked(*job)[1]
    status, lines = checked(*job, "--no-model", "trainer.accelerator=gpu")
    assert status == 1
    assert any(one.startswith("✗ Lightning refuses the settings below trainer") for one in lines)


def test_every_round_is_looked_at(checked, job):
    _, lines = checked(*job, "data.fold=all", "data.draws=2")
    assert any(line.startswith("✓ rounds: 10, ") for line in lines)


def test_a_wrong_root_fails_and_the_rest_is_still_checked(checked, job, tmp_path):
    status, lines = checked(*job, f"data.root={tmp_path}")
    assert status == 1
    assert lines[0].startswith(f"✗ data.root is '{tmp_path}', but meta/esc50.csv is not in it.")
    assert "? clips: not checked, since there is no data" in lines
    assert any(line.startswith("✓ model: ") for line in lines)
    assert lines[-1] == "1 of the checks failed; 1 of the checks could not be made (?)."


def test_a_leak_fails(checked, job, tmp_path):
    root = make_esc50(tmp_path / "esc", per_cell=1)
    meta = root / "meta" / "esc50.csv"
    lines = meta.read_text().splitlines()
    fields = lines[4].split(",")
    fields[5] = lines[1].split(",")[5]
    meta.write_text("\n".join([*lines[:4], ",".join(fields), *lines[5:]]) + "\n")
    status, out = checked(*job, f"data.root={root}", "data.shots=null")
    assert status == 1
    assert any(line.startswith("✗ Support and query share 1 recording") for line in out)


def test_clips_that_cannot_be_decoded_are_named(checked, job, tmp_path):
    root = make_esc50(tmp_path / "esc", per_cell=1)
    for path in (root / "audio").iterdir():
        path.write_text(f"no sound in {path.name}")
    status, lines = checked(*job, f"data.root={root}")
    assert status == 1
    failed = [line for line in lines if line.startswith("✗ clips: ")]
    assert all(str(root / "audio") in line for line in failed[:5])
    assert failed[5:] == ["✗ clips: 10 more cannot be decoded"]


@pytest.fixture
def own_folder(tmp_path, tiny_folder):
    """Six clips: three as they should be, one silent, one of 50 ms, one longer than any window."""
    voice = np.sin(np.arange(31 * 8_000) / 9)
    sounds = {
        "car horn": [voice[:4_000], voice[:400], voice],
        "car_horn": [voice[:4_000], voice[:4_001], voice[:4_000] * 0],
    }
    for label, clips in sounds.items():
        (tmp_path / "own" / label).mkdir(parents=True)
        for n, samples in enumerate(clips):
            soundfile.write(tmp_path / "own" / label / f"{n}.wav", samples, 8_000)
    return ["--config", "folder.yaml", f"data.root={tmp_path}/own", f"model.path={tiny_folder}", "--no-model"]


def test_what_lies_in_a_folder_is_shown_even_where_the_rounds_cannot_be(checked, own_folder):
    status, lines = checked(*own_folder, "data.shots=10")
    assert status == 1
    assert [line for line in lines if line.startswith("✗")] == [
        "✗ data.shots is 10, but class 'car horn' has only 2 clips to draw from; set data.shots to 2 or less,"
        " or to null for all."
    ]
    for line in (
        "– labels: these may be one class: 'car horn' and 'car_horn'",
        "✓ durations: 0.05 to 31.00 s, median 0.50 s, 33.1 s in all",
        "– sound: 1 clip is digitally silent: car_horn/2.wav.",
        "– sound: 1 clip is shorter than 0.1 s and padded with silence: car horn/1.wav.",
        "– long: over 30 s, the usual window (data.long_clips=start): car horn/2.wav",
    ):
        assert line in lines, lines


def test_alike_labels_of_a_public_set_are_its_own_classes(checked, tmp_path, tiny_folder):
    # Official sets have such classes: they are shown, but nobody is told to mend them.
    root = tiny_layouts.vggsound(tmp_path / "vgg")
    table = root / "vggsound.csv"
    table.write_text(table.read_text().replace('"bird chirping, tweeting"', "rappings"))
    _, lines = checked(
        "data.benchmark=vggsound", f"data.root={root}", f"model.path={tiny_folder}", "--no-model"
    )
    assert "– labels: alike, but the set's own classes: 'rapping' and 'rappings'" in lines, lines


def test_some_clips_are_decoded_unless_all_are_asked_for(checked, own_folder, monkeypatch):
    monkeypatch.setattr(data_checks, "TRIED_CLIPS", 2)
    _, lines = checked(*own_folder)
    some = "✓ clips: 2 of 6 taken by chance can be decoded (at 16 kHz); --all-clips tries every one"
    assert some in lines, lines
    assert any("padded with silence" in line for line in lines)  # headers of all are read
    _, lines = checked(*own_folder, "--all-clips")
    assert "✓ clips: all 6 can be decoded (at 16 kHz)" in lines


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
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 2**20))
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
    checked(*job, "run.dir=runs/new", "--no-model")
    assert list(tmp_path.iterdir()) == []
