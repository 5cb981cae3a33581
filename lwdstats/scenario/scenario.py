"""One description of how a web grows and who reads what, for simulators and theory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.scenario.fields import (
    check_anchors,
    check_fresh,
    check_keep,
    check_members,
    check_n_read,
    check_noise,
    check_read_real,
    check_real_weight,
    check_source,
    plain_tree,
)
from lwdstats.scenario.growth import kept_sizes
from lwdstats.scenario.readers import (
    check_readers,
    check_rows,
    has_weights,
    matrix_of,
    readers_to_json,
)
from lwdstats.scenario.reading import Log, added_posts, log_of
from lwdstats.specification import Specification, argument

RETRIEVAL = ("uniform", "recent", "recent as posted", "nearest")
POSTS = ("before update", "after update")
# What an option takes: numbers or words, several with commas between.
Words = int | float | str


@dataclass(frozen=True, eq=False)
class Scenario(Specification):
    """How a web grows, what stays on it, and who reads what of it; by default as in the paper.

    At step t models read of A^(t) and post; posts come in the order of models, then fresh
    posts, then noise. Posts of the initial web and fresh ones are real; those of models are
    synthetic; noise is neither. Posts that no model wrote are open to every reader.

    Attributes
    ----------
    keep : str or tuple
        "all"; "last" or ("last", m): A^(t) is what the last m steps added, the initial web
        counting as step -1; ("random", M): all new posts come, and if more than M are there,
        chance says which old ones go; ("reservoir", M): a uniform sample of M of all ever posted.
    fresh : int or float
        Real posts that each step adds: an integer, or a share below 1 of all that is added.
    fresh_from : array_like, str or sequence of str, optional
        Where they come from. Mixtures: the law (B,) of a component, by default equal shares, or
        points (M, d), drawn with replacement. Language models: texts or a file, each used once.
    read_real : float or ("random", float), optional
        Share w of real posts among what is read of the web: w k to the nearest integer, or a
        binomial number. What one kind lacks the other gives. None: as they come.
    real_weight : float, optional
        Weight w in an update of all that is real together, 1 - w of the rest (mixtures): a point
        counts w k / (number of real ones), or (1 - w) k / (number of others). Where only one kind
        is read it has no effect. None: all points count as one.
    n_read : str or int
        "beta": k = floor(beta N), N being the posts on the web that the model may read; an
        integer, or N if that is less; or a formula in N, rounded down, at most N.
    retrieval : {"uniform", "recent", "recent as posted", "nearest"}
        Which k: any, without replacement, in random order; the newest k of the log, in
        random order or oldest first; the nearest to the query (language models).
    readers : str, array_like, networkx graph, mapping or None
        None: all read all, themselves included. A matrix (n, n) whose row i says whom model i
        reads. Of zeros and ones: the posts of those at 1 and posts without author, like one web.
        Of weights: k reads with replacement; one is of a post without author with the share
        that these have of N, else of an author drawn by weight among those with posts on the
        web, and any of its posts. A graph's edges lead from reader to author. "ring" and "star"
        (model 0 in the middle), in which models read themselves too; ("blocks", m): m groups;
        ("blocks", m, q): a share q of the weight on other groups. {time: readers}: from then on.
    frozen, silent : sequence of int or str
        Models that post and never read or learn; models that read and never post.
    anchors : (float, array_like or mapping), optional
        (w, U): each read is, with chance w, not of the web but from a source of the model's own.
        Mixtures: laws of a component, (n, B), or (B,) for all; a new point each time, real.
        Language models: texts by model.
    noise, noise_from : float; as `fresh_from`
        Share of all that is added that is off topic, and where it comes from. Mixtures: by
        default a normal law around the mean of the means, twice as wide as the equal mixture.
    posts : {"before update", "after update"}
        Whether what a step posts comes from models as they were before its reading.

    Raises
    ------
    InputError
        If a field can't be used, or contradicts another.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> replace = lwd.Scenario(keep="last", fresh=2)
    >>> replace.to_json()
    {'keep': ['last', 1], 'fresh': 2}
    >>> ds = lwd.simulate_gmm(n_steps=5, scenario=replace, seed=1)
    >>> ds["n_web"].values.tolist()
    [0, 11, 11, 11, 11, 11]
    """

    keep: str | tuple[str, int] = argument(
        "all", "all; last or last,STEPS; random,POSTS; reservoir,POSTS.", Words, check=check_keep
    )
    fresh: int | float = argument(
        0, "Real posts added a step, or their share of what is added.", Words, check=check_fresh
    )
    fresh_from: Any = argument(
        None,
        "Where they come from: shares of components with commas between, or a file of texts.",
        Words,
        check=lambda value: check_source("fresh_from", value),
        to_json=plain_tree,
    )
    read_real: float | tuple[str, float] | None = argument(
        None,
        "Share of what is read that is real: SHARE, or random,SHARE.",
        Words,
        check=check_read_real,
    )
    real_weight: float | None = argument(
        None, "Weight of real points against the others in an update.", float,
        check=check_real_weight,
    )  # fmt: skip
    n_read: str | int = argument(
        "beta", "beta, an integer, or a formula in N.", Words, check=check_n_read
    )
    retrieval: str = argument(
        "uniform", "uniform, recent, recent as posted, or nearest.", choices=RETRIEVAL
    )
    readers: Any = argument(
        None,
        "complete, ring, star, blocks,NUMBER or blocks,NUMBER,SHARE.",
        Words,
        check=check_readers,
        to_json=readers_to_json,
    )
    frozen: tuple[int | str, ...] = argument(
        (), "Models that post and never learn, with commas between.", Words,
        check=lambda value: check_members("frozen", value),
    )  # fmt: skip
    silent: tuple[int | str, ...] = argument(
        (), "Models that read and never post, with commas between.", Words,
        check=lambda value: check_members("silent", value),
    )  # fmt: skip
    anchors: tuple[float, Any] | None = argument(
        None,
        "SHARE, and shares of components of a source for all: 0.1,0.3,0.7.",
        Words,
        check=check_anchors,
        to_json=plain_tree,
    )
    noise: float = argument(
        0.0, "Share of what is added that is off topic.", float, check=check_noise
    )
    noise_from: Any = argument(
        None,
        "Where it comes from: shares of components, or a file of texts.",
        Words,
        check=lambda value: check_source("noise_from", value),
        to_json=plain_tree,
    )
    posts: str = argument(
        "before update", "before update, or after update.", choices=POSTS, option="posting"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fresh_from is not None and not self.fresh:
            raise InputError("fresh_from", "a source, while fresh is 0", "nothing where none comes")
        if self.noise_from is not None and not self.noise:
            raise InputError("noise_from", "a source, while noise is 0", "nothing where none comes")
        if isinstance(self.fresh, float) and self.fresh + self.noise >= 1:
            got = f"{self.noise:g} beside fresh = {self.fresh:g}"
            raise InputError("noise", got, "shares that leave some to the models")
        both = set(map(str, self.frozen)) & set(map(str, self.silent))
        if both:
            got = f"{', '.join(sorted(both))}, which frozen has, too"
            raise InputError("silent", got, "models that learn")
        # Nothing real stays where each step's posts go and none come.
        if self.keep_rule == "last" and not self.fresh:
            self._check_real(False, f"keep = {self.keep!r} and fresh = 0")
        if not self.frozen:
            for net in self._networks().values():
                check_rows(net)
        weighted = any(map(has_weights, self._networks().values()))
        if weighted and (self.retrieval != "uniform" or self.read_real is not None):
            other = "retrieval" if self.retrieval != "uniform" else "read_real"
            got = f"{getattr(self, other)!r} beside readers with weights"
            raise InputError(other, got, "readers of zeros and ones, or None")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json(), sort_keys=True))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.to_json().items())
        return f"Scenario({given})"

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not the paper's, as JSON and TOML hold them."""
        plain, paper = {}, {}
        for name, told in self.arguments().items():
            plain[name] = told.to_json(getattr(self, name))
            paper[name] = told.to_json(type(self).__dataclass_fields__[name].default)
        return {name: value for name, value in plain.items() if value != paper[name]}

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> Self:
        """Return the scenario that `to_json` wrote, or the one of a table of a file."""
        for name in spec:
            if name not in cls.arguments():
                takes = f"the fields of a Scenario: {', '.join(cls.arguments())}"
                raise InputError("scenario", f"an unknown field, {name!r}", takes)
        return cls(**spec)

    @property
    def keep_rule(self) -> str:
        """The rule of `keep`: "all", "last", "random" or "reservoir"."""
        return self.keep if isinstance(self.keep, str) else self.keep[0]

    @property
    def keep_size(self) -> int:
        """The number of `keep`, steps or posts; 0 where all is kept."""
        return 0 if isinstance(self.keep, str) else self.keep[1]

    @property
    def is_paper(self) -> bool:
        """Whether this is the paper's scenario."""
        return not self.to_json()

    @property
    def real_share(self) -> float | None:
        """The share of `read_real`; None where posts are read as they come."""
        return self.read_real[1] if isinstance(self.read_real, tuple) else self.read_real

    @property
    def reads_grow(self) -> bool:
        """Whether what a model reads grows with time, as in the paper."""
        return self.keep == "all" and isinstance(self.n_read, str)

    def posting(self, labels: Sequence[Any]) -> NDArray[np.bool_]:
        """Return which models post, (n,)."""
        return ~_members("silent", self.silent, labels)

    def reading(self, labels: Sequence[Any]) -> NDArray[np.bool_]:
        """Return which models read and learn, (n,)."""
        return ~_members("frozen", self.frozen, labels)

    def networks(self, labels: Sequence[Any]) -> dict[int, FloatArray | None]:
        """Return weights (n, n), None where all read all, by the time from which they hold."""
        reads = self.reading(labels).tolist()
        return {time: matrix_of(net, labels, reads) for time, net in self._networks().items()}

    def log(self, labels: Sequence[Any], n_responses: int, n_initial: int, n_steps: int) -> Log:
        """Return all posts of a run of T steps, each model posting L = `n_responses` a step."""
        posting = self.posting(labels)
        n_posted = int(posting.sum()) * n_responses
        self._check_amounts(n_posted, n_initial)
        extra = added_posts(self.fresh, self.noise, n_posted, n_steps)
        return log_of(posting, n_responses, n_initial, *extra)

    def n_web(
        self, labels: Sequence[Any], n_responses: int, n_initial: int, n_steps: int
    ) -> NDArray[np.int64]:
        """Return the sizes of the web, A^(t), an array of shape (T+1,)."""
        n_posted = int(self.posting(labels).sum()) * n_responses
        self._check_amounts(n_posted, n_initial)
        extra = added_posts(self.fresh, self.noise, n_posted, n_steps)
        added = n_posted + extra[0] + extra[1]
        if self.keep_rule == "random" and added.size and added.max() > self.keep_size:
            got = f"('random', {self.keep_size}) where a step adds {added.max()} posts"
            raise InputError("keep", got, "a web that holds what a step adds")
        return kept_sizes(self.keep, n_initial, added)

    def most_added(self, n_posted: int) -> float:
        """Return at least as many posts as a step adds, where models post `n_posted` or fewer."""
        if isinstance(self.fresh, int):
            return (n_posted + self.fresh) / (1 - self.noise) + (self.noise > 0)
        return n_posted / (1 - self.fresh - self.noise) + 2

    def n_pool(
        self, labels: Sequence[Any], n_responses: int, n_initial: int, n_steps: int
    ) -> NDArray[np.int64] | None:
        """Return how many posts of A^(t) each model may read, (T+1,) where all read all.

        (T+1, n) otherwise; None where chance says it, as the web has a capacity.
        """
        n_web = self.n_web(labels, n_responses, n_initial, n_steps)
        networks = self.networks(labels)
        if all(net is None for net in networks.values()):
            return n_web
        if self.keep_rule in ("random", "reservoir"):
            return None
        posting = self.posting(labels)
        added = np.full(n_steps, n_responses)
        # Of one model; what comes from nobody is open to all.
        written = kept_sizes(self.keep, 0, added)
        sizes = np.empty((n_steps + 1, len(labels)), np.int64)
        times = [*networks, n_steps + 1]
        for start, stop, net in zip(times, times[1:], networks.values(), strict=False):
            part = slice(start, stop)
            authors = np.full(len(labels), posting.sum())
            if net is not None:
                authors = ((net > 0) & posting).sum(1)
            common = n_web[part] - written[part] * posting.sum()
            sizes[part] = common[:, None] + written[part, None] * authors
        return sizes

    def _networks(self) -> dict[int, Any]:
        return self.readers if isinstance(self.readers, dict) else {0: self.readers}

    def _check_amounts(self, n_posted: int, n_initial: int) -> None:
        if not n_posted:
            for name in ("fresh", "noise"):
                share = getattr(self, name)
                if isinstance(share, float) and share and not isinstance(self.fresh, int):
                    got = f"a share of {share:g}, where no model posts"
                    raise InputError(name, got, "a model that posts, or an integer of fresh")
        if self.keep_rule in ("random", "reservoir") and n_initial > self.keep_size:
            got = f"{self.keep!r} with {n_initial} initial posts"
            raise InputError("keep", got, "a web that holds the initial posts")
        self._check_real(bool(n_initial or self.fresh), "an empty initial web and fresh = 0")

    def _check_real(self, has: bool, why: str) -> None:
        """Raise where a share of real posts is asked for and no real post comes."""
        if self.real_share and not has:
            got = f"{self.real_share:g} with {why}"
            raise InputError("read_real", got, "a source of real posts")
        if self.real_weight is not None and not has and self.anchors is None:
            got = f"{self.real_weight:g} with {why}"
            raise InputError("real_weight", got, "a source of real posts")


def check_scenario(value: Any) -> Scenario:
    """Return a scenario from one, from a table of its fields, or from None."""
    if value is None:
        return Scenario()
    if isinstance(value, Scenario):
        return value
    if not isinstance(value, Mapping):
        raise InputError("scenario", value, "a Scenario, or a table of its fields")
    return Scenario.from_json(value)


def _members(name: str, members: Sequence[Any], labels: Sequence[Any]) -> NDArray[np.bool_]:
    known = [str(label) for label in labels]
    for member in members:
        if str(member) not in known:
            raise InputError(name, member, f"labels of models: {', '.join(known)}")
    return np.isin(known, [str(member) for member in members])
