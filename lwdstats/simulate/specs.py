"""A specification as data: from a TOML file or a dataset to a run."""

from __future__ import annotations

import inspect
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from lwdstats.dataset.schema import as_written_now, spec_of
from lwdstats.errors import InputError
from lwdstats.simulate.gmm.simulate_gmm import simulate_gmm
from lwdstats.simulate.llm.simulate_llm import simulate_llm

SIMULATORS = {"gmm": simulate_gmm, "llm": simulate_llm}
# Arguments that may be paths, and fields of a scenario.
FILES, SCENARIO_FILES = ("posts", "covariates"), ("fresh_from", "noise_from")


def read_spec(path: str | Path) -> dict[str, Any]:
    """Read a specification from a TOML or JSON file.

    Parameters
    ----------
    path : str or pathlib.Path
        A file of the keyword arguments of a simulator, and `simulator` itself,
        "gmm" or "llm". A relative path of `posts` or `covariates`, or of `fresh_from` and
        `noise_from` in the table `scenario`, starts at the file's folder.

    Returns
    -------
    dict
        The specification, as `run_spec` takes it.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    takes = "a readable TOML or JSON file"
    if not isinstance(path, str | os.PathLike):
        raise InputError("spec", f"an object of type {type(path).__name__}", f"the path of {takes}")
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        spec = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("spec", f"{path} ({error})", takes) from error
    if not isinstance(spec, dict):
        got = f"{path} (a {type(spec).__name__} in JSON)"
        raise InputError("spec", got, "a file of arguments by name, an object in JSON")
    return from_folder(spec, path.parent)


def from_folder(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a specification whose relative paths start at a folder."""
    spec = dict(spec)
    scenario = spec.get("scenario")
    if isinstance(scenario, dict):
        scenario = spec["scenario"] = dict(scenario)
    for table, names in (
        (spec, FILES),
        (scenario if isinstance(scenario, dict) else {}, SCENARIO_FILES),
    ):
        for name in names:
            if isinstance(table.get(name), str):
                table[name] = str(folder / table[name])
    return spec


def run_spec(spec: Mapping[str, Any] | xr.Dataset, **changes: Any) -> xr.Dataset:
    """Run a specification: one that was read, or the one that made a dataset.

    Parameters
    ----------
    spec : mapping or xarray.Dataset
        `simulator` ("gmm" or "llm") and its keyword arguments. A dataset stands
        for the specification in its attributes, which gives the same dataset.
    **changes
        Arguments that replace those of `spec`, or `n_jobs` and `progress`.

    Returns
    -------
    xarray.Dataset
        What the simulator returns.

    Raises
    ------
    InputError
        If the simulator or an argument is unknown, or can't be used.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.run_spec({"simulator": "gmm", "n_steps": 5, "seed": 1})
    >>> lwd.run_spec(ds).equals(ds)
    True
    """
    name, arguments = asked(spec, changes)
    return SIMULATORS[name](**arguments)


# What every specification of a network of language models holds that a simulation wrote.
_WRITTEN = {
    "models", "posts", "query", "n_steps", "n_responses", "beta", "embedder", "replicates", "seed",
    "temperature", "top_p", "max_new_tokens", "cut", "retrieval", "context", "retries_empty",
}  # fmt: skip


def _dated(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a specification with the rule for sentences that held when it was written.

    One that a simulation wrote, when there was a single rule, says all other arguments;
    what people write says few, and takes the newest.
    """
    return as_written_now(spec) if spec.keys() >= _WRITTEN else spec


def asked(
    spec: Mapping[str, Any] | xr.Dataset, changes: Mapping[str, Any], simulator: str | None = None
) -> tuple[str, dict[str, Any]]:
    """Return the simulator that a specification is for, and the arguments of a call of it.

    `simulator` is the one where the specification names none.
    """
    if isinstance(spec, str | os.PathLike):
        raise InputError("spec", f"the path {os.fspath(spec)!r}", "run_spec(read_spec(path))")
    if not isinstance(spec, xr.Dataset | Mapping):
        raise InputError("spec", type(spec).__name__, "arguments by name, or an xarray.Dataset")
    held = dict(spec_of(spec) if isinstance(spec, xr.Dataset) else _dated(spec))
    arguments = {"simulator": simulator} | held | dict(changes)
    name = arguments.pop("simulator")
    if not isinstance(name, str) or name not in SIMULATORS:
        raise InputError("simulator", name, "'gmm' or 'llm'")
    known = list(inspect.signature(SIMULATORS[name]).parameters)
    for argument in arguments:
        if argument not in known:
            raise InputError(argument, "an unknown argument", f"one of {', '.join(known)}")
    if name == "llm" and "models" not in arguments:
        raise InputError("models", "nothing", "names of models, or a mapping from labels to them")
    return name, arguments
