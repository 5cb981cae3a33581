"""Several files of replicates as one dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lwdstats.dataset import attributes, schema
from lwdstats.dataset.answer_grid import REASONS
from lwdstats.dataset.files import read_file
from lwdstats.dataset.schema import embeddings_of, spec_of, validate
from lwdstats.errors import InputError, check_choice

# Arguments that hold one array a replicate where their lists are three deep.
_BY_REPLICATE = {"initial_weights", "initial_points"}
# Attributes that a combined dataset writes anew.
_OWN = ("seed", "spec", "parts")
# Attributes that count what happened in a run.
_COUNTED = ("n_empty_pools", "n_unresolved")
# Attributes without which embeddings can't be compared.
_SAME = ("embedder", "embedder_prefix", "embedder_normalize")
# And of vectors: their embedder, and whether they were scaled or are means of parts.
_SAME_OF_VECTORS = {"embedder": None, "normalized": "True", "long_texts": "mean"}


def combine(files: Iterable[xr.Dataset | str | Path], dim: str = "replicate") -> xr.Dataset:
    """Join datasets of one specification along their replicates.

    Parameters
    ----------
    files : iterable of xarray.Dataset, str or pathlib.Path
        Datasets or netCDF files that differ in seed and replicates alone. Those of unfinished
        runs (`read_results` reads a store) have to end at the same time.
    dim : {"replicate"}
        Along what they are joined.

    Returns
    -------
    xarray.Dataset
        All replicates, in the order of `files`. Labels of replicates stay as they
        are if all differ; otherwise all become 0, 1, ....

    Raises
    ------
    InputError
        If the files differ in anything else, which is named; or if a replicate
        occurs twice, by its seed and id or, where the seed is unknown, by all
        its numbers. Copies are not independent, and intervals over replicates
        take them to be.

    Notes
    -----
    A replicate of a simulation is decided by the specification, the seed and
    its id. Files with one seed and different ids are parts of one run; the
    result has that run's specification, and `run_spec` gives it again.

    Otherwise no one specification does. Then `spec` holds what the parts
    share, with no simulator, so that `run_spec` refuses it; `seed` lists the seeds;
    and the attribute `parts` is a JSON list, in order, of

    - `spec`: the arguments that a part has of its own, so that
      ``run_spec({**spec, **part["spec"]})`` gives that part again,
    - `replicate`: the labels that its replicates have here,
    - `attributes`: those in which the parts differ, such as `created`.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> from lwdstats.dataset.combine import combine
    >>> runs = [lwd.simulate_gmm(n_steps=5, seed=seed) for seed in (1, 2)]
    >>> both = combine(runs)
    >>> both["replicate"].values.tolist(), both.attrs["seed"]
    ([0, 1], '1, 2')
    >>> combine([runs[0], runs[0]])
    Traceback (most recent call last):
        ...
    lwdstats.errors.InputError: files: got replicate 0 of seed 1 twice ...
    """
    check_choice("dim", dim, ("replicate",))
    if isinstance(files, str | Path | xr.Dataset | xr.DataArray) or not isinstance(files, Iterable):
        raise InputError("files", "a single one", "a sequence of files")
    given = list(files)
    if not given:
        raise InputError("files", "none", "a sequence of files")
    names = [str(f) if isinstance(f, str | Path) else f"dataset {i}" for i, f in enumerate(given)]
    loaded = [
        read_file(f) if isinstance(f, str | Path) else validate(f, source=name)
        for f, name in zip(given, names, strict=True)
    ]
    if len(loaded) == 1:
        return loaded[0]
    # The specification first: a difference is better named by its cause than by its effects.
    shared, parts = _shared(
        [part for ds, n in zip(loaded, names, strict=True) for part in _parts(ds, n)]
    )
    for ds, name in zip(loaded[1:], names[1:], strict=True):
        _check_alike(loaded[0], ds, names[0], name)
    _check_distinct(loaded, names, parts)

    kept = [label for part in parts for label in part["ids"]]
    if len(set(map(type, kept))) > 1 or len(set(kept)) < len(kept):
        kept = list(range(len(kept)))
    labels = iter(kept)
    for part in parts:
        part["replicate"] = [next(labels) for _ in part["ids"]]
    out = xr.concat(
        [ds.drop_vars("replicate", errors="ignore") for ds in loaded],
        dim="replicate",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
    # Variables without replicates come first out of concat; keep the order of the first file.
    out = out[list(loaded[0].data_vars)]
    attrs = loaded[0]["replicate"].attrs
    values = np.array(kept, dtype=object if isinstance(kept[0], str) else None)
    out = out.assign_coords(replicate=("replicate", values, attrs))
    out.attrs = _attributes(loaded, shared, parts)
    _add_counts(out, loaded)
    return validate(out)


def _check_alike(first: xr.Dataset, other: xr.Dataset, name: str, label: str) -> None:
    """Raise unless two datasets differ in their replicates alone."""

    def refuse(what: str) -> None:
        got = f"{name} and {label}, which differ in {what}"
        raise InputError("files", got, "files of one specification")

    odd = sorted({str(v) for v in _beside_dims(first).keys() ^ _beside_dims(other).keys()})
    if odd:
        refuse(f"having {', '.join(odd)}")
    for dim in first.dims:
        if dim == "replicate":
            continue
        if first.sizes[dim] != other.sizes.get(dim) or not np.array_equal(
            first[dim].values, other[dim].values
        ):
            refuse(f"{dim}: {_short(first[dim].values)} and {_short(other[dim].values)}")
    for variable in map(str, _beside_dims(first)):
        if first[variable].dims != other[variable].dims:
            refuse(f"the dimensions of {variable}")
        if "replicate" not in first[variable].dims and not first[variable].variable.equals(
            other[variable].variable
        ):
            refuse(f"{variable}, which has no replicates")
    for attribute in _SAME:
        if first.attrs.get(attribute) != other.attrs.get(attribute):
            refuse(f"the attribute {attribute}")
    for variable in embeddings_of(first):
        for attribute, value in _SAME_OF_VECTORS.items():
            said = [ds[variable].attrs.get(attribute) for ds in (first, other)]
            if said[0] != said[1] and value in (None, *said):
                refuse(f"the attribute {attribute} of {variable}")


def _beside_dims(ds: xr.Dataset) -> dict[Hashable, None]:
    """Return the variables and the covariates of a dataset, in order."""
    return dict.fromkeys(name for name in [*ds.data_vars, *ds.coords] if name not in ds.dims)


def _add_counts(out: xr.Dataset, loaded: list[xr.Dataset]) -> None:
    """Let what is counted of each dataset be counted of all."""
    # A selection of a run keeps the counts of the whole.
    runs = {}
    for i, ds in enumerate(loaded):
        runs[ds.attrs["spec"] if spec_of(ds).get("simulator") else i] = ds
    for count in _COUNTED:
        each = [ds.attrs[count] for ds in runs.values() if count in ds.attrs]
        if each:
            out.attrs[count] = sum(each)
    for name in [*embeddings_of(out), *(["text"] if "text" in out else [])]:
        for count in ("n_cut", "n_averaged", "n_reasoning", *(f"n_{why}" for why in REASONS)):
            each = [ds[name].attrs[count] for ds in runs.values() if count in ds[name].attrs]
            if each:
                out[name].attrs[count] = sum(each)


def _parts(ds: xr.Dataset, name: str) -> list[dict[str, Any]]:
    """Return the parts of a dataset: one, or more if it was combined already."""
    spec = spec_of(ds)
    present = ds["replicate"].values.tolist()
    if "parts" in ds.attrs:
        out = []
        for part in json.loads(ds.attrs["parts"]):
            places = [i for i, label in enumerate(part["replicate"]) if label in present]
            if places:
                own = _select({**spec, **part["spec"]}, places, part["spec"].get("replicates"))
                ids = [part["replicate"][i] for i in places]
                kept = part["attributes"]
                out.append({"full": own, "ids": ids, "attributes": kept, "owner": ds, "file": name})
        if [label for part in out for label in part["ids"]] == present:
            return out
        got = f"{name}, a combined dataset whose replicates were put in another order"
        raise InputError("files", got, "combined datasets in their own order")
    known = spec.get("replicates")
    if known is not None and not set(present) <= set(known):
        got = f"{name} with replicates {present}, of a specification with {known}"
        raise InputError("files", got, "replicates under the ids of their run")
    places = [] if known is None else [known.index(label) for label in present]
    full = _select(spec, places, known)
    return [{"full": full, "ids": present, "attributes": {}, "owner": ds, "file": name}]


def _select(spec: dict[str, Any], places: list[int], known: list[Any] | None) -> dict[str, Any]:
    """Return a specification of the replicates at some places alone."""
    if known is None:
        return spec
    out = {**spec, "replicates": [known[i] for i in places]}
    for name in _BY_REPLICATE:
        if _depth(spec.get(name)) == 3:
            out[name] = [spec[name][i] for i in places]
    return out


def _shared(
    parts: list[dict[str, Any]],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Split each part's `full` into what all share and its own `spec`; refuse other differences."""
    for part in parts:
        full = part.pop("full")
        own = [k for k in ("simulator", "seed", "replicates", "date") if k in full]
        own += [k for k in sorted(_BY_REPLICATE) if _depth(full.get(k)) == 3]
        part["spec"] = {k: full[k] for k in own}
        part["rest"] = {k: v for k, v in full.items() if k not in own}
    shared = parts[0]["rest"]
    simulator = parts[0]["spec"].get("simulator")
    for part in parts:
        rest = part.pop("rest")
        odd = sorted(k for k in {*shared, *rest} if shared.get(k, ...) != rest.get(k, ...))
        odd += ["simulator"] * (part["spec"].get("simulator") != simulator)
        if odd:
            shown = ", ".join(f"{k} ({_short(shared.get(k))}, {_short(rest.get(k))})" for k in odd)
            got = f"{parts[0]['file']} and {part['file']}, which differ in {shown}"
            raise InputError("files", got, "files of one specification")
    return shared, parts


