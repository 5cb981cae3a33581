"""A network of mixtures in any scenario, as one would write it down: slow, and nothing else shared.

Posts are tuples (step, author or None, "model", "real" or "noise", point); components have
unit variance on a line, and are named by their means. Where they move they are pairs of a mean
and a covariance, arrays, of which each model has its own.
"""

import math
import random

import numpy as np


def _mixture(rng, weights, means):
    b = rng.choices(range(len(means)), weights)[0]
    if not isinstance(means[b], tuple):
        return means[b] + rng.gauss(0, 1)
    mean, covariance = means[b]
    return mean + np.linalg.cholesky(covariance) @ [rng.gauss(0, 1) for _ in mean]


def _source(rng, source, means):
    """`source` is a law of components, a list of points, or the normal law (mean, deviation)."""
    kind, what = source
    if kind == "law":
        return _mixture(rng, what, means)
    return rng.choice(what) if kind == "points" else rng.gauss(*what)


def _owners(pi, x, means):
    logs = [_log_density(x, m) for m in means]
    high = max(logs)
    parts = [p * math.exp(v - high) for p, v in zip(pi, logs, strict=True)]
    return [part / sum(parts) for part in parts]


def _log_density(x, component):
    if not isinstance(component, tuple):
        return -0.5 * (x - component) ** 2
    mean, covariance = component
    off = x - mean
    return -0.5 * (off @ np.linalg.solve(covariance, off) + math.log(np.linalg.det(covariance)))


def _truncate(pi, eps):
    for b in range(len(pi)):
        if pi[b] <= 0:
            divisor = 1 + eps - pi[b]
            pi[:] = [eps if i == b else p / divisor for i, p in enumerate(pi)]


def _whole(share, t):
    """How many posts a share of a rate brings at step t."""
    return math.floor((t + 1) * share + 1e-9) - math.floor(t * share + 1e-9)


def _choose(rng, web, i, k, sc):
    """What model i reads of the web, k posts in order."""
    row = sc["readers"](sc["t"])[i] if sc.get("readers") else None
    if row is not None and any(w not in (0, 1) for w in row):
        common = [p for p in web if p[1] is None]
        may = common + [p for p in web if p[1] is not None and row[p[1]] > 0]
        reads = []
        for _ in range(k):
            if rng.random() < len(common) / len(may):
                reads.append(rng.choice(common))
                continue
            have = [a for a in range(len(row)) if row[a] > 0 and any(p[1] == a for p in web)]
            author = rng.choices(have, [row[a] for a in have])[0]
            reads.append(rng.choice([p for p in web if p[1] == author]))
        return reads
    may = [p for p in web if p[1] is None or row is None or row[p[1]] > 0]
    kinds = [may]
    counts = [k]
    if sc.get("read_real") is not None:
        real = [p for p in may if p[2] == "real"]
        other = [p for p in may if p[2] != "real"]
        how, share = sc["read_real"]
        many = math.floor(share * k + 0.5)
        if how == "random":
            many = sum(rng.random() < share for _ in range(k))
        many = min(max(many, k - len(other)), len(real))
        kinds, counts = [real, other], [many, k - many]
    reads = []
    for posts, count in zip(kinds, counts, strict=True):
        newest = posts[len(posts) - count :]
        reads += rng.sample(posts, count) if sc.get("retrieval", "uniform") == "uniform" else newest
    if sc.get("retrieval") == "recent as posted":
        return sorted(reads, key=web.index)
    rng.shuffle(reads)
    return reads


