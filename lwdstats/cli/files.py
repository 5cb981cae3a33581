"""Commands that read the file of a run, or its store."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from lwdstats.cli.output import check_writable, write_somewhere
from lwdstats.errors import check_choice

_KINDS = ("norm", "answers", "mixtures", "dkps")


def replay(
    file: Annotated[
        Path, typer.Argument(help="netCDF file of a run of language models, or its store.")
    ],
    time: Annotated[int, typer.Option(help="The step.")],
    model: Annotated[str, typer.Option(help="Label of the model.")],
    replicate: Annotated[int | None, typer.Option(help="By default the first.")] = None,
    query: Annotated[
        int | None, typer.Option(help="Place of the query, from 0; by default the first.")
    ] = None,
) -> None:
    """Print the prompt that a model was given, rebuilt from the file.

    Characters that would act on a terminal are spelled out.

    Example: lwdstats replay network.nc --time 3 --model SmolLM2
    """
    from lwdstats.dataset.text import printable
    from lwdstats.simulate.llm.replay import prompt_of
    from lwdstats.simulate.read_results import read_results

    prompt = prompt_of(read_results(file), time, model, replicate=replicate, query=query)
    if prompt.date:
        typer.echo(f"A chat template that writes a date wrote {prompt.date}.", err=True)
    if prompt.system:
        typer.echo(f"[system]\n{printable(prompt.system)}\n\n[user]")
    typer.echo(printable(prompt.user))


def power(
    test: Annotated[str, typer.Argument(help="collapse_test, convergence_test or check_decay.")],
    file: Annotated[Path, typer.Argument(help="netCDF file of a pilot run, or its store.")],
    n_replicates: Annotated[int | None, typer.Option(help="R of a study.")] = None,
    n_responses: Annotated[int | None, typer.Option(help="L of a study.")] = None,
    n_steps: Annotated[int | None, typer.Option(help="T of a study.")] = None,
    power: Annotated[float | None, typer.Option(help="What is to be reached.")] = None,
    n_components: Annotated[
        int | None, typer.Option(help="Of the proxy of language models; by default by BIC.")
    ] = None,
    n_sim: Annotated[int, typer.Option(help="Studies that are simulated for each value.")] = 200,
    seed: Annotated[str | None, typer.Option(help="Drawn if not given.")] = None,
) -> None:
    """Print the power of a test, and what the run costs; what is left out is found.

    Of a pilot of language models, studies are simulated from its proxy, and the plan of the
    run is printed below.

    Example: lwdstats power collapse_test pilot.nc --n-responses 20 --n-steps 40 --power 0.8
    """
    from lwdstats.dataset.schema import spec_of
    from lwdstats.simulate.llm.plan.plan import plan
    from lwdstats.simulate.read_results import read_results
    from lwdstats.studies.power.options import TESTS, check_of_proxy
    from lwdstats.studies.power.power_test import power_test
    from lwdstats.studies.proxy.fit_proxy import fit_proxy

    check_choice("test", test, TESTS)
    ds = read_results(file)
    spec = spec_of(ds)
    if spec.get("simulator") != "gmm":
        # Before the proxy is fitted, which takes its time.
        check_of_proxy(test)
    source = ds if spec.get("simulator") == "gmm" else fit_proxy(ds, n_components, seed=seed)
    found = power_test(
        test,
        source,
        n_replicates=n_replicates,
        n_responses=n_responses,
        n_steps=n_steps,
        power=power,
        n_sim=n_sim,
        seed=seed,
    )
    typer.echo(found)
    if spec.get("simulator") == "llm":
        size = {
            "replicates": found.n_replicates,
            "n_responses": found.n_responses,
            "n_steps": found.n_steps,
        }
        typer.echo(f"\n{plan(spec | size)}")


def summary(
    file: Annotated[
        Path, typer.Argument(help="netCDF file of a run, or its store, also while it runs.")
    ],
) -> None:
    """Print what ran and how the distance between models went."""
    from lwdstats.simulate.read_results import read_results
    from lwdstats.summaries import summary as summarise

    typer.echo(summarise(read_results(file)))


def plot(
    file: Annotated[
        Path, typer.Argument(help="netCDF file of a run, or its store, also while it runs.")
    ],
    kind: Annotated[
        str | None,
        typer.Option(help="norm, answers, mixtures or dkps; by default norm and what was drawn."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of the pictures; by default that in which the file or store is.",
        ),
    ] = None,
    log: Annotated[bool, typer.Option(help="Logarithmic axes for the norm.")] = False,
    file_format: Annotated[str, typer.Option("--format", help="png, pdf or svg.")] = "png",
    color: Annotated[str | None, typer.Option(help="Covariate of the models, by name.")] = None,
    marker: Annotated[str | None, typer.Option(help="Another; for answers and dkps.")] = None,
    names: Annotated[
        int | None, typer.Option(help="How many models are named; for answers and dkps.")
    ] = None,
    regions: Annotated[bool, typer.Option(help="Confidence regions; for dkps.")] = False,
) -> None:
    """Draw the norm over time, answers, mixtures' densities, or models as points (dkps).

    Example: lwdstats plot network.nc --kind dkps --color family --format svg
    """
    import matplotlib

    matplotlib.use("Agg")
    from lwdstats import plots
    from lwdstats.geometry.dkps.dkps import dkps
    from lwdstats.results.pictures.style import styled
    from lwdstats.simulate.read_results import read_results

    # A store's name is that of its folder, also where the command is given in it.
    file = file.resolve() if file.is_dir() else file
    name_of_run = file.name if file.is_dir() else file.stem
    folder = output or file.parent
    check_choice("format", file_format, ["png", "pdf", "svg"])
    if kind is not None:
        check_choice("kind", kind, _KINDS)
    ds = read_results(file)
    check_writable(folder, folder=True)
    draw = {
        "norm": lambda: plots.plot_norm(ds, log=log, color=color),
        "answers": lambda: plots.plot_answers(ds, color=color, marker=marker, names=names)[0],
        "mixtures": lambda: plots.plot_mixtures(ds, color=color)[0],
        "dkps": lambda: plots.plot(
            dkps(ds), color=color, marker=marker, names=names, regions=regions
        ),
    }
    kinds = ["norm", "mixtures" if "weight" in ds else "answers"] if kind is None else [kind]
    elsewhere = False
    for name in kinds:
        figure: Any = draw[name]().figure
        path = folder / f"{name_of_run}-{name}.{file_format}"
        with styled():
            # Without a date, the same figure is the same file.
            undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
            save = partial(figure.savefig, metadata=undated[file_format])
            written = write_somewhere(save, path)
        elsewhere |= written != path
        typer.echo(written)
    if elsewhere:
        raise typer.Exit(1)
