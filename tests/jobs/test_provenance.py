"""When, where and with what a run was made: commits of this project and of a model."""

import shutil
import subprocess

import pytest

from calm_pl.jobs.provenance import project_commit
from calm_pl.models.loading import hub_commit


def git(folder, *words):
    identity = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_of_a_checkout_and_whether_files_were_changed(tmp_path):
    assert project_commit(tmp_path) is None  # installed without a checkout
    git(tmp_path, "init", "-q")
    assert project_commit(tmp_path) is None  # nothing is committed yet
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "tag", "-am", "v1", "v1")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert project_commit(tmp_path) == commit
    (tmp_path / "file").write_text("b")
    assert project_commit(tmp_path) == f"{commit}-dirty"


def test_without_git_no_commit_is_known(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert project_commit(tmp_path) is None


def test_the_commit_of_a_model_in_the_hubs_cache(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--owner--name" / "snapshots" / commit
    cached.mkdir(parents=True)
    (cached / "config.json").write_text("{}")
    refs = tmp_path / "models--owner--name" / "refs"
    refs.mkdir()
    (refs / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert hub_commit("owner/name") == commit
    assert hub_commit(str(cached)) == commit
    assert hub_commit("owner/other") is None
    assert hub_commit(str(tmp_path)) is None
