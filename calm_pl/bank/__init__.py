"""The head bank: head vectors and option scores on disk, by content. Floor 2.

It depends on neither Lightning nor models nor audio: keys, tensors and files only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calm_pl.lazy_names import lazy_names

if TYPE_CHECKING:
    from calm_pl.bank.answers import AnswerStore
    from calm_pl.bank.checking import Fault, Info, ModelShare, Verdict, info, verify
    from calm_pl.bank.content import ContentIndex
    from calm_pl.bank.errors import DamagedShard, LostRecords
    from calm_pl.bank.export import export
    from calm_pl.bank.keys import canonical, clip_key
    from calm_pl.bank.pruning import Pruned, Wish, identity_hash, prune
    from calm_pl.bank.records import Found, Records
    from calm_pl.bank.store import HeadBank

__all__ = [
    "AnswerStore",
    "ContentIndex",
    "DamagedShard",
    "Fault",
    "Found",
    "HeadBank",
    "Info",
    "LostRecords",
    "ModelShare",
    "Pruned",
    "Records",
    "Verdict",
    "Wish",
    "canonical",
    "clip_key",
    "export",
    "identity_hash",
    "info",
    "prune",
    "verify",
]
__getattr__ = lazy_names(
    __name__,
    {
        "answers": ("AnswerStore",),
        "checking": ("Fault", "Info", "ModelShare", "Verdict", "info", "verify"),
        "content": ("ContentIndex",),
        "errors": ("DamagedShard", "LostRecords"),
        "export": ("export",),
        "keys": ("canonical", "clip_key"),
        "pruning": ("Pruned", "Wish", "identity_hash", "prune"),
        "records": ("Found", "Records"),
        "store": ("HeadBank",),
    },
)
