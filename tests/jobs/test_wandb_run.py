"""Where a job's run on W&B goes: as configured, else by W&B's own environment; failures cost no results."""

import json

import pytest

from calm_pl.config.schema import WandbConfig
from calm_pl.jobs.dashboard import build_wandb, mode_of, remove_replaced
from calm_pl.jobs.record import JobRecord


@pytest.fixture
def record(tmp_path):
    return JobRecord(tmp_path / "mine", "esc50", "m", "", "0")


@pytest.fixture(autouse=True)
def silent_environment(monkeypatch):
    for name in ("MODE", "PROJECT", "NAME", "DISABLED"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)


@pytest.mark.parametrize(
    ("mode", "environment", "expected"),
    [
        (None, {}, None),
        (None, {"WANDB_MODE": "disabled"}, "disabled"),
        (None, {"WANDB_MODE": "dryrun"}, "offline"),
        (None, {"WANDB_DISABLED": "true"}, "disabled"),
        (None, {"WANDB_DISABLED": "false", "WANDB_MODE": "online"}, "online"),
        ("offline", {"WANDB_MODE": "disabled"}, "offline"),
        ("disabled", {"WANDB_MODE": "online"}, "disabled"),
    ],
)
def test_the_mode(monkeypatch, mode, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert mode_of(WandbConfig(mode=mode)) == expected


def test_a_silent_configuration_leaves_name_and_project_to_the_environment(monkeypatch, record):
    monkeypatch.setenv("WANDB_NAME", "theirs")
    assert build_wandb(WandbConfig(), record)._name == "theirs"
    assert build_wandb(WandbConfig(name="mine"), record)._name == "mine"
    monkeypatch.delenv("WANDB_NAME")
    assert build_wandb(WandbConfig(), record)._name == "mine"
    assert build_wandb(WandbConfig(project="p"), record)._project == "p"
    assert build_wandb(WandbConfig(), record)._offline


def test_a_limited_run_is_tagged(record):
    tags = [build_wandb(WandbConfig(tags=["mine"]), record)._wandb_init["tags"]]
    record.limit = 40
    tags += [build_wandb(WandbConfig(tags=given), record)._wandb_init["tags"] for given in (["mine"], [])]
    limited = "limited: not a result"
    assert tags == [
        ["mine", "esc50", "m"],
        ["mine", "esc50", "m", limited],
        ["esc50", "m", limited],
    ]


@pytest.mark.parametrize(
    ("config", "tags"),
    [
        ("", ["esc50", "m"]),
        ("data: {shots: 20}", ["esc50", "m", "20 shots"]),
        ("data: {shots: null}", ["esc50", "m", "all support clips"]),
    ],
)
def test_tags_group_and_job_type_are_there_without_being_asked_for(record, monkeypatch, config, tags):
    record.config_yaml = config
    record.model_path = "/models/m"
    made = build_wandb(WandbConfig(), record)._wandb_init
    assert (made["tags"], made["group"], made["job_type"]) == (tags, ", ".join(tags), "fit-free")
    assert build_wandb(WandbConfig(group="mine"), record)._wandb_init["group"] == "mine"
    monkeypatch.setenv("WANDB_RUN_GROUP", "theirs")
    monkeypatch.setenv("WANDB_JOB_TYPE", "other")
    made = build_wandb(WandbConfig(), record)._wandb_init
    assert (made["group"], made["job_type"]) == ("theirs", "other")
    record.model_path = "x" * 200
    monkeypatch.delenv("WANDB_RUN_GROUP")
    made = build_wandb(WandbConfig(), record)._wandb_init
    assert max(map(len, made["tags"])) <= 64
    assert len(made["group"]) <= 128


def test_disabled_is_no_logger(monkeypatch, record):
    monkeypatch.setenv("WANDB_DISABLED", "true")
    assert build_wandb(WandbConfig(), record) is None


def test_a_logger_that_dies_warns_once(record, monkeypatch):
    logger = build_wandb(WandbConfig(), record)
    monkeypatch.setattr(type(logger), "experiment", property(lambda self: self))
    monkeypatch.setattr(type(logger), "log", lambda *a, **k: 1 / 0, raising=False)
    with pytest.warns(UserWarning, match="takes no more metrics"):
        logger.log_metrics({"a": 1.0})
    logger.log_metrics({"a": 1.0})


def test_what_only_shows_results_may_fail(call, small_job, tmp_path, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calm_pl.figures.folder.draw_into", broken)
    monkeypatch.setattr("callbacks.report.write_run_page", broken)
    monkeypatch.setattr("callbacks.run_record.run_markdown", broken)
    monkeypatch.setattr("callbacks.wandb_tables.WandbTables._log", broken)
    callbacks = "callbacks=[run_record,predictions,figures,report,wandb_tables]"
    result = call("fit-free", *small_job, callbacks, "wandb.mode=offline")
    assert result.returncode == 0, result.stderr
    run = tmp_path / "run"
    results = json.loads((run / "results.json").read_text())
    assert (run / "predictions.csv").is_file()
    assert (run / "classifier.safetensors").is_file()
    for name in ("RunRecord", "FigureWriter", "ReportWriter", "WandbTables"):
        told = f"{name} failed: OSError: [Errno 28] No space left on device"
        assert f"Warning: {told}" in result.stdout
        assert told in caplog.text
        assert told in results["remarks"]


def test_a_job_that_fails_leaves_its_run_to_no_other(call, small_job, tmp_path, monkeypatch):
    import wandb

    from calm_pl.errors import BadClipError
    from calm_pl.evaluation.module import FitFreeModule

    def broken(self):
        raise BadClipError("this fails")

    with monkeypatch.context() as patched:
        patched.setattr(FitFreeModule, "on_validation_epoch_end", broken)
        failed = call("fit-free", *small_job, "wandb.mode=offline")
    assert failed.returncode == 1
    assert "this fails" in failed.stderr
    assert wandb.run is None
    assert call("fit-free", *small_job, "wandb.mode=offline").returncode == 0
    assert wandb.run is None


def test_runs_that_began_in_one_second_are_told_apart(tmp_path):
    folder = tmp_path / "wandb"
    names = ["01-other", "02-mine", "02-mine-1", "02-minerva"]
    for name in names:
        (folder / f"offline-run-{name}").mkdir(parents=True)
    (folder / "calm_pl.json").write_text('{"mine": "0"}')
    remove_replaced(tmp_path)
    left = sorted(path.name.removeprefix("offline-run-") for path in folder.glob("offline-run-*"))
    assert left == ["01-other", "02-mine-1", "02-minerva"]
