"""A plan of a run, and how it prints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result, one_row

# A longer run shows some of its steps.
_SHOWN = 25


@dataclass(frozen=True, eq=False)
class LlmPlan(Result):
    """Calls, tokens, memory and cost of a run; ``str()`` gives the printed block.

    Attributes
    ----------
    steps : pandas.DataFrame
        A row a time: `time`, `n_web`, `n_retrieved` (the mean over models that read),
        `calls`, `prompt_tokens` and `answer_tokens`, over all models, queries and replicates.
    models : pandas.DataFrame
        A row a model: `model`, `counted_by` ("tokenizer" or "estimate"),
        `context` and `longest` (tokens; `longest` is the longest prompt that
        can come, with its answer), `fits`, `prompt_tokens` and `answer_tokens` of
        the whole run, `weights_gb` and `cache_gb` (memory here, for the
        longest prompt), and `cost`, NaN without prices.
    reads : pandas.DataFrame
        A row a time and a column a model: the posts that it is expected to read in a prompt.
    answer_tokens : int
        Tokens that an answer was taken to have.
    notes : tuple of str
        What a reader of the numbers should know.
    max_cost, max_tokens_total : float and int, or None
        The caps that the run would have.
    """

    steps: pd.DataFrame
    models: pd.DataFrame
    reads: pd.DataFrame
    answer_tokens: int
    notes: tuple[str, ...]
    max_cost: float | None = None
    max_tokens_total: int | None = None

    @property
    def fits(self) -> bool:
        """Whether no context that is known is too short, or fewer posts are read then."""
        return bool(self.models["fits"].fillna(value=True).all())

    @property
    def cost(self) -> float:
        """Cost of the whole run in the prices' unit, NaN without prices."""
        return float(self.models["cost"].to_numpy(dtype=float).sum())

    @property
    def within(self) -> dict[str, bool]:
        """Whether the run stays within each of its caps, by name."""
        tokens = float(self.steps[["prompt_tokens", "answer_tokens"]].to_numpy().sum())
        needs = {"max_cost": self.cost, "max_tokens_total": tokens}
        caps = {name: getattr(self, name) for name in needs}
        return {name: needs[name] <= cap for name, cap in caps.items() if cap is not None}

    def tidy(self) -> pd.DataFrame:
        """Return the steps, a row a time."""
        return self.steps

    def glance(self) -> pd.DataFrame:
        """Return the totals of the run in one row."""
        totals = self.steps[["calls", "prompt_tokens", "answer_tokens"]].sum()
        weights, cache = (
            self.models[name].to_numpy(dtype=float) for name in ("weights_gb", "cache_gb")
        )
        row = totals.to_dict()
        # With all models on the device, and with the largest only.
        row |= {"memory_gb": weights.sum() + cache.max()}
        row |= {"least_memory_gb": weights.max() + cache.max()}
        row |= {"cost": self.cost, "fits": self.fits}
        return one_row(row | {f"within_{name}": holds for name, holds in self.within.items()})

    def _caption(self) -> str:
        return self.lines()[0]

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the tokens of each step."""
        ax = drawing.over_time(self.steps, ax, ["prompt_tokens", "answer_tokens"])
        ax.set_ylabel("tokens, all models")
        return ax

    def lines(self) -> list[str]:
        """Return totals, steps and models."""
        total = self.glance().iloc[0]
        lines = [
            f"Plan of {total['calls']:,} calls: {total['prompt_tokens']:,.0f} tokens read, "
            f"{total['answer_tokens']:,.0f} written (answers of {self.answer_tokens} tokens)"
        ]
        if not math.isnan(self.cost):
            lines[0] += f", cost {self.cost:,.2f}"
        for name, holds in self.within.items():
            lines.append(f"within {name} = {getattr(self, name):,g}: {'yes' if holds else 'no'}")
        shown = self.steps
        if len(shown) > _SHOWN:
            shown = shown.iloc[np.unique(np.linspace(0, len(shown) - 1, 13).round().astype(int))]
        lines += ["", "By step:", *_table(shown)]
        models = self.models.dropna(axis="columns", how="all")
        lines += ["", "By model:", *_table(models)]
        for note in self.notes:
            lines += ["", f"Note: {note}"]
        return lines


def _table(frame: pd.DataFrame) -> list[str]:
    text = frame.to_string(index=False, float_format="{:.3g}".format, na_rep="?")
    return [line.rstrip() for line in text.splitlines()]
