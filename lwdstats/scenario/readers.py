"""Who reads whom: a matrix, a graph, a name, or one of these from each of some times on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer, is_number

TAKES = (
    "None, 'complete', 'ring', 'star', ('blocks', number) or ('blocks', number, share across), "
    "a square matrix of weights of at least 0, a networkx graph, or {time: one of these}"
)
NAMES = ("complete", "ring", "star")


class Graph(NamedTuple):
    """Weights (n, n) with which the `models`, labels in order, read each other's posts."""

    models: tuple[Any, ...]
    weights: FloatArray


def check_readers(value: Any) -> Any:
    """Return readers as a scenario keeps them: None, a name, a matrix, a graph, or by time."""
    if isinstance(value, Mapping) and not {"models", "weights"} & set(value):
        return _by_time(value)
    return _network(value)


def _by_time(value: Mapping[Any, Any]) -> dict[int, Any]:
    takes = "{time: readers} with times as integers, 0 among them"
    try:
        # TOML and JSON have times as text.
        times = [int(key) if isinstance(key, str) else key for key in value]
        times = [check_integer("readers", time, minimum=0) for time in times]
    except ValueError:
        raise InputError("readers", f"times {list(value)}", takes) from None
    if len(set(times)) < len(times) or 0 not in times:
        raise InputError("readers", f"times {list(value)}", takes)
    return {time: _network(net) for time, net in sorted(zip(times, value.values(), strict=True))}


def _network(value: Any) -> Any:
    if value is None or (isinstance(value, str) and value in NAMES):
        return None if value == "complete" else value
    if isinstance(value, str):
        raise InputError("readers", value, TAKES)
    if isinstance(value, Graph):
        return Graph(value.models, _matrix(value.weights))
    if isinstance(value, Mapping):
        return _labelled(value)
    if hasattr(value, "adjacency") and hasattr(value, "nodes"):
        return _from_graph(value)
    if isinstance(value, Sequence) and len(value) and isinstance(value[0], str):
        return _blocks(value)
    return _matrix(value)


def _blocks(value: Sequence[Any]) -> tuple[Any, ...]:
    if value[0] != "blocks" or len(value) not in (2, 3):
        raise InputError("readers", list(value), TAKES)
    number = check_integer("readers", value[1], minimum=1)
    if len(value) == 2:
        return ("blocks", number)
    share = value[2]
    if not is_number(share) or not 0 <= share < 1:
        raise InputError("readers", list(value), "('blocks', number, share in [0, 1))")
    return ("blocks", number, float(share)) if share else ("blocks", number)


def _labelled(value: Mapping[str, Any]) -> Graph:
    models = value.get("models")
    if set(value) != {"models", "weights"} or isinstance(models, str) or not np.iterable(models):
        raise InputError("readers", f"keys {sorted(map(str, value))}", "models and weights")
    weights, models = _matrix(value["weights"]), tuple(models)
    if len(models) != len(weights):
        got = f"{len(models)} models with weights of shape {weights.shape}"
        raise InputError("readers", got, "a row and a column of weights for each model")
    return Graph(models, weights)


def _from_graph(graph: Any) -> Graph:
    """Return the adjacency matrix of a networkx graph: an edge leads from reader to author."""
    models = tuple(graph.nodes)
    place = {model: i for i, model in enumerate(models)}
    weights = np.zeros((len(models), len(models)))
    for reader, read in graph.adjacency():
        for author, edge in read.items():
            # Several edges between two models add up.
            for data in edge.values() if graph.is_multigraph() else [edge]:
                weight = data.get("weight", 1.0)
                if not is_number(weight):
                    raise InputError("readers", f"an edge of weight {weight!r}", "numbers")
                weights[place[reader], place[author]] += weight
    return Graph(models, _matrix(weights))


