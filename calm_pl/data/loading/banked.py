"""Find the questions whose head vectors are already in a bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from calm_pl.bank import ContentIndex, HeadBank, clip_key
from calm_pl.data.loading.batches import MediaRule
from calm_pl.data.questions.clips import Query
from calm_pl.distributed import concatenate_over_ranks, rank_and_size
from calm_pl.errors import BadClipError

_DECODE_VERSION = 2  # to be raised whenever the decode path gives other samples for the same file
_THREADS = 8  # hashing lets other threads run


class BankLink(NamedTuple):
    """A bank, with what its keys depend on.

    Attributes:
        bank: records of head vectors.
        content: hashes of media files.
        identity: of the model; see `FrozenLALM.identity`.
    """

    bank: HeadBank
    content: ContentIndex
    identity: dict[str, Any]


class Known(NamedTuple):
    """What a bank has of a list of questions.

    Attributes:
        keys: of each question; empty text where the file cannot be read, which decoding will report.
        present: positions of those whose vectors it holds, on every rank the same.
    """

    keys: list[str]
    present: frozenset[int]


def look_up(link: BankLink, queries: Sequence[Query], rule: MediaRule, prompt: Callable[[str], str]) -> Known:
    """Return keys of questions, and which are present. Every rank must call it; each hashes some files.

    Args:
        link: the bank.
        queries: questions.
        rule: how files are read.
        prompt: from a question to the text that the model gets.
    """
    decode = {
        "sample_rate": rule.sample_rate,
        "max_seconds": rule.max_seconds,
        "long_clips": rule.long_clips,
        "frames": None if rule.frames is None else repr(rule.frames),
        "version": _DECODE_VERSION,
    }

    def key(query: Query) -> str:
        files = [query.clip.path] if query.clip.video is None else [query.clip.path, query.clip.video]
        try:
            content = "+".join(link.content.content(path, decode) for path in files)
        except BadClipError:
            return ""
        return clip_key(content, prompt(query.question), link.identity)

    link.bank.wait()  # before ranks exchange keys: what one of them encoded, all then find
    rank, size = rank_and_size()
    with ThreadPoolExecutor(_THREADS) as threads:
        mine = list(threads.map(key, queries[rank::size]))
    # Ranks took every size-th question; the shares are put back in turn.
    shares = concatenate_over_ranks([mine])
    keys = [shares[n % size][n // size] for n in range(len(queries))]
    link.bank.refresh()
    known = [n for n, one in enumerate(keys) if one]
    found = link.bank.find([keys[n] for n in known]).present_N.tolist()
    here = {n for n, present in zip(known, found, strict=True) if present}
    # Another job may be writing: what not every rank sees yet is computed.
    everywhere = frozenset.intersection(*map(frozenset, concatenate_over_ranks([sorted(here)])))
    return Known(keys, everywhere)
