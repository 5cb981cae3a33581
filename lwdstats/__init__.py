"""Statistics for networks of language models that feed on each other's output.

The names below are loaded when first used, so that ``import lwdstats`` stays
light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lwdstats.version import __version__

if TYPE_CHECKING:
    from lwdstats.dataset.as_results import as_results as as_results
    from lwdstats.dataset.combine import combine as combine
    from lwdstats.dataset.files import read_results as read_results
    from lwdstats.dataset.files import write_results as write_results
    from lwdstats.dataset.positions import positions as positions
    from lwdstats.dataset.schema import validate as validate
    from lwdstats.dataset.to_frame import to_frame as to_frame
    from lwdstats.errors import InputError as InputError
    from lwdstats.geometry.cmdscale import cmdscale as cmdscale
    from lwdstats.geometry.distance import dist as dist
    from lwdstats.geometry.distance import fnorm as fnorm
    from lwdstats.geometry.distance import noise_floor as noise_floor
    from lwdstats.geometry.diversity import drift as drift
    from lwdstats.geometry.diversity import inner_diversity as inner_diversity
    from lwdstats.geometry.dkps import dkps as dkps
    from lwdstats.geometry.lexical import distinct_n as distinct_n
    from lwdstats.geometry.lexical import sentiment_share as sentiment_share
    from lwdstats.geometry.out_of_sample import out_of_sample as out_of_sample
    from lwdstats.geometry.procrustes import procrustes as procrustes
    from lwdstats.geometry.profile_likelihood import profile_likelihood as profile_likelihood
    from lwdstats.inference.changepoints.changepoints import changepoints as changepoints
    from lwdstats.inference.collapse_time import collapse_time as collapse_time
    from lwdstats.inference.convergence.convergence_fit import convergence_fit as convergence_fit
    from lwdstats.inference.convergence.convergence_test import convergence_test as convergence_test
    from lwdstats.inference.dispersion.betadisper import betadisper as betadisper
    from lwdstats.inference.dispersion.betadisper import permutest as permutest
    from lwdstats.inference.nls.nls import NLSError as NLSError
    from lwdstats.inference.nls.nls import nls as nls
    from lwdstats.inference.nls.solver import Convergence as Convergence
    from lwdstats.inference.permutation.adonis2 import adonis2 as adonis2
    from lwdstats.inference.permutation.collapse_test import collapse_test as collapse_test
    from lwdstats.inference.permutation.eqdist_etest import eqdist_etest as eqdist_etest
    from lwdstats.inference.permutation.mantel import mantel as mantel
    from lwdstats.inference.permutation.protest import protest as protest
    from lwdstats.inference.theorem.check_decay import check_decay as check_decay
    from lwdstats.inference.trend.mann_kendall import mann_kendall as mann_kendall
    from lwdstats.plots import plot_answers as plot_answers
    from lwdstats.plots import plot_mixtures as plot_mixtures
    from lwdstats.plots import plot_norm as plot_norm
    from lwdstats.plots_results import plot as plot
    from lwdstats.results.generics import AIC as AIC
    from lwdstats.results.generics import BIC as BIC
    from lwdstats.results.generics import anova as anova
    from lwdstats.results.generics import augment as augment
    from lwdstats.results.generics import coef as coef
    from lwdstats.results.generics import confint as confint
    from lwdstats.results.generics import deviance as deviance
    from lwdstats.results.generics import df_residual as df_residual
    from lwdstats.results.generics import fitted as fitted
    from lwdstats.results.generics import glance as glance
    from lwdstats.results.generics import logLik as logLik
    from lwdstats.results.generics import nobs as nobs
    from lwdstats.results.generics import predict as predict
    from lwdstats.results.generics import residuals as residuals
    from lwdstats.results.generics import tidy as tidy
    from lwdstats.results.generics import vcov as vcov
    from lwdstats.results.htest import HTest as HTest
    from lwdstats.simulate.gmm.simulate_gmm import simulate_gmm as simulate_gmm
    from lwdstats.simulate.llm.journal import RunStoppedError as RunStoppedError
    from lwdstats.simulate.llm.load_posts import load_posts as load_posts
    from lwdstats.simulate.llm.plan.plan import plan as plan
    from lwdstats.simulate.llm.replay import prompt_of as prompt_of
    from lwdstats.simulate.llm.simulate_llm import simulate_llm as simulate_llm
    from lwdstats.simulate.models.server.embedder import EndpointEmbedder as EndpointEmbedder
    from lwdstats.simulate.models.server.openai import OpenAIModel as OpenAIModel
    from lwdstats.simulate.models.server.retry import BackendError as BackendError
    from lwdstats.simulate.specs import read_spec as read_spec
    from lwdstats.simulate.specs import run_spec as run_spec
    from lwdstats.summary import summary as summary
    from lwdstats.theory.asymptotics import asymptotics as asymptotics
    from lwdstats.theory.asymptotics import stationary_sq_norm as stationary_sq_norm
    from lwdstats.theory.bounds import norm_bound as norm_bound
    from lwdstats.theory.bounds import steps_to as steps_to
    from lwdstats.theory.decay import decay_factor as decay_factor
    from lwdstats.theory.decay import decay_product as decay_product
    from lwdstats.theory.decay import expected_difference as expected_difference
    from lwdstats.theory.moments import expected_sq_norm as expected_sq_norm
    from lwdstats.theory.moments import second_moments as second_moments
    from lwdstats.theory.overlap.information import missing_information as missing_information
    from lwdstats.theory.overlap.information import overlap_factor as overlap_factor
    from lwdstats.theory.overlap.step import measured_decay as measured_decay
    from lwdstats.theory.overlap.step import overlap_decay as overlap_decay

_HOMES = {
    "positions": "dataset.positions",
    "InputError": "errors",
    "dist": "geometry.distance",
    "fnorm": "geometry.distance",
    "noise_floor": "geometry.distance",
    "cmdscale": "geometry.cmdscale",
    "dkps": "geometry.dkps",
    "procrustes": "geometry.procrustes",
    "profile_likelihood": "geometry.profile_likelihood",
    "out_of_sample": "geometry.out_of_sample",
    "protest": "inference.permutation.protest",
    "mantel": "inference.permutation.mantel",
    "HTest": "results.htest",
    "adonis2": "inference.permutation.adonis2",
    "betadisper": "inference.dispersion.betadisper",
    "permutest": "inference.dispersion.betadisper",
    "collapse_test": "inference.permutation.collapse_test",
    "eqdist_etest": "inference.permutation.eqdist_etest",
    "nls": "inference.nls.nls",
    "NLSError": "inference.nls.nls",
    "Convergence": "inference.nls.solver",
    "coef": "results.generics",
    "vcov": "results.generics",
    "confint": "results.generics",
    "predict": "results.generics",
    "fitted": "results.generics",
    "residuals": "results.generics",
    "anova": "results.generics",
    "logLik": "results.generics",
    "AIC": "results.generics",
    "BIC": "results.generics",
    "deviance": "results.generics",
    "df_residual": "results.generics",
    "nobs": "results.generics",
    "tidy": "results.generics",
    "glance": "results.generics",
    "augment": "results.generics",
    "as_results": "dataset.as_results",
    "to_frame": "dataset.to_frame",
    "combine": "dataset.combine",
    "drift": "geometry.diversity",
    "inner_diversity": "geometry.diversity",
    "distinct_n": "geometry.lexical",
    "sentiment_share": "geometry.lexical",
    "convergence_fit": "inference.convergence.convergence_fit",
    "convergence_test": "inference.convergence.convergence_test",
    "decay_factor": "theory.decay",
    "decay_product": "theory.decay",
    "expected_difference": "theory.decay",
    "expected_sq_norm": "theory.moments",
    "second_moments": "theory.moments",
    "norm_bound": "theory.bounds",
    "steps_to": "theory.bounds",
    "asymptotics": "theory.asymptotics",
    "stationary_sq_norm": "theory.asymptotics",
    "check_decay": "inference.theorem.check_decay",
    "collapse_time": "inference.collapse_time",
    "changepoints": "inference.changepoints.changepoints",
    "mann_kendall": "inference.trend.mann_kendall",
    "missing_information": "theory.overlap.information",
    "overlap_factor": "theory.overlap.information",
    "overlap_decay": "theory.overlap.step",
    "measured_decay": "theory.overlap.step",
    "read_results": "dataset.files",
    "write_results": "dataset.files",
    "plot": "plots_results",
    "plot_answers": "plots",
    "plot_mixtures": "plots",
    "plot_norm": "plots",
    "summary": "summary",
    "validate": "dataset.schema",
    "simulate_gmm": "simulate.gmm.simulate_gmm",
    "simulate_llm": "simulate.llm.simulate_llm",
    "OpenAIModel": "simulate.models.server.openai",
    "EndpointEmbedder": "simulate.models.server.embedder",
    "BackendError": "simulate.models.server.retry",
    "plan": "simulate.llm.plan.plan",
    "prompt_of": "simulate.llm.replay",
    "RunStoppedError": "simulate.llm.journal",
    "load_posts": "simulate.llm.load_posts",
    "read_spec": "simulate.specs",
    "run_spec": "simulate.specs",
}

__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lwdstats' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lwdstats.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
