"""What is bundled: recordings and tiny models. `bundled:NAME` names a folder here."""

from __future__ import annotations

from pathlib import Path

from calm_pl.errors import DataError

_PREFIX = "bundled:"
_HERE = Path(__file__).parent


def resolve(path: str) -> str:
    """A path with `bundled:NAME` and `~` replaced by the folder they mean.

    Raises:
        DataError: nothing of that name is bundled.
    """
    if not path.startswith(_PREFIX):
        return str(Path(path).expanduser()) if path.startswith("~") else path
    names = [folder.name for folder in _folders()]
    name = path.removeprefix(_PREFIX)
    if name not in names:
        raise DataError(f"{path!r} is not bundled. Bundled: {', '.join(_PREFIX + n for n in names)}.")
    return str(_HERE / name)


def bundled_models() -> list[str]:
    """Return the bundled models, as `model.path` names them."""
    return [_PREFIX + folder.name for folder in _folders() if (folder / "config.json").is_file()]


def _folders() -> list[Path]:
    return sorted(p for p in _HERE.iterdir() if p.is_dir() and not p.name.startswith("_"))