def run(seed, first, means, n_steps, n_responses, initial, beta, eps, c, sc):
    """Weights at every time, as lists; `sc` says the scenario in plain words.

    Where components move, pairs of the weights and the components of each model.
    """
    rng = random.Random(seed)
    n = len(first)
    pi = [list(row) for row in first]
    move = sc.get("moving")
    parts = [list(start) for start in move["start"]] if move else [means] * n
    web = [(-1, None, "real", x) for x in initial]
    ever = list(web)
    history = [[list(row) for row in pi]]
    moved = [[list(one) for one in parts]]
    for t in range(n_steps):
        sc = {**sc, "t": t}
        before = [list(row) for row in pi], [list(one) for one in parts]
        for i in range(n):
            if i in sc.get("frozen", ()):
                continue
            row = sc["readers"](t)[i] if sc.get("readers") else [1] * n
            size = sum(p[1] is None or row[p[1]] > 0 for p in web)
            k = sc.get("n_read", lambda size: math.floor(beta * size + 1e-9))(size)
            if k == 0:
                continue
            share, laws = sc.get("anchors", (0, None))
            own = sum(rng.random() < share for _ in range(k))
            reads = _choose(rng, web, i, k - own, sc)
            for _ in range(own):
                post = (None, None, "real", _mixture(rng, laws[i], means))
                reads.insert(rng.randint(0, len(reads)), post)
            _learn(pi[i], reads, parts[i], eps, c, sc)
        speaks, of = (pi, parts) if sc.get("after") else before
        new = [
            (t, i, "model", _mixture(rng, speaks[i], of[i]))
            for i in range(n)
            if i not in sc.get("silent", ())
            for _ in range(n_responses)
        ]
        posted, fresh, noise = len(new), sc.get("fresh", 0), sc.get("noise", 0)
        if isinstance(fresh, float):
            total = posted / (1 - fresh - noise)
            rates = fresh * total, noise * total
        else:
            rates = fresh, noise * (posted + fresh) / (1 - noise)
        for rate, kind, source in zip(
            rates, ("real", "noise"), (sc.get("fresh_from"), sc.get("noise_from")), strict=True
        ):
            new += [(t, None, kind, _source(rng, source, means)) for _ in range(_whole(rate, t))]
        ever += new
        rule, number = sc.get("keep", ("all", 0))
        if rule == "all":
            web = ever
        elif rule == "last":
            web = [p for p in ever if p[0] >= t + 1 - number]
        elif rule == "random":
            room = number - len(new)
            web = (web if len(web) <= room else _sample(rng, web, room)) + new
        else:
            # Algorithm R, one post at a time.
            web = list(web)
            for j, p in enumerate(new):
                come = len(ever) - len(new) + j + 1
                if len(web) < number:
                    web.append(p)
                elif (place := rng.randrange(come)) < number:
                    web[place] = p
        history.append([list(row) for row in pi])
        moved.append([list(one) for one in parts])
    return (history, moved) if move else history


def _sample(rng, web, size):
    return [web[j] for j in sorted(rng.sample(range(len(web)), size))]


def _learn(pi, reads, means, eps, c, sc):
    k = len(reads)
    n_real = sum(p[2] == "real" for p in reads)
    count = {"real": 1.0, "model": 1.0, "noise": 1.0}
    w = sc.get("real_weight")
    if w is not None and 0 < n_real < k:
        count = {"real": w * k / n_real, "model": (1 - w) * k / (k - n_real)}
        count["noise"] = count["model"]
    h = 1 - len(pi) * c
    nu = sc.get("prior")
    if nu is not None:
        sums = [nu * p for p in pi]
        every = [_owners(pi, p[3], means) for p in reads]
        if sc.get("moving"):
            weights = [
                [count[p[2]] * o for o in owned] for p, owned in zip(reads, every, strict=True)
            ]
            _refit(pi, [p[3] for p in reads], np.array(weights), nu, means, sc["moving"])
        for p, owned in zip(reads, every, strict=True):
            for b, o in enumerate(owned):
                sums[b] += count[p[2]] * (o - c) / h
        pi[:] = [s / (nu + k) for s in sums]
        _truncate(pi, eps)
        return
    for p in reads:
        alpha = min(count[p[2]] / (k + 1), 1.0)
        owned = _owners(pi, p[3], means)
        if sc.get("moving"):
            for b, o in enumerate(owned):
                gain = min(alpha * o / pi[b], 1.0)
                off = p[3] - means[b][0]
                both = np.outer(off, off)
                if sc["moving"]["rule"] == "welford":
                    both = np.outer(off, off - gain * off)
                means[b] = _moved(means[b], means[b][0] + gain * off, gain, both, sc["moving"])
        pi[:] = [(1 - alpha) * q + alpha * (o - c) / h for q, o in zip(pi, owned, strict=True)]
        _truncate(pi, eps)


def _refit(pi, points, weights, nu, means, move):
    """New components from all points at once; `weights` are what they count for each."""
    points = np.array(points)
    for b in range(len(pi)):
        total = weights[:, b].sum()
        old, _ = means[b]
        if total < 1e-300:
            continue  # nobody's point
        gain = total / (nu * pi[b] + total)
        mean = old + gain * (weights[:, b] @ points / total - old)
        other = points - (mean if move["rule"] == "welford" else old)
        both = (points - old).T @ (weights[:, [b]] * other) / total
        means[b] = _moved(means[b], mean, gain, both, move)


def _moved(component, mean, gain, both, move):
    """A component with a new mean, and a covariance that is the mean of the old one and `both`."""
    covariance = component[1]
    if move["type"] is None:
        return mean, covariance
    if move["type"] == "diag":
        both = np.diag(np.diag(both))
    if move["type"] == "spherical":
        both = np.eye(len(mean)) * np.trace(both) / len(mean)
    new = (1 - gain) * covariance + gain * (both + both.T) / 2
    # No direction has less than the floor of what it had at the start.
    root = np.linalg.cholesky(move["covariance"])
    white = np.linalg.solve(root, np.linalg.solve(root, new).T)
    values, vectors = np.linalg.eigh(white)
    vectors = root @ vectors
    return mean, vectors @ np.diag(np.maximum(values, move["floor"])) @ vectors.T
