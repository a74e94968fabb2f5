"""Export a bank for other tools: NumPy arrays without pickle, or Parquet."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from calm_pl.bank.checking import parse_meta
from calm_pl.bank.errors import DamagedShard, ShardGone
from calm_pl.bank.listing import require_bank, shard_paths
from calm_pl.bank.pruning import identity_hash
from calm_pl.bank.shard import Shard, open_shard
from calm_pl.bank.writer import chunks_of
from calm_pl.bank.writing import Kind, told_of_disk
from calm_pl.errors import RunError

_STATED = ("id", "path", "label", "prompt")


def export(folder: str | Path, out: str | Path, form: str = "numpy") -> list[Path]:
    """Write every intact record once, in one folder or file per model and dtype.

    `numpy`: `vectors.npy` (N, H, D), `option_scores.npy` (N, O) float32 with NaN past a record's own options,
    `keys.npy` and `meta.jsonl` in the same order. `parquet`: one row per record, vectors flattened,
    layer-major. bfloat16, which neither format supports, becomes float32 without loss.

    Args:
        folder: the bank.
        out: folder to write to; must not contain an export yet.
        form: `numpy` or `parquet`; the latter needs pyarrow.

    Returns:
        The paths written, one per model and dtype.

    Raises:
        RunError: there is no bank, pyarrow is missing, or the disk cannot be written.
    """
    folder, out = Path(folder), Path(out)
    require_bank(folder)
    write = _numpy if form == "numpy" else _parquet
    by_kind: dict[Kind, list[Shard]] = defaultdict(list)
    for path in shard_paths(folder):
        try:
            shard = open_shard(path)
        except (ShardGone, DamagedShard):
            continue  # reported by `verify`
        by_kind[shard.kind].append(shard)
    written = []
    with told_of_disk(out, 0, sum(s.size for shards in by_kind.values() for s in shards)):
        out.mkdir(parents=True, exist_ok=True)
        for kind, shards in by_kind.items():
            name = f"{identity_hash(kind.identity)}-{kind.num_heads}x{kind.head_dim}-{kind.dtype.lower()}"
            target = out / (name + ("-rounded" if kind.rounding else ""))
            written.append(write(target, kind, shards))
    return written


def _sound(kind: Kind, shards: list[Shard]) -> Iterator[tuple[np.ndarray, list[bytes], list[Any], list[Any]]]:
    """Iterate over chunks of intact records, each key once: vectors (N, H, D), keys, scores, meta."""
    seen: set[bytes] = set()
    for shard in shards:
        keys = shard.all_keys()
        for rows, buffers, block in chunks_of(shard, range(len(shard))):
            chosen = [i for i, row in enumerate(rows) if block.intact[i] and keys[row] not in seen]
            if not chosen:
                continue
            seen.update(keys[rows[i]] for i in chosen)
            yield (
                _vectors(buffers[chosen], kind),
                [keys[rows[i]] for i in chosen],
                [np.frombuffer(block.options[i], dtype="<f4") for i in chosen],
                [parse_meta(block.meta[i]) for i in chosen],
            )


def _vectors(buffers: np.ndarray, kind: Kind) -> np.ndarray:
    """Return the vectors (N, H, D) of bytes (N, bytes); bfloat16, the top half of a float32, as float32."""
    if kind.dtype == "BF16":
        values = (buffers.view("<u2").astype("<u4") << 16).view("<f4")
    else:
        values = buffers.view("<f2" if kind.dtype == "F16" else "<f4")
    return values.reshape(len(buffers), kind.num_heads, kind.head_dim)


def _numpy(target: Path, kind: Kind, shards: list[Shard]) -> Path:
    target.mkdir(exist_ok=True)
    keys: list[str] = []
    scores: list[np.ndarray] = []
    with (
        (target / "vectors.npy").open("wb") as vectors,
        (target / "meta.jsonl").open("w", encoding="utf-8") as lines,
    ):
        _npy_header(vectors, kind, 0)
        for x_NHD, digests, options, meta in _sound(kind, shards):
            vectors.write(x_NHD.data)
            keys += [digest.hex() for digest in digests]
            scores += options
            lines.writelines(json.dumps(entry) + "\n" for entry in meta)
        vectors.seek(0)
        _npy_header(vectors, kind, len(keys))  # NumPy leaves room for a longer first axis
    table = np.full((len(keys), max(map(len, scores), default=0)), np.nan, dtype=np.float32)
    for row, part in zip(table, scores, strict=True):
        row[: len(part)] = part
    np.save(target / "option_scores.npy", table, allow_pickle=False)
    np.save(target / "keys.npy", np.array(keys, dtype="U64"), allow_pickle=False)
    (target / "identity.json").write_text(kind.identity + "\n", encoding="utf-8")
    return target


def _npy_header(file: BinaryIO, kind: Kind, count: int) -> None:
    descr = "<f2" if kind.dtype == "F16" else "<f4"
    shape = (count, kind.num_heads, kind.head_dim)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _parquet(target: Path, kind: Kind, shards: list[Shard]) -> Path:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise RunError("Parquet needs pyarrow: pip install 'calm_pl[parquet]'.") from error
    width = kind.num_heads * kind.head_dim
    number = pa.float16() if kind.dtype == "F16" else pa.float32()
    columns = [("key", pa.string()), *((name, pa.string()) for name in _STATED)]
    columns += [("seconds", pa.float64()), ("meta", pa.string())]
    columns += [("option_scores", pa.list_(pa.float32())), ("vectors", pa.list_(number, width))]
    schema = pa.schema(columns, metadata={"identity": kind.identity})
    target = target.with_name(target.name + ".parquet")
    with pq.ParquetWriter(target, schema) as file:
        for x_NHD, keys, options, meta in _sound(kind, shards):
            stated = {name: [_text(entry.get(name)) for entry in meta] for name in _STATED}
            flat = pa.array(x_NHD.reshape(-1))
            table = {
                "key": [key.hex() for key in keys],
                **stated,
                "seconds": [entry.get("seconds") for entry in meta],
                "meta": [json.dumps(entry) for entry in meta],
                "option_scores": pa.array(options, pa.list_(pa.float32())),
                "vectors": pa.FixedSizeListArray.from_arrays(flat, width),
            }
            file.write_table(pa.table(table, schema=schema))
    return target


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
