"""The models of a network have labels; arguments may differ by label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lwdstats.errors import InputError
from lwdstats.simulate.models.backends import prefix_of
from lwdstats.simulate.models.protocol import LanguageModel, optional_parts

Models = Sequence[str | LanguageModel] | Mapping[str, str | LanguageModel]


def label_models(models: Models) -> dict[str, str | LanguageModel]:
    """Return the models by label: the labels given, or the last parts of their names."""
    takes = "names or models, at least one, or a mapping from labels to them"
    if isinstance(models, Mapping):
        named = dict(models)
    elif isinstance(models, Sequence) and not isinstance(models, str):
        labels = [_short(name_of(model)) for model in models]
        seen: Counter[str] = Counter()
        named = {}
        for label, model in zip(labels, models, strict=True):
            seen[label] += 1
            named[f"{label} #{seen[label]}" if labels.count(label) > 1 else label] = model
    else:
        raise InputError("models", models, takes)
    for label, model in named.items():
        usable = isinstance(model, LanguageModel) or (isinstance(model, str) and model.strip())
        if not usable or not isinstance(label, str) or not label.strip():
            raise InputError("models", {label: model}, takes)
    if not named:
        raise InputError("models", models, takes)
    return named


def name_of(model: object) -> str:
    """Return the name of a model or embedder; its class where it has none."""
    return model if isinstance(model, str) else str(optional_parts(model).name)


def _short(name: str) -> str:
    return name.removeprefix(prefix_of(name)).rstrip("/").rsplit("/", 1)[-1]


def by_label(
    argument: str,
    value: Any,
    labels: Sequence[str],
    usable: Callable[[Any], bool],
    takes: str,
) -> dict[str, Any]:
    """Return what an argument says of each model: one value for all, or one for each.

    Parameters
    ----------
    argument : str
        Its name, for errors.
    value
        One value, a sequence of one for each model, or a mapping from labels. None,
        alone or in a sequence, says nothing of a model.
    labels : sequence of str
        The labels of the network.
    usable : callable
        Whether one value can be used.
    takes : str
        What one value may be, for errors.

    Raises
    ------
    InputError
        If a label is unknown, a sequence has another length, or a value can't be used.
    """
    takes = f"{takes}; for all models, for each in a list, or in a mapping from labels of models"
    if value is None:
        return {}
    if isinstance(value, Mapping):
        unknown = [label for label in value if label not in labels]
        if unknown:
            raise InputError(argument, f"labels {unknown}", f"labels of models, {list(labels)}")
        pairs = list(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != len(labels):
            raise InputError(argument, f"{len(value)} for {len(labels)} models", takes)
        pairs = list(zip(labels, value, strict=True))
    else:
        pairs = [(label, value) for label in labels]
    given = {label: one for label, one in pairs if one is not None}
    if not all(usable(one) for one in given.values()):
        raise InputError(argument, value, takes)
    return given
