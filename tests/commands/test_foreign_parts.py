"""Callbacks, benchmarks and model families of a plugin file take part in a job as the shipped ones do."""

import json
import shutil

import pytest
from conftest import LEAN, command_line
from safetensors.torch import load_file, save_file

PLUGIN = """
import transformers
from lightning.pytorch import Callback

from calm_pl.config import JobCallback
from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.models.families.qwen2_audio import QWEN2_AUDIO
from calm_pl.models.families.table import Family


class CountedClips(Callback):
    def __init__(self, run_dir):
        self.run_dir = run_dir

    def on_test_end(self, trainer, pl_module):
        (self.run_dir / "counted.txt").write_text(str(pl_module.query_coverage.used))


def counted(record):
    return CountedClips(record.run_dir)


class Tones(Benchmark):
    facts = Facts("Tones", "CC0", "https://example.org", "a folder with {fold}-{take}-A-{target}.wav")
    default_question = "Which tone is it?"

    def read(self):
        clips = []
        for path in sorted((self.root / "audio").glob("*.wav")):
            fold, take, _, label = path.stem.split("-")
            split = "test" if fold == "1" else "train"
            clips.append(Clip(path.name, path, (label,), (f"take {take}",), split=split))
        return Listing(tuple(sorted({clip.labels[0] for clip in clips})), clips)


class MyConfig(transformers.Qwen2AudioConfig):
    model_type = "my_qwen_audio"


class MyModel(transformers.Qwen2AudioForConditionalGeneration):
    config_class = MyConfig


transformers.AutoConfig.register("my_qwen_audio", MyConfig)
transformers.AutoProcessor.register(MyConfig, transformers.Qwen2AudioProcessor)
MINE = Family(MyModel, QWEN2_AUDIO.preparer, QWEN2_AUDIO.positions, QWEN2_AUDIO.prefill, QWEN2_AUDIO.fault)

CALLBACKS = [JobCallback("counted_clips", "parts_of_mine:counted")]
BENCHMARKS = {"tones": Tones}
FAMILIES = {"my_qwen_audio": MINE}
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory, tiny_folder, esc_root):
    """The folder of two jobs, on a model of the foreign family and on what it is a copy of."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "parts_of_mine.py").write_text(PLUGIN)
    shutil.copytree(tiny_folder, folder / "mine")
    config = json.loads((folder / "mine" / "config.json").read_text())
    (folder / "mine" / "config.json").write_text(json.dumps({**config, "model_type": "my_qwen_audio"}))
    # transformers renames this key for the types that it knows.
    weights = load_file(folder / "mine" / "model.safetensors")
    weights["lm_head.weight"] = weights.pop("language_model.lm_head.weight")
    save_file(weights, folder / "mine" / "model.safetensors", {"format": "pt"})
    (folder / "tones.yaml").write_text(
        "plugins: [parts_of_mine.py]\ndata: {benchmark: tones, shots: 4, n_options: 3, num_workers: 0}\n"
        "callbacks: [run_record, predictions, counted_clips]\n"
    )
    lean = ("wandb.mode=disabled", f"data.root={esc_root}", "trainer.accelerator=cpu", "trainer.devices=1")
    for name, model in (("theirs", tiny_folder), ("ours", folder / "mine")):
        more = (f"model.path={model}", f"run.dir={name}", "bank.dir=null")
        command_line(folder, "fit-free", "--config", "tones.yaml", *lean, *more)
    return folder


def test_a_family_of_a_plugin_gives_what_its_base_does(job):
    ours, theirs = (job / name / "predictions.csv" for name in ("ours", "theirs"))
    assert ours.read_bytes() == theirs.read_bytes()
    assert json.loads((job / "ours" / "results.json").read_text())["model"].endswith("mine")


def test_a_benchmark_of_a_plugin_is_evaluated(job):
    results = json.loads((job / "ours" / "results.json").read_text())
    assert results["benchmark"] == "tones"
    assert results["classes"] == ["0", "10", "42"]
    assert results["n_query"] == 9


def test_a_callback_of_a_plugin_is_called(job):
    assert (job / "ours" / "counted.txt").read_text() == "9"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CALLBACKS = [3]", "CALLBACKS must be a list of calm_pl.config.JobCallback, but contains 3"),
        ("BENCHMARKS = {'mine': 3}", "must be a subclass of Benchmark, but is 3"),
        ("class A: pass\nBENCHMARKS = {'esc50': A}", "There is a benchmark 'esc50' already"),
        ("FAMILIES = {'mine': 3}", "must be a calm_pl.models.families.table.Family, but is 3"),
        ("FAMILIES = {'voxtral': 3}", "There is a family for 'voxtral' already"),
    ],
)
def test_parts_that_are_none_are_refused(call, small_job, tmp_path, text, words):
    name = f"wrong_{abs(hash(text))}.py"
    (tmp_path / name).write_text(text)
    result = call("fit-free", *small_job, "--plugins", tmp_path / name)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_callback_that_nobody_knows_is_named_with_its_nearest(call, small_job):
    result = call("fit-free", *small_job, *LEAN, "callbacks=[run_recrd]")
    assert result.returncode == 1
    assert "callbacks: must be among progress, pseudo_labels" in result.stderr
