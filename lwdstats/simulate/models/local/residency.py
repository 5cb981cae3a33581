"""Models that share a device: weights come when they are used, and go where room is needed.

The files of a model are always there, so its weights can leave a device and come
back with the same bits. A model that is about to answer claims room for its
weights, its keys and values, and what a forward pass works with; while the
device has less than that, other models of this process leave it, the least
recently used first. Where all fit, none ever leaves. Embedders are small beside
language models, and stay.
"""

from __future__ import annotations

import gc
import itertools
import logging
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from lwdstats.simulate.models.local.memory import HOST, free_memory

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

# Weights that leave a GPU leave the host this much besides.
_HOST_MARGIN = 2e9
_ADVICE = "take a smaller dtype, another device, or fewer or shorter answers at once"


class DeviceMemoryError(RuntimeError):
    """A model that does not fit its device, not even alone."""


class Residency:
    """The weights that one process holds, and how much memory is free on each device.

    Parameters
    ----------
    free : callable
        From a device to the bytes that are free there.
    """

    def __init__(self, free: Callable[[torch.device], float] = free_memory) -> None:
        self.free = free
        self.members: weakref.WeakSet[Weights] = weakref.WeakSet()
        self.lock = threading.RLock()
        self.clock = itertools.count(1)

    def others(self, one: Weights, device: torch.device) -> list[Weights]:
        """Return the models, other than `one`, whose weights are on a device."""
        return [other for other in self.members if other.at == device and other is not one]

    def make_room(self, one: Weights, needed: float, spare: float) -> None:
        """Let other models leave the device of `one` until that much is free there.

        `needed` bytes must be free in the end, `spare` bytes more should be.
        """
        collected = False
        while (free := self.free(one.device)) < needed + spare:
            others = self.others(one, one.device)
            if others:
                min(others, key=lambda other: other.used).leave()
            elif not collected:
                # Modules that nobody has any more may hold each other in cycles.
                gc.collect()
                torch.cuda.empty_cache()
                collected = True
            elif free < needed:
                raise DeviceMemoryError(
                    f"{one.name!r} needs {_gb(needed)} more on {one.device}, where {_gb(free)} "
                    f"are free with no other model loaded; {_ADVICE}"
                )
            else:
                break


# Every model of the process is a member, whoever made it.
SHARED = Residency()


class Weights:
    """The weights of one model, on its device, parked on the host, or in their files only.

    Parameters
    ----------
    name : str
        How messages call the model.
    device : torch.device
        Where it runs.
    n_bytes : float
        What reading it takes, NaN where unknown. What it takes then, which may be less, is
        measured once it is loaded.
    read : callable
        Reads the module from its files to the device.

    Notes
    -----
    Claims may come from several threads, but a device works for one at a time:
    a module that another thread uses could be told to leave.
    """

    def __init__(
        self, name: str, device: torch.device, n_bytes: float, read: Callable[[], Any]
    ) -> None:
        self.name, self.device, self.read = name, _one_name(device), read
        self.n_bytes = self.n_bytes_read = 0.0 if math.isnan(n_bytes) else n_bytes
        self.at: torch.device | None = None
        self._module: Any = None
        self.used = 0
        self._among = SHARED
        with self._among.lock:
            self._among.members.add(self)

    def run(self, work: Callable[[Any], Result], needed: float = 0.0, spare: float = 0.0) -> Result:
        """Return ``work(module)``, with the module on its device and room beside it.

        Where memory runs out all the same, the work is done once more with every
        other model off the device.

        Parameters
        ----------
        work : callable
            Keeps nothing of the module.
        needed : float
            Bytes that the work takes.
        spare : float
            Bytes that it may take besides: other models make way for them too, but the
            work is done even where they are not free.

        Raises
        ------
        DeviceMemoryError
            If that is not enough either.
        """
        reason = ""
        for alone in (False, True):
            try:
                return work(self._claim(needed, spare, alone=alone))
            except RuntimeError as error:
                if not _ran_out(error):
                    raise
                reason = str(error).strip().splitlines()[0]
            # Outside the except block the traceback no longer holds tensors of the attempt.
            logger.info("%s: memory ran out on %s", self.name, self.device)
        raise DeviceMemoryError(
            f"{self.name!r} ran out of memory on {self.device} with no other model loaded "
            f"({reason}); {_ADVICE}"
        )

    def leave(self) -> None:
        """Make the device free: weights move to the host if it has room, else they are dropped."""
        device, module = self.at, self._module
        room = self._among.free(HOST) - _HOST_MARGIN
        quantized = getattr(getattr(module, "config", None), "quantization_config", None)
        if device != HOST and quantized is None and room >= self.n_bytes:
            logger.info("%s leaves %s for the host", self.name, device)
            self._module, self.at = module.to(HOST), HOST
        else:
            logger.info("%s leaves %s; its files keep it", self.name, device)
            self._module = self.at = None
        del module
        torch.cuda.empty_cache()

    def _claim(self, needed: float, spare: float, *, alone: bool) -> Any:
        with self._among.lock:
            self.used = next(self._among.clock)
            if alone:
                for other in self._among.others(self, self.device):
                    other.leave()
                torch.cuda.empty_cache()
            here = self.at == self.device
            weights = self.n_bytes_read if self._module is None else self.n_bytes
            self._among.make_room(self, needed + (0.0 if here else weights), spare)
            if not here:
                self._arrive()
            return self._module

    def _arrive(self) -> None:
        if self._module is None:
            self._module = self.read()
            logger.debug("%s is read to %s", self.name, self.device)
        else:
            self._module = self._module.to(self.device)
            logger.debug("%s is back on %s", self.name, self.device)
        self.at = self.device
        held = [*self._module.parameters(), *self._module.buffers()]
        self.n_bytes = float(sum(tensor.nbytes for tensor in held))
        self.n_bytes_read = max(self.n_bytes_read, self.n_bytes)


def _ran_out(error: RuntimeError) -> bool:
    # Only CUDA and its like have an exception of their own.
    said = ("out of memory", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(s in str(error) for s in said)


def _one_name(device: torch.device) -> torch.device:
    """Return the device under the one name that it goes by here."""
    if device.type == "cpu":
        return HOST
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.3g} GB"
