"""Every outcome of a small network in a scenario, in rationals: a literal reading of the rules.

A post is (component, kind, author, time); kinds are "real", "model" and "noise". It shares
nothing with the package but the names of a scenario's values.
"""

from collections import defaultdict
from fractions import Fraction
from functools import cache
from itertools import combinations, permutations, product
from math import comb, floor

import numpy as np

F = Fraction


def after_reading(pi, drawn, case):
    """The weights of a model after it has read points (component, is real) in this order."""
    n_b, k = len(pi), len(drawn)
    if k == 0:
        return pi
    c = case["c"](k)
    owned = [[((b == at) - c) / (1 - n_b * c) for b in range(n_b)] for at, _ in drawn]
    if case["update"] == "sequential":
        alpha = case["alpha"](k)
        for o in owned:
            pi = tuple((1 - alpha) * w + alpha * x for w, x in zip(pi, o, strict=True))
        return pi
    w, real = case.get("real_weight"), sum(is_real for _, is_real in drawn)
    if w is None or real in (0, k):
        size = [F(1)] * k
    else:
        size = [w * k / real if is_real else (1 - w) * k / (k - real) for _, is_real in drawn]
    mean = [sum(s * o[b] for s, o in zip(size, owned, strict=True)) / k for b in range(n_b)]
    nu = F(0) if case["update"] == "refit" else F(case["update"][1])
    return tuple((nu * p + k * m) / (nu + k) for p, m in zip(pi, mean, strict=True))


def orders(posts, k):
    """All orders in which k of the posts may be read, as a dict of chances."""
    law = defaultdict(F)
    every = list(permutations(posts, k))
    for some in every:
        law[some] += F(1, len(every))
    return law


def of_web(i, web, k, case, t):
    """The law of what k reads of the web give model i, in order."""
    n = case["n"]
    row = case["row"](t)[i] if case.get("row") else [1] * n
    may = [p for p in web if p[2] < 0 or row[p[2]] > 0]
    if any(x not in (0, 1) for r in (case["row"](t) if case.get("row") else []) for x in r):
        common = [p for p in may if p[2] < 0]
        writers = sorted({p[2] for p in may if p[2] >= 0})
        chance = defaultdict(F)
        for p in common:
            chance[p] += F(1, len(may))
        for j in writers:
            own = [p for p in may if p[2] == j]
            share = row[j] / sum(row[a] for a in writers) * (1 - F(len(common), len(may)))
            for p in own:
                chance[p] += share / len(own)
        law = defaultdict(F)
        for some in product(chance, repeat=k):
            q = F(1)
            for p in some:
                q *= chance[p]
            law[some] += q
        return law
    if case.get("recent"):
        return orders(may[len(may) - k :], k)
    if case.get("read_real") is None:
        return orders(may, k)
    real = [p for p in may if p[1] == "real"]
    other = [p for p in may if p[1] != "real"]
    rule = case["read_real"]
    if isinstance(rule, tuple):
        w = rule[1]
        numbers = {j: comb(k, j) * w**j * (1 - w) ** (k - j) for j in range(k + 1)}
    else:
        numbers = {floor(rule * k + F(1, 2)): F(1)}
    law = defaultdict(F)
    for j, chance in numbers.items():
        many = min(max(j, k - len(other)), len(real))
        ways = [
            order
            for a in combinations(range(len(real)), many)
            for b in combinations(range(len(other)), k - many)
            for order in permutations([real[x] for x in a] + [other[x] for x in b])
        ]
        for some in ways:
            law[some] += chance / len(ways)
    return law


@cache
def _readings(i, pi, web, t, key):
    case = CASES[key]
    row = case["row"](t)[i] if case.get("row") else [1] * case["n"]
    size = sum(1 for p in web if p[2] < 0 or row[p[2]] > 0)
    k = case["k"](size)
    law = defaultdict(F)
    if k == 0 or i in case.get("frozen", ()):
        return {pi: F(1)}
    share, sources = case.get("anchors", (F(0), None))
    for places in product([False, True], repeat=k) if share else [(False,) * k]:
        own = sum(places)
        chance = share**own * (1 - share) ** (k - own)
        for some, p in of_web(i, web, k - own, case, t).items():
            for others in product(range(len(pi)), repeat=own):
                q = chance * p
                for b in others:
                    q *= sources[i][b]
                if q == 0:
                    continue
                web_points, own_points = iter(some), iter(others)
                drawn = []
                for is_own in places:
                    post = None if is_own else next(web_points)
                    drawn.append(
                        (next(own_points), True) if is_own else (post[0], post[1] == "real")
                    )
                law[after_reading(pi, drawn, case)] += q
    return dict(law)


