"""Write and read rates of the head bank against the disk's own, its size and memory.

    python benchmarks/bank.py --folder /scratch --clips 100000 --out benchmarks/results/bank.json
    python benchmarks/bank.py --folder /scratch --in-turn --out benchmarks/results/bank_in_turn.json
    python benchmarks/bank.py --folder /scratch --main-thread --out benchmarks/results/bank_main_thread.json
    python benchmarks/bank.py --folder /scratch --million --out benchmarks/results/bank_million.json

Synthetic clips; each phase in a process of its own, so that its peak memory is its own. Rates: MB/s (1e6)
of vectors. "Cold" means that the files were dropped from the page cache before. All is deleted at the end.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import hashlib
import json
import multiprocessing
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from calm_pl.bank import HeadBank, Records, verify

IDENTITY = {"weights": "synthetic", "dtype": "float16"}
SAMPLE = 4096
ROUNDS = 3
GPU_SECONDS = 0.05  # of one batch; a fast GPU at a small batch


class Setup(NamedTuple):
    """One bank of synthetic clips."""

    folder: Path
    clips: int
    heads: int
    dim: int
    batch: int

    @property
    def clip_bytes(self) -> int:
        """Vectors of one clip in 16 bit."""
        return 2 * self.heads * self.dim


def key(number: int) -> str:
    return hashlib.sha256(f"clip {number}".encode()).hexdigest()


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)


def rate(num_bytes: float, seconds: float) -> float:
    return round(num_bytes / 1e6 / seconds, 1)


def make_batch(setup: Setup, first: int, base_NHD: torch.Tensor) -> Records:
    """A batch of clips that all differ."""
    count = min(setup.batch, setup.clips - first)
    x_NHD = base_NHD[:count].clone()
    x_NHD[:, 0, 0] = torch.arange(first, first + count)
    meta = [
        {"id": f"clip-{i}", "path": f"audio/clip-{i}.wav", "label": "dog", "seconds": 5.0, "prompt": "What?"}
        for i in range(first, first + count)
    ]
    return Records([key(first + i) for i in range(count)], x_NHD, torch.zeros(count, 4), meta)


def write_plain(setup: Setup, num_bytes: int) -> dict[str, Any]:
    """The disk's own rates: one file in blocks of a batch, flushed once at the end or after every block."""
    block = np.random.default_rng(0).bytes(setup.batch * setup.clip_bytes)
    rates = {}
    for name, each in (("one_fsync", False), ("fsync_each_batch", True)):
        path = setup.folder / "plain"
        start = time.perf_counter()
        with path.open("wb", buffering=0) as file:
            for _ in range(num_bytes // len(block)):
                file.write(block)
                if each:
                    os.fsync(file.fileno())
            os.fsync(file.fileno())
        rates[name] = rate(num_bytes // len(block) * len(block), time.perf_counter() - start)
        path.unlink()
    return rates


def write_bank(setup: Setup) -> dict[str, Any]:
    """Append every clip, batch by batch."""
    base_NHD = torch.randn(setup.batch, setup.heads, setup.dim).to(torch.float16)
    before = peak_mb()
    bank = HeadBank(setup.folder / "bank")
    seconds, slowest = 0.0, 0.0
    for first in range(0, setup.clips, setup.batch):
        records = make_batch(setup, first, base_NHD)
        start = time.perf_counter()
        bank.append(records, IDENTITY)
        took = time.perf_counter() - start
        seconds, slowest = seconds + took, max(slowest, took)
    start = time.perf_counter()
    bank.close()
    seconds += time.perf_counter() - start
    files = list((setup.folder / "bank").rglob("*.*"))
    size = sum(path.stat().st_size for path in files)
    written = int(Path("/proc/self/io").read_text().split("write_bytes: ")[1].split()[0])
    return {
        "mb_per_second": rate(setup.clips * setup.clip_bytes, seconds),
        "clips_per_second": round(setup.clips / seconds, 1),
        "slowest_append_seconds": round(slowest, 2),
        "shards": len(list((setup.folder / "bank" / "shards").iterdir())),
        "bytes_on_disk": size,
        "bytes_on_disk_over_vectors": round(size / (setup.clips * setup.clip_bytes), 4),
        "bytes_written_over_vectors": round(written / (setup.clips * setup.clip_bytes), 2),
        "peak_mb": peak_mb(),
        "peak_mb_before": before,
    }


def write_in_turn(setup: Setup) -> dict[str, Any]:
    """Plain file and bank in turn, so that both meet the same disk; rates of each round.

    `bank_unmerged` writes one small shard per batch and waits for the disk at none.
    """
    names = ("plain_one_fsync", "plain_fsync_each_batch", "bank", "bank_unmerged")
    rates: dict[str, list[float]] = {name: [] for name in names}
    base_NHD = torch.randn(setup.batch, setup.heads, setup.dim).to(torch.float16)
    total = setup.clips * setup.clip_bytes
    for _ in range(ROUNDS):
        for name, found in write_plain(setup, total).items():
            rates[f"plain_{name}"].append(found)
        for name, merge_count in (("bank", 32), ("bank_unmerged", 10**9)):
            bank = HeadBank(setup.folder / name, merge_count=merge_count)
            start = time.perf_counter()
            for first in range(0, setup.clips, setup.batch):
                bank.append(make_batch(setup, first, base_NHD), IDENTITY)
            if name == "bank":
                bank.close()
            rates[name].append(rate(total, time.perf_counter() - start))
            shutil.rmtree(setup.folder / name)
    return {"mb_per_second": rates}


def write_beside(setup: Setup) -> dict[str, Any]:
    """Measure how long the main thread waits for the bank, with and without the bank's thread, in turn.

    Between batches it sleeps, as it does while a GPU encodes the next one.
    """
    base_NHD = torch.randn(setup.batch, setup.heads, setup.dim).to(torch.float16)
    found: dict[str, list[dict[str, float]]] = {"append": [], "append_later": []}
    for _ in range(ROUNDS):
        for name, append in (("append", HeadBank.append), ("append_later", HeadBank.append_later)):
            bank, waits = HeadBank(setup.folder / name), []
            for first in range(0, setup.clips, setup.batch):
                records = make_batch(setup, first, base_NHD)
                start = time.perf_counter()
                append(bank, records, IDENTITY)
                waits.append(1e3 * (time.perf_counter() - start))
                time.sleep(GPU_SECONDS)
            closing = timed(bank.close)
            shutil.rmtree(setup.folder / name)
            found[name].append(
                {
                    "mean_ms": round(statistics.mean(waits), 3),
                    "median_ms": round(statistics.median(waits), 3),
                    "worst_ms": round(max(waits), 2),
                    "close_seconds": round(closing, 2),
                }
            )
    return {"batch_seconds": GPU_SECONDS, "rounds": found}


def open_million(setup: Setup) -> dict[str, Any]:
    """Open a bank of 10^6 records in shards of 512, as merging leaves them, and look all of them up.

    Their vectors have two values: opening reads none.
    """
    folder, total, each = setup.folder / "million", 10**6, 512
    with HeadBank(folder, shard_bytes=0) as bank:
        for first in range(0, total, each):
            count = min(each, total - first)
            keys = [key(i) for i in range(first, first + count)]
            vectors_NHD = torch.zeros(count, 1, 2, dtype=torch.float16)
            bank.append(Records(keys, vectors_NHD, torch.zeros(count, 4), [{}] * count), IDENTITY)
    keys = [key(i) for i in range(total)]
    cpu, start = time.process_time(), time.perf_counter()
    bank = HeadBank(folder)
    opened = time.perf_counter()
    assert bank.find(keys).present_N.all()
    end = time.perf_counter()
    return {
        "shards": len(list((folder / "shards").iterdir())),
        "open_seconds": round(opened - start, 2),
        "find_seconds": round(end - opened, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }


def drop_cache(setup: Setup) -> None:
    """Forget the shards' pages, so that reading meets the disk."""
    for path in (setup.folder / "bank" / "shards").iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def read_plain(setup: Setup) -> dict[str, Any]:
    """The disk's own rate over the same files."""
    drop_cache(setup)
    buffer = bytearray(2**24)
    start, total = time.perf_counter(), 0
    for path in sorted((setup.folder / "bank" / "shards").iterdir()):
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
    return {"mb_per_second": rate(total, time.perf_counter() - start)}


def read_bank(setup: Setup) -> dict[str, Any]:
    """Open; look up; read everything in order, in chunks."""
    drop_cache(setup)
    before = peak_mb()
    start = time.perf_counter()
    bank = HeadBank(setup.folder / "bank")
    opened = time.perf_counter() - start
    after_opening = peak_mb()
    keys = [key(i) for i in range(setup.clips)]
    start = time.perf_counter()
    assert bank.find(keys).present_N.all()
    found = time.perf_counter() - start
    start, first = time.perf_counter(), 0
    for records in bank.iterate(keys):
        assert records.vectors_NHD[0, 0, 0] == torch.tensor(float(first)).half()
        first += len(records)
    seconds = time.perf_counter() - start
    return {
        "open_seconds_cold": round(opened, 3),
        "find_seconds": round(found, 3),
        "mb_per_second_cold": rate(setup.clips * setup.clip_bytes, seconds),
        "peak_mb": peak_mb(),
        "peak_mb_after_opening": after_opening,
        "peak_mb_before": before,
    }


def read_sample(setup: Setup) -> dict[str, Any]:
    """Batches of random clips, cold and warm, in turn with the same through a memory map."""
    order = np.random.default_rng(0).permutation(setup.clips)
    bank = HeadBank(setup.folder / "bank")
    count = min(SAMPLE, setup.clips // (2 * ROUNDS))
    rates: dict[str, list[float]] = {}
    for turn in range(2 * ROUNDS):
        keys = [key(i) for i in order[turn * count : (turn + 1) * count].tolist()]
        batches = [keys[at : at + setup.batch] for at in range(0, len(keys), setup.batch)]
        maps = memory_maps(setup, set(keys)) if turn % 2 else {}
        drop_cache(setup)
        for state in ("cold", "warm"):
            start = time.perf_counter()
            for batch in batches:
                if maps:
                    torch.stack([torch.from_numpy(maps[k][0][maps[k][1]]) for k in batch])
                else:
                    bank.read(batch)
            name = f"{'memory_map_unchecked' if maps else 'bank'}_{state}_mb_per_second"
            rates.setdefault(name, []).append(rate(count * setup.clip_bytes, time.perf_counter() - start))
    return {"clips_each": count, **rates}


def memory_maps(setup: Setup, wanted: set[str]) -> dict[str, tuple[np.ndarray, int]]:
    """A map over each shard's vectors, and the row of each wanted clip."""
    from calm_pl.bank.shard import open_shard

    places: dict[str, tuple[np.ndarray, int]] = {}
    for path in (setup.folder / "bank" / "shards").iterdir():
        shard = open_shard(path)
        shape = (len(shard), setup.heads, setup.dim)
        data = np.memmap(path, dtype=np.float16, mode="c", offset=shard.vectors_at, shape=shape)
        places.update({k.hex(): (data, i) for i, k in enumerate(shard.all_keys()) if k.hex() in wanted})
    return places


def timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def verify_bank(setup: Setup) -> dict[str, Any]:
    drop_cache(setup)
    seconds = timed(lambda: verify(setup.folder / "bank"))
    return {"seconds_cold": round(seconds, 1), "peak_mb": peak_mb()}


def alone(work: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Run a phase in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        result = pool.submit(work, *args).result()
    print(f"{work.__name__}: {result}", flush=True)
    return result


def measure_all(setup: Setup, record: dict[str, Any]) -> None:
    """All phases over one bank, entered in the record."""
    plain_bytes = min(2**31, setup.clips * setup.clip_bytes)
    record["plain_write_before_mb_per_second"] = alone(write_plain, setup, plain_bytes)
    record["write"] = alone(write_bank, setup)
    record["plain_write_after_mb_per_second"] = alone(write_plain, setup, plain_bytes)
    record["plain_read_cold"] = alone(read_plain, setup)
    record["read"] = alone(read_bank, setup)
    record["plain_read_cold_after"] = alone(read_plain, setup)
    record["sample"] = alone(read_sample, setup)
    record["verify"] = alone(verify_bank, setup)


def machine() -> dict[str, Any]:
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "cpu": cpu[0].split(": ")[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "load_at_start": [round(value, 1) for value in os.getloadavg()],
        "kernel": platform.release(),
    }


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="on the disk to measure")
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--heads", type=int, default=1024)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--in-turn", action="store_true", help="only compare writing, in short turns")
    parser.add_argument("--main-thread", action="store_true", help="only what the caller waits per batch")
    parser.add_argument("--million", action="store_true", help="only open and look up 10^6 records")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=args.folder))
    setup = Setup(scratch, args.clips, args.heads, args.dim, args.batch)
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "setup": {**setup._asdict(), "folder": "a scratch folder", "dtype": "float16"},
        "vector_bytes": setup.clips * setup.clip_bytes,
    }
    try:
        if args.in_turn:
            record["write_in_turn"] = alone(write_in_turn, setup)
        elif args.main_thread:
            record["main_thread"] = alone(write_beside, setup)
        elif args.million:
            record["million"] = alone(open_million, setup)
        else:
            measure_all(setup, record)
    finally:
        shutil.rmtree(scratch)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
