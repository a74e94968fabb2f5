"""A training is resumed only with the same settings, model, answers and sound."""

from types import SimpleNamespace

from calm_pl.masks.job import state_hash


def hash_of(root, config="c", identity="m", answers=("one", "two"), train=1):
    clips = [
        SimpleNamespace(clip=SimpleNamespace(id=str(n), path=root / f"{n}.wav"), text=text)
        for n, text in enumerate(answers)
    ]
    lalm = SimpleNamespace(identity=lambda: {"weights": identity})
    data = SimpleNamespace(train=clips[:train], validation=clips[train:])
    return state_hash(SimpleNamespace(config_hash=config), lalm, data)


def test_everything_that_a_training_depends_on_counts(tmp_path):
    for n in range(2):
        (tmp_path / f"{n}.wav").write_bytes(b"sound")
    plain = hash_of(tmp_path)
    assert hash_of(tmp_path) == plain
    others = [
        hash_of(tmp_path, config="d"),
        hash_of(tmp_path, identity="n"),
        hash_of(tmp_path, answers=("one", "three")),
        hash_of(tmp_path, train=2),
    ]
    (tmp_path / "1.wav").write_bytes(b"noise")
    others.append(hash_of(tmp_path))
    (tmp_path / "1.wav").unlink()
    others.append(hash_of(tmp_path))
    assert len({plain, *others}) == 1 + len(others)
