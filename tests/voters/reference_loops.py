"""The methods as slow loops in plain Python floats (float64), one clip, head and class at a time.

Written from the equations of the paper, not from the package: no tensors, no shared code. Vectors are nested
lists x[n][h][d], labels are class indices 0 to C - 1.
"""

import math


def mean_vector(vectors):
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def centroid_table(x, y, num_classes):
    """μ[c][h], eq. 1; None for a class without clips."""
    table = []
    for c in range(num_classes):
        own = [x[n] for n in range(len(x)) if y[n] == c]
        table.append([mean_vector([clip[h] for clip in own]) for h in range(len(x[0]))] if own else None)
    return table


def similarity(a, b, score):
    """Eq. 2, or the raw dot product."""
    product = sum(i * j for i, j in zip(a, b, strict=True))
    if score == "dot":
        return product
    lengths = math.sqrt(sum(i * i for i in a)) * math.sqrt(sum(j * j for j in b))
    return product / lengths if lengths > 0 else 0.0


def softmax(values, tau):
    top = max(values)
    powers = [math.exp((value - top) / tau) for value in values]
    return [power / sum(powers) for power in powers]


def posterior_table(clip, centroids, score, tau_p):
    """p[h][c] of one clip, eq. 5."""
    return [
        softmax([similarity(clip[h], centroid[h], score) for centroid in centroids], tau_p)
        for h in range(len(clip))
    ]


def evidence(p, true, kind):
    """What the posteriors p[c] of one head say for the true class: eq. 6 and its variants."""
    margin = p[true] - max(value for c, value in enumerate(p) if c != true)
    if kind == "margin_clamped":
        return max(0.0, margin)
    if kind == "margin":
        return margin
    if kind == "prob":
        return p[true]
    return 2 * p[true] - sum(value * value for value in p)  # brier


def judged_clips(x, y, num_classes, score, tau_p, kind, split, heldout):
    """(class, evidence of each head) of every clip that can be judged."""
    if split == "loo":
        for n in range(len(x)):
            others = [m for m in range(len(x)) if m != n]
            rest = centroid_table([x[m] for m in others], [y[m] for m in others], num_classes)
            if rest[y[n]] is not None:
                yield y[n], [evidence(p, y[n], kind) for p in posterior_table(x[n], rest, score, tau_p)]
        return
    centroids = centroid_table(x, y, num_classes)
    judged_x, judged_y = heldout if split == "heldout" else (x, y)
    for clip, true in zip(judged_x, judged_y, strict=True):
        yield true, [evidence(p, true, kind) for p in posterior_table(clip, centroids, score, tau_p)]


def shrunk(rows, counts, alpha):
    mean = sum(sum(row) for row in rows) / sum(len(row) for row in rows)
    return [
        [r * n / (n + alpha) + mean * alpha / (n + alpha) for r in row]
        for row, n in zip(rows, counts, strict=True)
    ]


def reliability_rows(judged, num_classes, num_heads, conditional, alpha):
    """r: one row (eq. 7), or a row a class (eq. 11); a class that no clip could judge takes eq. 7's."""
    judged = list(judged)
    overall = [sum(m[h] for _, m in judged) / len(judged) for h in range(num_heads)]
    if not conditional:
        return shrunk([overall], [len(judged)], alpha)
    rows, counts = [], []
    for c in range(num_classes):
        own = [m for true, m in judged if true == c]
        rows.append([sum(m[h] for m in own) / len(own) for h in range(num_heads)] if own else overall)
        counts.append(max(1, len(own)))
    return shrunk(rows, counts, alpha)


def ranked_heads(row):
    """Best first; equal heads by lower index."""
    return sorted(range(len(row)), key=lambda h: (-row[h], h))


def weight_row(row, top_k, tau_w, weight_map):
    """Eqs. 8 and 12, or the released code's power map."""
    kept = ranked_heads(row)[: top_k or len(row)]
    if weight_map == "softmax":
        shares = softmax([row[h] for h in kept], tau_w)
    else:
        values = [max(0.0, row[h]) for h in kept]
        best = max(values)
        powers = [(value / best) ** (1 / tau_w) if best > 0 else 1.0 for value in values]
        shares = [power / sum(powers) for power in powers]
    weights = [0.0] * len(row)
    for h, share in zip(kept, shares, strict=True):
        weights[h] = share
    return weights


def calm_scores(queries, centroids, weights, score, tau_p):
    """Eqs. 9 and 13: weights[c][h], the same row for all classes where global."""
    result = []
    for clip in queries:
        p = posterior_table(clip, centroids, score, tau_p)
        heads, classes = range(len(clip)), range(len(centroids))
        result.append([sum(weights[c][h] * p[h][c] for h in heads) for c in classes])
    return result


def lowest_argmax(values):
    return max(range(len(values)), key=lambda c: (values[c], -c))


def sav_accuracies(x, y, centroids, score):
    """Share of clips whose nearest centroid in a head is that of their class."""
    hits = [0] * len(x[0])
    for clip, true in zip(x, y, strict=True):
        for h, vector in enumerate(clip):
            nearest = lowest_argmax([similarity(vector, centroid[h], score) for centroid in centroids])
            hits[h] += nearest == true
    return [hit / len(x) for hit in hits]


def sav_vote(clip, centroids, heads, score):
    """Vote counts and the winner; `heads` best first. Eqs. 3 and 4."""
    votes = [
        lowest_argmax([similarity(clip[h], centroid[h], score) for centroid in centroids]) for h in heads
    ]
    counts = [votes.count(c) for c in range(len(centroids))]
    return counts, next(vote for vote in votes if counts[vote] == max(counts))
