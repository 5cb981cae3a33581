"""A server that speaks OpenAI's protocol: one request, sent until it is answered."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import random
import re
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from lwdstats.errors import InputError, check_integer, is_number
from lwdstats.simulate.models.server import bodies, loop
from lwdstats.simulate.models.server.address import PREFIX, PUBLIC, address, is_loopback
from lwdstats.simulate.models.server.chat import same_model
from lwdstats.simulate.models.server.retry import (
    LONGEST_ASKED,
    BackendError,
    Failure,
    MalformedError,
    retry_after,
    wait_before,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Until a server has answered once, it may be that there is none.
_FIRST_CONTACT = 3
_LOOKS_LIKE_A_KEY = re.compile(r"\b(sk|key|hf|gsk)[-_][\w-]{8,}|(?<=Bearer )\S+")


class Endpoint:
    """The address of a server, with what a request to it needs.

    The key is read from the environment when the first request is sent. It is
    in no attribute, message or log of ours.

    Parameters
    ----------
    model : str
        The name by which the server knows the model.
    base_url : str, optional
        By default the variable OPENAI_BASE_URL, or else OpenAI's own.
    api_key_env : str
        Name of the environment variable that holds the key.
    concurrency : int
        Requests under way at a time.
    timeout : float
        Seconds that one request may take.
    max_retries : int
        How often a request that failed is sent again.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None,
        *,
        api_key_env: str,
        concurrency: int,
        timeout: float,
        max_retries: int,
    ) -> None:
        if not isinstance(model, str) or not model.strip():
            raise InputError("model", model, "the name of a model that the server has")
        if not isinstance(api_key_env, str) or not re.fullmatch(r"[A-Za-z_]\w*", api_key_env):
            # It may be a key by mistake, so it is not shown.
            raise InputError(
                "api_key_env", "something else (not shown)", "the name of an environment variable"
            )
        if not is_number(timeout) or not 0 < timeout < float("inf"):
            raise InputError("timeout", timeout, "a positive number of seconds")
        self.model, self.api_key_env, self.timeout = model, api_key_env, float(timeout)
        self.base_url = address(base_url)
        self.concurrency = check_integer("concurrency", concurrency, minimum=1)
        self.max_retries = check_integer("max_retries", max_retries, minimum=0)
        if importlib.util.find_spec("openai") is None:
            takes = "an installed openai package: pip install 'lwdstats[llm]'"
            raise InputError("model", f"{model!r} without the openai package", takes)
        if self.base_url == PUBLIC and not self._key:
            got = f"the variable {api_key_env} is not set"
            raise InputError("api_key_env", got, "the name of a variable that holds a key")
        self.answered = False
        self.n_failures = 0
        # Chance in waiting times has no part in the answers.
        self._random = random.Random()
        self._bound: tuple[Any, Any, asyncio.Semaphore] | None = None
        self._listed: list[dict[str, Any]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Connections stay behind when it is copied or sent to another process.
        return self.__dict__ | {"_bound": None}

    def __repr__(self) -> str:
        return f"Endpoint({self.model!r}, {self.base_url!r})"

    @property
    def _key(self) -> str:
        # A line break at its end is what a file often has.
        return os.environ.get(self.api_key_env, "").strip()

    def _connect(self) -> tuple[Any, asyncio.Semaphore]:
        """Return the client and the slots for requests that belong to the running loop."""
        here = asyncio.get_running_loop()
        if self._bound is None or self._bound[0] is not here:
            import openai

            if not re.fullmatch(r"[!-~]*", self._key):
                got = f"a value of {self.api_key_env} that cannot be sent (not shown)"
                raise InputError("api_key_env", got, "a variable that holds a key and no more")
            # A proxy that the environment names cannot reach this machine's own servers.
            direct = openai.DefaultAsyncHttpxClient(trust_env=not is_loopback(self.base_url))
            client = openai.AsyncOpenAI(
                # A server that wants no key ignores it, but the client wants one.
                api_key=self._key or "none",
                base_url=self.base_url,
                max_retries=0,
                timeout=self.timeout,
                http_client=direct,
            )
            self._bound = here, client, asyncio.Semaphore(self.concurrency)
            loop.clients.add(client)
            weakref.finalize(self, _close, here, client).atexit = False
        return self._bound[1], self._bound[2]

    async def ask(
        self,
        send: Callable[[Any], Awaitable[Any]],
        read: Callable[[Any], T],
        adapt: Callable[[Failure], Failure | None] = lambda failure: failure,
        heard: Callable[[Any, Failure | None], None] = lambda payload, failure: None,
    ) -> T:
        """Send a request until it is answered, and return what was read from the reply.

        Parameters
        ----------
        send : callable
            Takes the client and sends the request; called anew for every try.
        read : callable
            Takes the decoded reply; raises `MalformedError` for one that is not whole.
        adapt : callable
            Takes a lasting failure; returns None if the request has been changed so that
            it may be sent again, otherwise the failure to report. What it raises ends it too.
        heard : callable
            Takes the decoded reply of each try, None without one, and its failure, None without.

        Raises
        ------
        InputError
            If the key, the model or the length of the prompt is refused.
        BackendError
            If the server failed `max_retries` + 1 times, or refuses otherwise.
        """
        _, slots = self._connect()
        n_failures = 0
        # The slot is kept while waiting: a server in trouble gets fewer requests.
        async with slots:
            while True:
                value, failure = await self._attempt(send, read, heard=heard)
                if failure is None:
                    self.answered = True
                    return value  # type: ignore[return-value]
                if not failure.passes:
                    blamed = adapt(failure)
                    if blamed is None:
                        continue
                    raise await self._final(blamed)
                n_failures += 1
                nobody = (failure.kind == "refused" or failure.is_page) and not self.answered
                allowed = min(self.max_retries, _FIRST_CONTACT) if nobody else self.max_retries
                asked = failure.retry_after or 0.0
                if n_failures > allowed or asked > LONGEST_ASKED:
                    raise self._given_up(failure, n_failures)
                if await self._is_unknown(failure, n_failures):
                    raise await self._final(failure)
                if failure.status == 500 and n_failures >= _FIRST_CONTACT:
                    # It may be the form of the request, though nothing says so.
                    adapt(failure)
                wait = wait_before(n_failures, failure, self._random)
                level = logging.WARNING if wait >= 10 else logging.INFO
                logger.log(level, "%s: %s; again in %.1f s", self.base_url, failure, wait)
                await asyncio.sleep(wait)

    async def _attempt(
        self,
        send: Callable[[Any], Awaitable[Any]],
        read: Callable[[Any], T],
        timeout: float | None = None,
        heard: Callable[[Any, Failure | None], None] = lambda payload, failure: None,
    ) -> tuple[T | None, Failure | None]:
        """Send once. Errors become values here, so that none carries a request with its key."""
        import openai

        client, _ = self._connect()
        came, payload = "", None
        try:
            # The client's own limit is for each read, and a trickle would pass it.
            async with asyncio.timeout(timeout or self.timeout):
                reply = await send(client)
            came = reply.text.removeprefix("\ufeff")
            payload = json.loads(came)
            inside = bodies.error_inside(payload)
            if inside is None:
                value = read(payload)
                heard(payload, None)
                return value, None
            failure = self._failure(inside[1], inside[0], reply.headers)
        except (TimeoutError, openai.APITimeoutError):
            failure = Failure("timeout")
        except openai.APIStatusError as error:
            body = error.response.text if error.body is None else error.body
            failure = self._failure(error.status_code, body, error.response.headers)
        except openai.APIConnectionError as error:
            kinds = {"ConnectError": "refused", "TooManyRedirects": "status"}
            kind = kinds.get(type(error.__cause__).__name__, "connection")
            why = self._clean(str(error.__cause__ or ""))
            failure = Failure(kind, text=why, status=310 if kind == "status" else 0)
        except (MalformedError, json.JSONDecodeError, UnicodeDecodeError) as error:
            failure = Failure("malformed", text=self._clean(f"{error}; {came[:200] or 'empty'}"))
        self.n_failures += 1
        heard(payload, failure)
        return None, failure

    def _failure(self, status: int, body: Any, headers: Mapping[str, str]) -> Failure:
        """Return what an error's body says; one without a status (0) may pass."""
        wait = retry_after(headers, time.time())
        return Failure(
            "status" if status else "malformed",
            text=self._clean(bodies.message(body)),
            status=status,
            param=bodies.param(body),
            retry_after=bodies.seconds_to_wait(body) if wait is None else wait,
        )

    def _clean(self, text: str) -> str:
        """Return a server's words on one line, without anything like a key."""
        text = text.replace(self._key, "***") if self._key else text
        text = _LOOKS_LIKE_A_KEY.sub("***", text)
        line = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(line.split())[:2000]

    async def _is_unknown(self, failure: Failure, n_failures: int) -> bool:
        """Whether a server that fails from the start lists models, but not this one."""
        if self.answered or failure.status < 500 or n_failures != _FIRST_CONTACT:
            return False
        served = [str(entry["id"]) for entry in await self.listing()]
        return bool(served) and not any(same_model(self.model, one) for one in served)

    async def _final(self, failure: Failure) -> Exception:
        """Return the error for a request that will not be sent again: what to change."""
        said, status = failure.said or "no reason given", failure.status
        if failure.is_key:
            takes = f"a variable with a key of that server: {self.api_key_env}"
            got = f"a key that {self.base_url} refuses ({status}: {said})"
            if not self._key:
                unset = f"the variable {self.api_key_env} is not set"
                got = f"{unset}, and {self.base_url} wants a key ({status}: {said})"
            return InputError("api_key_env", got, takes)
        if status == 403:
            takes = f"a key, in {self.api_key_env}, that may use the model {self.model!r}"
            return InputError("api_key_env", f"a key that may not do this (403: {said})", takes)
        if failure.is_context:
            takes = "a prompt and answer that fit: lower n_steps, beta or max_new_tokens"
            return InputError("model", f"{self.model!r} with too long a prompt ({said})", takes)
        if failure.is_no_credit:
            return BackendError(
                f"{self.base_url}: no credit left ({status}: {said}); "
                "add credit, then go on with the run"
            )
        served = [str(entry["id"]) for entry in await self.listing(tries=2)]
        # Some servers know of no model by an internal error.
        listed = any(same_model(self.model, one) for one in served)
        odd = status >= 500 and status != 501 and not failure.is_role
        missing = (status == 404 or odd) and not listed
        blamed = self.model in said or failure.names("model")
        if missing or (status in (400, 404, 422) and blamed):
            takes = "a model that the server has"
            takes += (
                ": " + ", ".join(served[:20]) if served else f"; is {self.base_url} its address?"
            )
            return InputError(
                "model", f"{self.model!r} at {self.base_url} ({status}: {said})", takes
            )
        return BackendError(
            f"{self.base_url} refuses the request ({failure}); "
            "see whether base_url, model, and the sampling settings are ones it takes"
        )

    def _given_up(self, failure: Failure, n_failures: int) -> BackendError:
        """Return the error for a server that failed too often."""
        if failure.is_page:
            return BackendError(
                f"{self.base_url} gives a page for browsers ({failure}); "
                "is it the whole address, such as http://localhost:8000/v1?"
            )
        if failure.kind == "refused":
            return BackendError(
                f"nothing answers at {self.base_url} (tried {n_failures} times: {failure}); "
                "start the server, or change base_url"
            )
        if failure.retry_after is not None and failure.retry_after > LONGEST_ASKED:
            return BackendError(
                f"{self.base_url} asks to wait {failure.retry_after:.0f} s ({failure}); "
                "go on after that"
            )
        return BackendError(
            f"{self.base_url} failed {n_failures} times in a row, last with {failure}; "
            "go on when it is well, or raise max_retries or timeout"
        )

    async def listing(self, tries: int = 8) -> list[dict[str, Any]]:
        """Return what the server says of its models; nothing where it does not say."""
        n_failures = n_timeouts = 0
        while self._listed is None:
            self._listed, failure = await self._attempt(
                lambda client: client.models.with_raw_response.list(),
                _read_listing,
                timeout=min(self.timeout, 10.0),
            )
            if failure is None:
                break
            # Many servers have no such list, so there is less patience than for an answer.
            n_failures += 1
            n_timeouts += failure.kind == "timeout"
            lasting = not failure.passes or failure.kind == "refused"
            if lasting or n_failures >= tries or n_timeouts >= 3:
                break
            await asyncio.sleep(min(2.0, wait_before(n_failures, failure, self._random)))
        return self._listed or []


class OnServer:
    """What a model and an embedder on a server have in common.

    Parameters
    ----------
    model, base_url, **options
        As `Endpoint` takes them.
    """

    def __init__(self, model: str, base_url: str | None, **options: Any) -> None:
        self.endpoint = Endpoint(model, base_url, **options)
        self.model, self.name = model, PREFIX + model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.endpoint.base_url!r})"

    @property
    def lane(self) -> str:
        """What is kept busy with it: its server."""
        return self.endpoint.base_url

    @property
    def concurrency(self) -> int:
        """Requests that may be under way at a time."""
        return self.endpoint.concurrency


def _read_listing(payload: Any) -> list[dict[str, Any]]:
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, list):
        raise MalformedError("no list of models")
    return [entry for entry in data if isinstance(entry, dict) and "id" in entry]


def _close(where: asyncio.AbstractEventLoop, client: Any) -> None:
    if where.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), where)
