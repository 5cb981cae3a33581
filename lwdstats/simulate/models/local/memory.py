"""Memory that is free: of a GPU, and of the host within its container's limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch

HOST = torch.device("cpu")
_ROOT = Path("/")


def free_memory(device: torch.device) -> float:
    """Return the bytes that can still be allocated on a device, infinity where it can't be told.

    On a GPU what torch holds for later counts as free. On the host it is what Linux
    calls available, or less where control groups allow less. Files that the system
    holds in memory count as free, as it drops them when memory is needed.
    """
    if device.type == "cpu":
        return host_memory()
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(free + held)
    # Metal and others share memory with the host and do not say what is left.
    return math.inf


def host_memory(root: Path = _ROOT) -> float:
    """Return the bytes of host memory that are available; `root` is for tests."""
    told = dict(line.split(":", 1) for line in _lines(root / "proc/meminfo"))
    available = told.get("MemAvailable")
    whole = math.inf if available is None else 1024.0 * int(available.split()[0])
    return min([whole, *_group_rooms(root)])


def _group_rooms(root: Path) -> Iterator[float]:
    """Yield what each control group around this process has left, of either version."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        # Seen from inside a container the group's own path may not exist, its root does.
        group = Path(path.strip().lstrip("/"))
        for folder in (group, *group.parents):
            yield _room(base / folder, *names)


def _room(folder: Path, limit: str, usage: str, prefix: str) -> float:
    most, used = (next(iter(_lines(folder / name)), "max").strip() for name in (limit, usage))
    if "max" in (most, used):
        return math.inf
    stat = dict(line.split()[:2] for line in _lines(folder / "memory.stat"))
    # What is held of files can be given back.
    files = sum(int(stat.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))
    return max(float(int(most) - int(used) + files), 0.0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        # Another system, or a group that is not visible from here.
        return []
