"""Many voters on the same support and query clips: what they share is computed once.

Settings of CALM with the same `score` share the heads' scores against centroids; those with the same τ_p, the
posteriors; those with the same kind of evidence, its sums. Only weights and votes are computed per setting.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from calm_pl.functional import posterior_votes
from calm_pl.voters.base import Decision, HeadVoter, among, with_finite_scores
from calm_pl.voters.calm import CalmBase
from calm_pl.voters.checks import Vectors, as_vectors
from calm_pl.voters.evidence import NEAREST, reliability_sums
from calm_pl.voters.sav import Sav
from calm_pl.voters.support import Support, as_heldout

Item = TypeVar("Item")
Decider = Callable[[Tensor, Tensor | None], Iterator[tuple[CalmBase, Decision]]]


def fit_many(
    voters: Sequence[HeadVoter], support: Support, heldout: tuple[Vectors, Any] | None = None
) -> None:
    """Fit each voter, as its own `fit_support` would.

    Args:
        voters: unfitted voters of any kind and setting.
        support: this rank's clips and all ranks' centroids. Every rank must pass the same voters.
        heldout: clips for the voters whose `reliability_split` is `heldout`.
    """
    support = with_evidence(voters, support)
    held = None if heldout is None else as_heldout(support, heldout)
    shared = []
    for voter in voters:
        judged_by_others = _split(voter) == "heldout"
        if judged_by_others and isinstance(voter, CalmBase) and held is not None and not _chooses(voter):
            shared.append(voter)
        else:
            voter.fit_support(support, heldout if judged_by_others else None)
    for score, some in _groups(shared, lambda v: v.get_params()["score"]):
        kinds = list(dict.fromkeys(voter.evidence_kind for voter in some))
        sums = dict(zip(kinds, reliability_sums(support, held, score, kinds), strict=True))
        for voter in some:
            voter.fit_evidence(support, sums[voter.evidence_kind])


def with_evidence(voters: Sequence[HeadVoter], support: Support) -> Support:
    """Return the support with the evidence that SAVs and CALM need of it, from one pass over its scores.

    Args:
        voters: those that will be fitted on it; every rank must pass the same.
        support: this rank's clips and all ranks' centroids.
    """
    wanted = []
    for voter in voters:
        if isinstance(voter, CalmBase) and _split(voter) != "heldout":
            wanted.append((voter.get_params()["score"], _split(voter) == "loo", voter.evidence_kind))
        elif isinstance(voter, Sav):
            wanted.append((voter.get_params()["score"], False, NEAREST))
    known = dict(support.known)
    for (score, left_out), some in _groups(wanted, lambda one: one[:2]):
        kinds = list(dict.fromkeys(kind for *_, kind in some))
        sums = reliability_sums(support, None, score, kinds, left_out)
        known |= {(score, kind, left_out): one for kind, one in zip(kinds, sums, strict=True)}
    return support._replace(known=known)


def _split(voter: HeadVoter) -> Any:
    return voter.get_params().get("reliability_split")


def _chooses(voter: HeadVoter) -> bool:
    """Return whether a fit chooses settings on the support."""
    return "loo" in {voter.get_params().get(name) for name in ("select", "sharpness")}


def vote_many(
    voters: Sequence[HeadVoter], vectors: Vectors, candidates_NC: Tensor | None = None
) -> list[Decision]:
    """Return each voter's decisions, as its own `vote` would.

    Args:
        voters: voters fitted on the same support.
        vectors: (N, H, D) head vectors.
        candidates_NC: bool, the classes allowed for each clip.
    """
    x_NHD = as_vectors(vectors)
    weighted = [voter for voter in voters if isinstance(voter, CalmBase)] if len(x_NHD) else []
    decided = {voter: voter.vote(x_NHD, candidates_NC) for voter in voters if voter not in weighted}
    for _, some in _groups(weighted, lambda v: v.fitted_params_.score):
        decide = _decider(some)
        device, num_classes = some[0].centroids_.device, len(some[0].classes_)
        for voter in some:  # filled chunk by chunk: parts to be joined at the end would take twice the memory
            scores_NC = torch.empty(len(x_NHD), num_classes, device=device)
            decided[voter] = Decision(scores_NC, torch.empty(len(x_NHD), dtype=torch.int64, device=device))
        for chunk in some[0].scorer().chunks(len(x_NHD), len(some)):
            x = x_NHD[chunk].to(device)
            allowed_NC = None if candidates_NC is None else candidates_NC[chunk].to(device)
            for voter, decision in decide(x, allowed_NC):
                for whole, part in zip(decided[voter], among(decision, allowed_NC), strict=True):
                    whole[chunk] = part
    return [with_finite_scores(decided[voter], candidates_NC) for voter in voters]


def _decider(voters: Sequence[CalmBase]) -> Decider:
    """Return a function that yields each voter's decision on one chunk of clips."""
    groups = _groups(voters, lambda v: (v.fitted_params_.tau_p, v.conditional))
    settings = [(tau_p, torch.stack([voter.weights_ for voter in some])) for (tau_p, _), some in groups]
    scorer = voters[0].scorer()

    def decide(x_NHD: Tensor, candidates_NC: Tensor | None) -> Iterator[tuple[CalmBase, Decision]]:
        votes = posterior_votes(x_NHD, scorer, settings, candidates_NC)
        for (_, some), votes_NSC in zip(groups, votes, strict=True):
            for voter, scores_NC in zip(some, votes_NSC.to(torch.float32).unbind(1), strict=True):
                yield voter, Decision(scores_NC, scores_NC.argmax(-1))

    return decide


def _groups(items: Sequence[Item], key: Callable[[Item], Hashable]) -> list[tuple[Any, list[Item]]]:
    """Group items by key, in the order of first appearance."""
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())