def _matrix(value: Any) -> FloatArray:
    try:
        array = np.asarray(value)
        usable = array.dtype.kind in "biuf"
    except (TypeError, ValueError):
        array, usable = np.empty(0), False
    if not usable:
        raise InputError("readers", value, TAKES)
    array = array.astype(np.float64)
    shape = array.shape
    if len(shape) != 2 or shape[0] != shape[1] or not array.size:
        raise InputError("readers", f"numbers of shape {shape}", TAKES)
    if not np.isfinite(array).all() or array.min() < 0:
        raise InputError("readers", f"a weight of {array.min():g}", TAKES)
    array.flags.writeable = False
    return array


def readers_to_json(value: Any) -> Any:
    """Return readers as JSON and TOML hold them."""
    if isinstance(value, dict):
        return {str(time): readers_to_json(net) or "complete" for time, net in value.items()}
    if isinstance(value, Graph):
        return {"models": list(value.models), "weights": value.weights.tolist()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def has_weights(value: Any) -> bool:
    """Return whether a network is of weights: others than 0 and 1 say who is read how much."""
    if isinstance(value, tuple) and not isinstance(value, Graph):
        return len(value) == 3
    matrix = value.weights if isinstance(value, Graph) else value
    return isinstance(matrix, np.ndarray) and not np.isin(matrix, (0.0, 1.0)).all()


def matrix_of(value: Any, labels: Sequence[Any], reads: Sequence[bool]) -> FloatArray | None:
    """Return one network as weights (n, n) in the order of labels; None where all read all.

    `reads` (n,) says who reads at all: each of those must have somebody to read.
    """
    n = len(labels)
    if value is None:
        return None
    if isinstance(value, Graph):
        matrix = _ordered(value, labels)
    elif isinstance(value, np.ndarray):
        if value.shape != (n, n):
            got = f"weights of shape {value.shape}"
            raise InputError("readers", got, f"weights of shape ({n}, {n}), a row a model")
        matrix = value
    else:
        matrix = _named(value, n)
    if (matrix == 1).all():
        return None
    check_rows(Graph(tuple(labels), matrix), np.asarray(reads))
    return matrix


def check_rows(net: Any, reads: Any = True) -> None:
    """Raise if a model of a matrix or graph that `reads` has nobody to read."""
    matrix = net.weights if isinstance(net, Graph) else net
    if not isinstance(matrix, np.ndarray):
        return
    nobody = np.flatnonzero((matrix.sum(1) == 0) & reads)
    if nobody.size:
        label = net.models[nobody[0]] if isinstance(net, Graph) else int(nobody[0])
        got = f"a row of zeros: model {label!r} reads nobody"
        raise InputError("readers", got, "somebody to read for each model that is not frozen")


def _ordered(graph: Graph, labels: Sequence[Any]) -> FloatArray:
    # Labels that came through a file may be text.
    places = {str(model): i for i, model in enumerate(graph.models)}
    wanted = [str(label) for label in labels]
    if sorted(places) != sorted(wanted):
        lacking = [label for label in wanted if label not in places]
        other = [label for label in places if label not in wanted]
        got = "a graph" + f" without {', '.join(lacking)}" * bool(lacking)
        got += " and" * bool(lacking and other) + f" with {', '.join(other)}" * bool(other)
        raise InputError("readers", got, f"a graph of the models: {', '.join(wanted)}")
    order = [places[label] for label in wanted]
    return graph.weights[np.ix_(order, order)]


def _named(value: Any, n: int) -> FloatArray:
    """Return a named network of n models, in which each reads itself too."""
    place = np.arange(n)
    if value == "ring":
        apart = np.abs(place[:, None] - place)
        return (np.minimum(apart, n - apart) <= 1).astype(np.float64)
    if value == "star":
        return ((place[:, None] == 0) | (place == 0) | np.eye(n, dtype=bool)).astype(np.float64)
    number = value[1]
    if number > n:
        raise InputError("readers", f"{number} blocks", f"at most one a model, {n}")
    block = place * number // n
    same = block[:, None] == block
    if len(value) == 2:
        return same.astype(np.float64)
    if number == 1:
        raise InputError("readers", f"one block and a share of {value[2]:g} across", "2 or more")
    across = value[2]
    inside = same / same.sum(1, keepdims=True)
    outside = ~same / (~same).sum(1, keepdims=True)
    return (1 - across) * inside + across * outside