CASES = {}


def posted(pi, t, case):
    """The law of what a step adds, in the order of models, fresh posts, noise."""
    sources = []
    for i in range(case["n"]):
        if i not in case.get("silent", ()):
            sources += [(pi[i], "model", i)] * case["L"]
    sources += [(case.get("R"), "real", -1)] * case.get("fresh", lambda t: 0)(t)
    sources += [(case.get("noise_law"), "noise", -1)] * case.get("noise", lambda t: 0)(t)
    law = defaultdict(F)
    for some in product(range(len(pi[0])), repeat=len(sources)):
        q = F(1)
        for b, (shares, _, _) in zip(some, sources, strict=True):
            q *= shares[b]
        if q:
            law[tuple((b, s[1], s[2], t) for b, s in zip(some, sources, strict=True))] += q
    return law


def kept(web, new, t, ever, case):
    """The law of the web after the posts of step t."""
    rule, size = case.get("keep", ("all", 0))
    if rule == "all":
        return {web + new: F(1)}
    if rule == "last":
        return {tuple(p for p in web + new if p[3] > t - size): F(1)}
    law = {web: F(1)}
    if rule == "random":
        room = min(len(web), size - len(new))
        ways = list(combinations(web, room))
        law = defaultdict(F)
        for stay in ways:
            law[stay + new] += F(1, len(ways))
        return law
    # Algorithm R, a post at a time.
    for post in new:
        ever += 1
        after = defaultdict(F)
        for now, chance in law.items():
            if len(now) < size:
                after[(*now, post)] += chance
                continue
            after[now] += chance * F(ever - size, ever)
            for slot in range(size):
                after[(*now[:slot], post, *now[slot + 1 :])] += chance * F(1, ever)
        law = after
    return law


def canonical(web, case):
    """A web with what no rule looks at left out, so that states meet."""
    by_time = case.get("keep", ("all", 0))[0] == "last" or case.get("recent")
    posts = [(b, kind, author, time if by_time else 0) for b, kind, author, time in web]
    if not case.get("row"):
        posts = [(b, kind, min(author, 0), time) for b, kind, author, time in posts]
    if case.get("read_real") is None and case.get("real_weight") is None:
        posts = [(b, "any", author, time) for b, _, author, time in posts]
    return tuple(sorted(posts, key=lambda p: (p[3], p[:3])))


def laws(key, case, n_steps):
    """Yield the law of (weights, web) at t = 0..T, a dict of chances."""
    CASES[key] = case
    initial = tuple((b, "real", -1, -1) for b, m in enumerate(case["counts"]) for _ in range(m))
    law = {(case["first"], canonical(initial, case)): F(1)}
    ever = len(initial)
    for t in range(n_steps + 1):
        yield law
        if t == n_steps:
            return
        after = defaultdict(F)
        added = 0
        for (pi, web), chance in law.items():
            reads = [_readings(i, pi[i], web, t, key) for i in range(case["n"])]
            webs = defaultdict(F)
            if case.get("after"):
                for outcome in product(*(r.items() for r in reads)):
                    q = chance
                    for _, p in outcome:
                        q *= p
                    weights = tuple(w for w, _ in outcome)
                    for new, p in posted(weights, t, case).items():
                        added = len(new)
                        for left, stay in kept(web, new, t, ever, case).items():
                            after[weights, canonical(left, case)] += q * p * stay
                continue
            for new, p in posted(pi, t, case).items():
                added = len(new)
                for left, stay in kept(web, new, t, ever, case).items():
                    webs[canonical(left, case)] += p * stay
            for outcome in product(*(r.items() for r in reads)):
                q = chance
                for _, p in outcome:
                    q *= p
                weights = tuple(w for w, _ in outcome)
                for left, p in webs.items():
                    after[weights, left] += q * p
        ever += added
        law = after


def moments(law, n_b):
    """Means (n + 1, B) and second moments (n + 1, n + 1, B, B) of models and web."""
    rows = []
    for pi, web in law:
        share = [sum(p[0] == b for p in web) / max(len(web), 1) for b in range(n_b)]
        rows.append([*([float(w) for w in one] for one in pi), share])
    chance, rows = np.array([float(q) for q in law.values()]), np.array(rows)
    mean = np.tensordot(chance, rows, 1)
    return mean, np.einsum("o,oia,ojb->ijab", chance, rows, rows, optimize=True)
