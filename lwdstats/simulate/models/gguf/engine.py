"""llama.cpp with one model, in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import joblib

from lwdstats.errors import InputError
from lwdstats.simulate.models.gguf.header import Header

_SERVE = Path(__file__).with_name("serve.py")


class Engine:
    """llama.cpp's server, which listens on this machine only, to those who have its key.

    It has a process of its own, which ends with this one: llama.cpp takes signals for itself,
    ends the process where it fails, and its binding can't be loaded beside every release of
    netCDF4. Room for tokens can't be added to a server, so it is started anew when more
    is needed, which takes a moment, as the system still holds the file in memory.

    Parameters
    ----------
    header : Header
        Of the model's file.
    name, argument : str
        What the model is called, and of which argument, in errors.
    embeds : bool
        Whether it makes vectors rather than texts.

    Attributes
    ----------
    threads : int
        OMP_NUM_THREADS, or else the number of cores.
    key : str
        What a request must bear.
    said : dict
        What the server says of itself: its `address`, its `device`, and the `system`.

    Raises
    ------
    InputError
        If llama.cpp is not installed.
    """

    def __init__(self, header: Header, *, name: str, argument: str, embeds: bool = False) -> None:
        self.header, self.name, self.argument, self.embeds = header, name, argument, embeds
        if importlib.util.find_spec("xllamacpp") is None:
            got = f"{name!r} (llama.cpp is not installed)"
            raise InputError(argument, got, "a model after: pip install 'lwdstats[gguf]'")
        told = os.environ.get("OMP_NUM_THREADS", "")
        cores = joblib.cpu_count(only_physical_cores=True)
        self.threads = int(told) if told.isdigit() and int(told) > 0 else cores
        self.said: dict[str, str] = {}
        self.key = secrets.token_hex()
        self._room = self._rows = 0
        self._end = lambda: None

    def hold(self, tokens: int, rows: int = 0) -> None:
        """See to it that there is room for so many tokens, of so many texts at a time.

        Without texts it only counts tokens, and weights are not read.

        Raises
        ------
        InputError
            If llama.cpp can't load the model.
        """
        if self.said and tokens <= self._room and rows <= self._rows:
            return
        if tokens > self._room:
            # Half as much again, as prompts grow from step to step.
            self._room = -(-max(tokens, self._room * 3 // 2, 512) // 256) * 256
        self._rows = max(rows, self._rows)
        self.close()
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(  # noqa: S603 - this Python, a file of this package
                [sys.executable, "-P", str(_SERVE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                # Threads that wait in a loop take the time of those that are waited for,
                # wherever anything else runs.
                env={"OMP_WAIT_POLICY": "passive", **os.environ},
                # So that Ctrl-C ends an answer, not the server.
                start_new_session=True,
            )
            self._end = weakref.finalize(self, _end, process)
            pipe = cast("IO[str]", process.stdin)
            pipe.write(json.dumps(self._settings()) + "\n")
            pipe.flush()
            line = cast("IO[str]", process.stdout).readline()
            if not line:
                self.close()
                errors.seek(0)
                raise self._refused(errors.read().decode("utf-8", "replace"))
        self.said = json.loads(line)

    def close(self) -> None:
        """End the server; when it is asked again, it starts anew."""
        self._end()
        self.said = {}

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "path": str(self.header.path),
            "threads": self.threads,
            "n_ctx": self._room,
            "n_parallel": max(self._rows, 1),
            "kv_unified": True,
            "api_keys": [self.key],
            "ui": False,
            "warmup": False,
            # Nothing is kept of earlier prompts, as sums could depend on it.
            "cache_ram_mib": 0,
            "verbosity": 1,
        }
        if self.embeds:
            settings |= {"embedding": True, "n_batch": self._room, "n_ubatch": self._room}
        elif not self._rows:
            # Weights stay in the file.
            settings |= {"no_extra_bufts": True, "fit_params": False, "n_gpu_layers": 0}
        return settings

    def _refused(self, printed: str) -> InputError:
        # Of what llama.cpp prints an E marks errors; the first is the cause.
        lines = re.findall(r" E \S+ *\S*: (?:error [\w ]+: )?(.*)", printed)
        reason = lines[0] if lines else "it does not say why"
        size = (self.header.weights + self._room * self.header.cache_per_token) / 1e9
        got = f"{self.name!r} ({size:.2g} GB; llama.cpp can't load it: {reason[:100]})"
        return InputError(self.argument, got, "a model that llama.cpp knows, and that fits")

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a request."""
        with self._sent(path, body) as response:
            return json.loads(response.read())

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the parts of an answer as they come; whoever stops listening ends it."""
        whole = False
        try:
            with self._sent(path, {**body, "stream": True}) as response:
                for line in response:
                    if line.startswith(b"data: {"):
                        part = json.loads(line[6:])
                        if "error" in part:
                            raise RuntimeError(f"{self.name}: {part['error'].get('message')}")
                        yield part
            whole = True
        finally:
            if not whole:
                # Several answers that are given up together may be the server's end.
                self.close()

    @contextlib.contextmanager
    def _sent(
        self, path: str, body: Mapping[str, Any] | None
    ) -> Iterator[http.client.HTTPResponse]:
        self.hold(0)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        with contextlib.closing(http.client.HTTPConnection(self.said["address"])) as connection:
            try:
                connection.request("GET" if sent is None else "POST", path, sent, headers)
                response = connection.getresponse()
                if response.status != 200:
                    said = json.loads(response.read() or b"{}").get("error", {}).get("message")
                    raise RuntimeError(f"{self.name}: {said or response.reason}")
                yield response
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise RuntimeError(f"{self.name}: llama.cpp has ended ({error})") from error


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(BrokenPipeError), process:
        cast("IO[str]", process.stdin).close()
