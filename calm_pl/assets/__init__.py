"""What is bundled: recordings and a tiny model. `bundled:NAME` names a folder here."""

from __future__ import annotations

from pathlib import Path

from calm_pl.errors import DataError

_PREFIX = "bundled:"


def resolve(path: str) -> str:
    """A path with `bundled:NAME` and `~` replaced by the folder they mean.

    Raises:
        DataError: nothing of that name is bundled.
    """
    if not path.startswith(_PREFIX):
        return str(Path(path).expanduser()) if path.startswith("~") else path
    here = Path(__file__).parent
    names = sorted(p.name for p in here.iterdir() if p.is_dir() and not p.name.startswith("_"))
    name = path.removeprefix(_PREFIX)
    if name not in names:
        raise DataError(f"{path!r} is not bundled. Bundled: {', '.join(_PREFIX + n for n in names)}.")
    return str(here / name)
