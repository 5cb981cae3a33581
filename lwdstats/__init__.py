"""Statistics for networks of language models that feed on each other's output.

The names below are loaded when first used, so that ``import lwdstats`` stays
light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lwdstats.dataset import positions as positions
    from lwdstats.errors import InputError as InputError
    from lwdstats.frames import to_frame as to_frame
    from lwdstats.geometry.dimension import profile_likelihood as profile_likelihood
    from lwdstats.geometry.distance import dist as dist
    from lwdstats.geometry.distance import fnorm as fnorm
    from lwdstats.geometry.distance import noise_floor as noise_floor
    from lwdstats.geometry.diversity import drift as drift
    from lwdstats.geometry.diversity import inner_diversity as inner_diversity
    from lwdstats.geometry.dkps import dkps as dkps
    from lwdstats.geometry.lexical import distinct_n as distinct_n
    from lwdstats.geometry.lexical import sentiment_share as sentiment_share
    from lwdstats.geometry.outofsample import out_of_sample as out_of_sample
    from lwdstats.geometry.procrustes import procrustes as procrustes
    from lwdstats.geometry.scaling import cmdscale as cmdscale
    from lwdstats.inference.adonis import adonis2 as adonis2
    from lwdstats.inference.changepoints import changepoints as changepoints
    from lwdstats.inference.check_decay import check_decay as check_decay
    from lwdstats.inference.collapse_time import collapse_time as collapse_time
    from lwdstats.inference.convergence import convergence_fit as convergence_fit
    from lwdstats.inference.dispersion import betadisper as betadisper
    from lwdstats.inference.dispersion import permutest as permutest
    from lwdstats.inference.energy import eqdist_etest as eqdist_etest
    from lwdstats.inference.generics import AIC as AIC
    from lwdstats.inference.generics import BIC as BIC
    from lwdstats.inference.generics import anova as anova
    from lwdstats.inference.generics import augment as augment
    from lwdstats.inference.generics import coef as coef
    from lwdstats.inference.generics import confint as confint
    from lwdstats.inference.generics import deviance as deviance
    from lwdstats.inference.generics import df_residual as df_residual
    from lwdstats.inference.generics import fitted as fitted
    from lwdstats.inference.generics import glance as glance
    from lwdstats.inference.generics import logLik as logLik
    from lwdstats.inference.generics import nobs as nobs
    from lwdstats.inference.generics import predict as predict
    from lwdstats.inference.generics import residuals as residuals
    from lwdstats.inference.generics import tidy as tidy
    from lwdstats.inference.generics import vcov as vcov
    from lwdstats.inference.htest import HTest as HTest
    from lwdstats.inference.limit_test import convergence_test as convergence_test
    from lwdstats.inference.mantel import mantel as mantel
    from lwdstats.inference.nls import NLSError as NLSError
    from lwdstats.inference.nls import nls as nls
    from lwdstats.inference.protest import protest as protest
    from lwdstats.inference.separation import collapse_test as collapse_test
    from lwdstats.inference.solver import Convergence as Convergence
    from lwdstats.inference.trend import mann_kendall as mann_kendall
    from lwdstats.io import read_results as read_results
    from lwdstats.io import write_results as write_results
    from lwdstats.joined import combine as combine
    from lwdstats.logged import as_results as as_results
    from lwdstats.plots import plot_answers as plot_answers
    from lwdstats.plots import plot_mixtures as plot_mixtures
    from lwdstats.plots import plot_norm as plot_norm
    from lwdstats.plots_results import plot as plot
    from lwdstats.report import summary as summary
    from lwdstats.schema import validate as validate
    from lwdstats.simulate.gmm import simulate_gmm as simulate_gmm
    from lwdstats.simulate.journal import RunStoppedError as RunStoppedError
    from lwdstats.simulate.llm import simulate_llm as simulate_llm
    from lwdstats.simulate.models.embedder import EndpointEmbedder as EndpointEmbedder
    from lwdstats.simulate.models.openai import OpenAIModel as OpenAIModel
    from lwdstats.simulate.models.retry import BackendError as BackendError
    from lwdstats.simulate.plan import plan as plan
    from lwdstats.simulate.posts import load_posts as load_posts
    from lwdstats.simulate.replay import prompt_of as prompt_of
    from lwdstats.simulate.specs import read_spec as read_spec
    from lwdstats.simulate.specs import run_spec as run_spec
    from lwdstats.theory.asymptotics import asymptotics as asymptotics
    from lwdstats.theory.asymptotics import stationary_sq_norm as stationary_sq_norm
    from lwdstats.theory.bounds import norm_bound as norm_bound
    from lwdstats.theory.bounds import steps_to as steps_to
    from lwdstats.theory.decay import decay_factor as decay_factor
    from lwdstats.theory.decay import decay_product as decay_product
    from lwdstats.theory.decay import expected_difference as expected_difference
    from lwdstats.theory.moments import expected_sq_norm as expected_sq_norm
    from lwdstats.theory.moments import second_moments as second_moments
    from lwdstats.theory.overlap import missing_information as missing_information
    from lwdstats.theory.overlap import overlap_factor as overlap_factor
    from lwdstats.theory.overlap_step import measured_decay as measured_decay
    from lwdstats.theory.overlap_step import overlap_decay as overlap_decay

_HOMES = {
    "positions": "dataset",
    "InputError": "errors",
    "dist": "geometry.distance",
    "fnorm": "geometry.distance",
    "noise_floor": "geometry.distance",
    "cmdscale": "geometry.scaling",
    "dkps": "geometry.dkps",
    "procrustes": "geometry.procrustes",
    "profile_likelihood": "geometry.dimension",
    "out_of_sample": "geometry.outofsample",
    "protest": "inference.protest",
    "mantel": "inference.mantel",
    "HTest": "inference.htest",
    "adonis2": "inference.adonis",
    "betadisper": "inference.dispersion",
    "permutest": "inference.dispersion",
    "collapse_test": "inference.separation",
    "eqdist_etest": "inference.energy",
    "nls": "inference.nls",
    "NLSError": "inference.nls",
    "Convergence": "inference.solver",
    "coef": "inference.generics",
    "vcov": "inference.generics",
    "confint": "inference.generics",
    "predict": "inference.generics",
    "fitted": "inference.generics",
    "residuals": "inference.generics",
    "anova": "inference.generics",
    "logLik": "inference.generics",
    "AIC": "inference.generics",
    "BIC": "inference.generics",
    "deviance": "inference.generics",
    "df_residual": "inference.generics",
    "nobs": "inference.generics",
    "tidy": "inference.generics",
    "glance": "inference.generics",
    "augment": "inference.generics",
    "as_results": "logged",
    "to_frame": "frames",
    "combine": "joined",
    "drift": "geometry.diversity",
    "inner_diversity": "geometry.diversity",
    "distinct_n": "geometry.lexical",
    "sentiment_share": "geometry.lexical",
    "convergence_fit": "inference.convergence",
    "convergence_test": "inference.limit_test",
    "decay_factor": "theory.decay",
    "decay_product": "theory.decay",
    "expected_difference": "theory.decay",
    "expected_sq_norm": "theory.moments",
    "second_moments": "theory.moments",
    "norm_bound": "theory.bounds",
    "steps_to": "theory.bounds",
    "asymptotics": "theory.asymptotics",
    "stationary_sq_norm": "theory.asymptotics",
    "check_decay": "inference.check_decay",
    "collapse_time": "inference.collapse_time",
    "changepoints": "inference.changepoints",
    "mann_kendall": "inference.trend",
    "missing_information": "theory.overlap",
    "overlap_factor": "theory.overlap",
    "overlap_decay": "theory.overlap_step",
    "measured_decay": "theory.overlap_step",
    "read_results": "io",
    "write_results": "io",
    "plot": "plots_results",
    "plot_answers": "plots",
    "plot_mixtures": "plots",
    "plot_norm": "plots",
    "summary": "report",
    "validate": "schema",
    "simulate_gmm": "simulate.gmm",
    "simulate_llm": "simulate.llm",
    "OpenAIModel": "simulate.models.openai",
    "EndpointEmbedder": "simulate.models.embedder",
    "BackendError": "simulate.models.retry",
    "plan": "simulate.plan",
    "prompt_of": "simulate.replay",
    "RunStoppedError": "simulate.journal",
    "load_posts": "simulate.posts",
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