def _check_distinct(
    loaded: list[xr.Dataset], names: list[str], parts: list[dict[str, Any]]
) -> None:
    """Raise if a replicate occurs twice."""
    takes = "replicates that are independent, each once"
    seen: set[tuple[Any, Any]] = set()
    for part in parts:
        seed = part["spec"].get("seed")
        for replicate in part["spec"].get("replicates", []) if seed is not None else []:
            if (seed, replicate) in seen:
                raise InputError("files", f"replicate {replicate} of seed {seed} twice", takes)
            seen.add((seed, replicate))
    if all(part["spec"].get("seed") is not None for part in parts):
        return
    prints: dict[str, str] = {}
    for ds, name in zip(loaded, names, strict=True):
        array = ds["embedding" if "embedding" in ds else "weight"]
        for r, label in enumerate(ds["replicate"].values.tolist()):
            # A copy that was kept in another precision is one, too.
            values = np.ascontiguousarray(array.isel(replicate=r).values, dtype=np.float32)
            key = hashlib.sha256(values.tobytes()).hexdigest()
            here = f"replicate {label!r} of {name}"
            if key in prints:
                raise InputError("files", f"the same numbers in {prints[key]} and {here}", takes)
            prints[key] = here


def _attributes(
    loaded: list[xr.Dataset], shared: dict[str, Any], parts: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return attributes that claim no more than is true of all parts together."""
    names = list(dict.fromkeys(k for ds in loaded for k in ds.attrs if k not in _OWN))
    held = [
        {k: attributes.plain(v, f"attribute {k!r}") for k, v in ds.attrs.items()} for ds in loaded
    ]
    # As text, since a list or a mapping has no hash, and NaN is not itself.
    same = [k for k in names if len({json.dumps(one.get(k, [None])) for one in held}) == 1]
    seeds = [seed for ds in loaded for seed in str(ds.attrs["seed"]).split(", ")]
    title, seed = f"{len(loaded)} datasets of one specification", ", ".join(dict.fromkeys(seeds))
    attrs: dict[str, Any] = schema.attributes(title, seed, {"simulator": None} | shared)
    attrs |= {k: loaded[0].attrs[k] for k in same}
    own = [part["spec"] for part in parts]
    one_day = len({one.get("date") for one in own}) == 1
    if len(set(seeds)) == 1 and one_day and all({"seed", "replicates"} <= set(one) for one in own):
        # One run in parts: its arguments that hold something for each replicate go together.
        whole = shared | own[0]
        for k in _BY_REPLICATE & set(own[0]) | {"replicates"}:
            whole[k] = [item for one in own for item in one[k]]
        order = [k for k in spec_of(loaded[0]) if k in whole]
        attrs["spec"] = json.dumps({k: whole[k] for k in order}, ensure_ascii=False)
        return attrs
    listed = []
    for part in parts:
        owner = next(one for one, ds in zip(held, loaded, strict=True) if ds is part["owner"])
        from_file = {k: v for k, v in owner.items() if k not in (*_OWN, *same)}
        kept = {"attributes": from_file | part["attributes"]}
        listed.append({name: part[name] for name in ("spec", "replicate")} | kept)
    attrs["parts"] = json.dumps(listed, ensure_ascii=False)
    return attrs


def _depth(value: Any) -> int:
    return 1 + _depth(value[0]) if isinstance(value, list) and value else 0


def _short(value: Any) -> str:
    text = str(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."
