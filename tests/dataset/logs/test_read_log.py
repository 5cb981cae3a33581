"""Logs of other tools, as their owners' packages wrote them (``tests/logs/make.py``)."""

import gzip
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import TESTS

import lwdstats as lwd

LOGS = TESTS / "logs"
BTC, GOLD = "What will Bitcoin do?", "What will gold do?"


def lengths(texts):
    return [[len(text), text.count("r")] for text in texts]


def write_lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def rows(frame, *columns):
    return frame[list(columns)].to_numpy().tolist()


class TestInspect:
    def test_epochs_are_responses_and_files_are_models(self):
        pytest.importorskip("inspect_ai")
        frame = lwd.read_log(LOGS / "inspect")
        assert frame["model"].unique().tolist() == ["mockllm/alpha", "mockllm/beta"]
        alpha = frame[frame["model"] == "mockllm/alpha"]
        assert rows(alpha, "query", "response", "text", "why_missing") == [
            ["btc", 1, "It goes up 0.", ""],
            ["btc", 2, "It goes up 2.", ""],
            ["btc", 3, None, "refused"],
            ["gold", 1, "It goes up 1.", ""],
            ["gold", 2, "It goes up 3.", ""],
            ["gold", 3, "It goes up 5.", ""],
        ]
        beta = frame[frame["model"] == "mockllm/beta"].set_index(["query", "response"])
        assert beta.loc[("btc", 1), ["text", "reasoning"]].tolist() == [
            "It rises.",
            "Markets move.",
        ]
        assert beta.loc[("gold", 1), "text"] == "It stays."
        assert beta.loc[("gold", 3), ["text", "why_missing"]].tolist() == [None, "failed"]
        assert set(frame["temperature"]) == {0.7}
        assert set(frame["system_prompt"]) == {"Be brief."}
        assert set(frame["prompt"]) == {BTC, GOLD}
        assert set(frame["score_includes"]) == {"C", "I", None}

    def test_an_open_log_is_one(self):
        log = pytest.importorskip("inspect_ai.log").read_eval_log(str(LOGS / "inspect/alpha.eval"))
        # As it ran, epoch by epoch; the file is read question by question.
        frame = lwd.read_log(log).sort_values(["query", "response"], ignore_index=True)
        pd.testing.assert_frame_equal(frame, lwd.read_log(LOGS / "inspect/alpha.eval"))

    def test_samples_of_a_run_that_was_taken_up_again_count_once(self, tmp_path):
        pytest.importorskip("inspect_ai")
        copy = tmp_path / "again.eval"
        copy.write_bytes((LOGS / "inspect/alpha.eval").read_bytes())
        assert len(lwd.read_log([LOGS / "inspect/alpha.eval", copy])) == 6

    @pytest.mark.parametrize("ending", ["eval", "json"])
    def test_a_damaged_log_is_named(self, tmp_path, ending):
        pytest.importorskip("inspect_ai")
        path = tmp_path / f"half.{ending}"
        whole = (
            LOGS / "inspect" / {"eval": "alpha.eval", "json": "beta.json"}[ending]
        ).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(lwd.InputError, match=r"source: got .*half\.\w+ "):
            lwd.read_log(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own, of pydantic
class TestEdsl:
    @pytest.mark.parametrize("name", ["results.ep", "results.json.gz"])
    def test_one_model_at_two_temperatures_is_two(self, name):
        pytest.importorskip("edsl")
        frame = lwd.read_log(LOGS / "edsl" / name)
        assert frame["model"].unique().tolist() == [
            "test (temperature=0.5, canned_response=It rises.)",
            "test (temperature=0.9, canned_response=It falls.)",
        ]
        assert rows(frame[:3], "query", "response", "text", "prompt") == [
            ["btc", 0, "It rises.", BTC],
            ["gold", 0, "It rises.", GOLD],
            ["btc", 1, "It rises.", BTC],
        ]
        ds = lwd.as_results(LOGS / "edsl" / name, embedder=lengths, covariates=["temperature"])
        assert ds["temperature"].values.tolist() == [0.5, 0.9]
        assert dict(ds["text"].sizes) == {
            "time": 1, "model": 2, "replicate": 1, "query": 2, "response": 3,
        }  # fmt: skip

    def test_open_results(self):
        results = pytest.importorskip("edsl").Results.load(str(LOGS / "edsl/results.json.gz"))
        assert len(lwd.read_log(results)) == 12


class TestDatasets:
    def test_splits_of_a_saved_dataset_go_together(self):
        datasets = pytest.importorskip("datasets")
        frame = lwd.read_log(LOGS / "datasets", columns={"text": "reply"})
        assert frame["split"].tolist() == ["first"] * 4 + ["second"] * 4
        assert rows(frame[:2], "time", "model", "query", "text") == [
            [0, "alpha", BTC, "alpha says 0."],
            [0, "alpha", BTC, "alpha says 1."],
        ]
        held = datasets.load_from_disk(str(LOGS / "datasets"))
        pd.testing.assert_frame_equal(lwd.read_log(held, columns={"text": "reply"}), frame)
        one = lwd.as_results(held["first"], text="reply", embedder=lengths)
        assert one["text"].values.ravel()[0] == "alpha says 0."


def test_without_the_owners_package_its_name_is_said(monkeypatch):
    for module, path in (
        ("inspect_ai.log", "inspect/alpha.eval"),
        ("edsl", "edsl/results.ep"),
        ("datasets", "datasets"),
    ):
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(lwd.InputError, match=r"pip install (inspect-ai|edsl|datasets) "):
            lwd.read_log(LOGS / path)


class TestLmEval:
    def test_repeats_are_responses_and_filters_are_scores(self):
        frame = lwd.read_log(LOGS / "lm_eval")
        assert rows(frame, "query", "response", "text") == [
            [doc, repeat, f"up {3 * doc + repeat}"] for doc in range(2) for repeat in range(3)
        ]
        assert set(frame["model"]) == {"org/tiny"}
        assert set(frame["temperature"]) == {0.7}
        assert set(frame["exact_match,first"]) == {0.0}
        assert set(frame["exact_match,words"]) == {1.0}
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", frame["date"][0])
        assert frame["prompt"].unique().tolist() == [BTC, GOLD]

    def test_the_folder_names_the_model_where_no_results_do(self, tmp_path):
        folder = tmp_path / "org__other"
        folder.mkdir()
        [samples] = (LOGS / "lm_eval").rglob("samples_*")
        (folder / samples.name).write_bytes(samples.read_bytes())
        both = lwd.read_log([LOGS / "lm_eval", tmp_path])
        assert both["model"].unique().tolist() == ["org/tiny", "org__other"]
        assert lwd.read_log({"A": tmp_path})["model"].unique().tolist() == ["A"]

    def test_choices_that_were_scored_have_no_text(self):
        with pytest.raises(lwd.InputError, match=r"line 1: got 2 requests .*generate_until"):
            lwd.read_log(LOGS / "lm_eval_choices")

    def test_tasks_tell_their_questions_apart(self, tmp_path):
        record = {"doc_id": 0, "resps": [["up"]], "arguments": {}}
        for task in ("one", "two"):
            write_lines(tmp_path / f"samples_{task}_2026-01-01T00-00-00.000000.jsonl", record)
        assert lwd.read_log(tmp_path)["query"].tolist() == ["one 0", "two 0"]


class TestOpenAI:
    OUTPUT, INPUT = LOGS / "openai/chat_output.jsonl", LOGS / "openai/chat_input.jsonl"

    def test_prompts_come_from_the_requests(self):
        frame = lwd.read_log(self.OUTPUT, requests=self.INPUT)
        assert rows(frame, "query", "text", "why_missing") == [
            [BTC, "It rises.", ""],
            [BTC, "It falls.", ""],
            [BTC, "It stays.", ""],
            [BTC, None, "unanswered"],
            [GOLD, "Up.", ""],
            [GOLD, None, "refused"],
            [GOLD, None, "failed"],
            [GOLD, None, "failed"],
        ]
        assert set(frame["model"]) == {"gpt-4o-2024-08-06"}
        assert set(frame["temperature"]) == {0.7}
        assert set(frame["system_prompt"]) == {"Be brief."}
        assert frame["reasoning"][2] == "<think>Hm.</think>"
        pd.testing.assert_frame_equal(lwd.read_log([self.INPUT, self.OUTPUT]), frame)

    def test_missing_answers_are_counted(self):
        frame = lwd.read_log(self.OUTPUT, requests=self.INPUT)
        with pytest.warns(UserWarning, match="4 of 8 answers are missing"):
            ds = lwd.as_results(frame, embedder=lengths)
        counts = {"n_refused": 1, "n_failed": 2, "n_unanswered": 1}
        assert counts.items() <= ds["text"].attrs.items()
        shown = str(lwd.summary(ds))
        assert "1 missing answers were refused, by the model or a filter" in shown
        assert "2 missing answers are requests that failed" in shown

    def test_without_requests_ids_are_the_questions(self):
        frame = lwd.read_log(self.OUTPUT)
        assert frame["query"].tolist() == list("aaccbbd")
        assert frame["query"].equals(frame["custom_id"])

    def test_responses(self):
        frame = lwd.read_log(LOGS / "openai/responses_output.jsonl")
        assert rows(frame, "model", "query", "text", "reasoning", "why_missing") == [
            ["o4-mini", "btc", "It rises.", "Markets move.", ""],
            ["o4-mini", "gold", None, "", "refused"],
        ]
        assert frame["date"].tolist() == ["2025-11-30"] * 2

    def test_a_folder_with_inputs(self):
        frame = lwd.read_log(LOGS / "openai")
        assert frame["model"].unique().tolist() == ["gpt-4o-2024-08-06", "o4-mini"]
        assert frame["query"].unique().tolist() == [BTC, GOLD]

    def test_one_model_asked_in_two_ways_is_two(self, tmp_path):
        frame = lwd.read_log(self.OUTPUT, requests=self.INPUT)
        said = self.INPUT.read_text().replace('"temperature": 0.7', '"temperature": 0', 2)
        changed = tmp_path / "input.jsonl"
        changed.write_text(said)
        two = lwd.read_log(self.OUTPUT, requests=changed)
        assert two["model"].unique().tolist() == [
            "gpt-4o-2024-08-06 (temperature=0)",
            "gpt-4o-2024-08-06 (temperature=0.7)",
        ]
        assert two["text"].equals(frame["text"])

    @pytest.mark.parametrize(
        ("record", "message"),
        [
            ({"response": {}}, r"line 2: got no 'custom_id', but 'response'"),
            ({"custom_id": "x", "response": {"body": {"data": []}}}, "a body with 'data'"),
            ({"custom_id": "x", "response": {"body": {"choices": [{}]}}}, "no 'message'"),
        ],
    )
    def test_bad_records_are_named(self, tmp_path, record, message):
        first = json.loads(self.OUTPUT.read_text().splitlines()[0])
        path = write_lines(tmp_path / "out.jsonl", first, record)
        with pytest.raises(lwd.InputError, match=message):
            lwd.read_log(path)

    def test_a_failure_alone_does_not_say_its_model(self, tmp_path):
        failed = {"custom_id": "a", "response": None, "error": {"code": "expired"}}
        path = write_lines(tmp_path / "errors.jsonl", failed)
        with pytest.raises(lwd.InputError, match=r"line 1: got a request that failed.*requests="):
            lwd.read_log(path)
        assert rows(lwd.read_log(path, requests=self.INPUT), "model", "why_missing") == [
            ["gpt-4o", "failed"], ["gpt-4o", "failed"],
        ]  # fmt: skip

    def test_requests_are_of_this_batch_and_of_batches(self):
        with pytest.raises(lwd.InputError, match="custom_id 'a', which no request has"):
            lwd.read_log(self.OUTPUT, requests=LOGS / "openai/responses_input.jsonl")
        with pytest.raises(lwd.InputError, match="requests: got paths, for records"):
            lwd.read_log(LOGS / "jsonl", requests=self.INPUT)
        with pytest.raises(lwd.InputError, match="the input of a batch alone"):
            lwd.read_log(self.INPUT)


class TestRecords:
    def test_alpaca_eval(self):
        frame = lwd.read_log(LOGS / "alpaca_eval")
        assert rows(frame, "time", "model", "query", "text") == [
            [0, model, text, f"{model} on {key}"]
            for model in ("alpha", "beta")
            for key, text in (("btc", BTC), ("gold", GOLD))
        ]
        ds = lwd.as_results(LOGS / "alpaca_eval", embedder=lengths)
        assert ds["text"].sizes["response"] == 1

    def test_judgements_beside_the_answers_are_left(self, tmp_path):
        (tmp_path / "annotations.json").write_text('[{"instruction": "Who?", "preference": 1}]')
        outputs = [{"instruction": "Who?", "output": "Ada", "generator": "m"}]
        (tmp_path / "model_outputs.json").write_text(json.dumps(outputs))
        assert rows(lwd.read_log(tmp_path), "query", "text") == [["Who?", "Ada"]]

    def test_a_folder_of_lines_has_a_model_a_file(self):
        frame = lwd.read_log(LOGS / "jsonl")
        assert frame["model"].unique().tolist() == ["alpha", "beta"]
        assert set(frame["time"]) == {3}
        # A column that has the texts, under the name that numbers of answers have.
        ds = lwd.as_results(LOGS / "jsonl", embedder=lengths)
        assert ds["text"].values[0, 0, 0].tolist() == [["alpha says 0.", "alpha says 1."]] * 2
        assert ds["query"].values.tolist() == [BTC, GOLD]

    def test_several_files_under_labels(self):
        paths = {"A": LOGS / "jsonl/alpha.jsonl", "B": str(LOGS / "jsonl/beta.jsonl")}
        assert lwd.read_log(paths)["model"].tolist() == ["A"] * 4 + ["B"] * 4
        ds = lwd.as_results(paths, embedder=lengths, covariates={"size": {"A": 1, "B": 2}})
        assert ds["size"].values.tolist() == [1, 2]
        listed = lwd.as_results(list(map(str, paths.values())), embedder=lengths)
        assert listed["model"].values.tolist() == ["alpha", "beta"]

    def test_chats(self, tmp_path):
        said = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": BTC},
            {"role": "assistant", "content": [{"type": "text", "text": "Up."}]},
        ]
        path = write_lines(tmp_path / "m.jsonl", {"messages": said}, {"messages": said[:2]})
        assert rows(lwd.read_log(path), "model", "query", "text", "system_prompt") == [
            ["m", BTC, "Up.", "Be brief."], ["m", BTC, None, "Be brief."],
        ]  # fmt: skip

    def test_several_answers_in_a_record(self, tmp_path):
        records = [{"prompt": p, "completion": ["a", None, "<think>x"]} for p in "pq"]
        frame = lwd.read_log(write_lines(tmp_path / "m.jsonl", *records))
        assert rows(frame, "query", "response", "text", "why_missing") == [
            [p, i, text, why]
            for p in "pq"
            for i, (text, why) in enumerate([("a", ""), (None, "failed"), (None, "unanswered")])
        ]

    def test_columns_say_what_is_not_told(self, tmp_path):
        record = {"prompt": "p", "question": "q", "output": "o", "reply": "r", "when": 4}
        path = write_lines(tmp_path / "m.jsonl", record)
        with pytest.raises(lwd.InputError, match="no column 'query', but 'prompt' and 'question'"):
            lwd.read_log(path)
        columns = {"query": "question", "text": "reply", "time": "when"}
        frame = lwd.read_log(path, columns=columns)
        assert rows(frame, "query", "text", "time") == [["q", "r", 4]]
        ds = lwd.as_results(path, **columns, embedder=lengths)
        assert ds["text"].values.item() == "r"
        assert ds["time"].values.tolist() == [4]
        with pytest.raises(lwd.InputError, match="columns: text: got no column 'nothing'"):
            lwd.read_log(path, columns={"query": "prompt", "text": "nothing"})

    def test_models_must_be_told(self, tmp_path):
        pytest.importorskip("datasets")
        table = __import__("datasets").Dataset.from_dict({"text": ["a"]})
        with pytest.raises(lwd.InputError, match=r"no column 'model'.*\{'label': path\}"):
            lwd.read_log(table)
        assert lwd.read_log({"m": table})["model"].tolist() == ["m"]


class TestHostile:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b"{", "line 3 "),
            (b"[1]", "line 3, a list"),
            (b'"text"', "line 3, a str"),
            (b"\xff\xfe{}", "line 3 "),
            (b"[" * 100_000, "line 3 "),
            (b"9" * 10_000, "line 3 "),
            (b'{"text": "\xc3"}', "line 3 "),
        ],
    )
    def test_bad_lines_are_numbered(self, tmp_path, line, message):
        path = tmp_path / "m.jsonl"
        path.write_bytes(b'{"text": "a"}\n\n' + line + b"\n")
        with pytest.raises(lwd.InputError, match=rf"m\.jsonl: got {message}"):
            lwd.read_log(path)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.json", b"{", "of a kind that is not told"),
            ("a.json", b'[{"text": 1}', "a.json: got no JSON"),
            ("a.json", b"[1]", "record 1, a int"),
            ("a.json", b"[]", "without an answer"),
            ("a.jsonl", b"", "without an answer"),
            ("a.jsonl.gz", b"no gzip", "a.jsonl.gz: got line 1"),
            ("a.json.gz", b"no gzip", "a.json.gz"),
            ("a.csv", b"model,text", "pandas.read_csv"),
            ("a.nc", b"", "read_results"),
            ("a.txt", b"text", "or kind="),
        ],
    )
    def test_files_that_are_no_logs(self, tmp_path, name, content, message):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(lwd.InputError, match=re.escape(message)):
            lwd.read_log(path)

    @pytest.mark.parametrize("path", ["nowhere.jsonl", "", "a" * 5000, "a\0b", Path("nowhere")])
    def test_paths_that_lead_nowhere(self, path):
        with pytest.raises(lwd.InputError, match="source: got the path"):
            lwd.read_log(path)
        with pytest.raises(lwd.InputError, match="data: got the path"):
            lwd.as_results(path)

    def test_logs_of_two_kinds_are_not_mixed(self, tmp_path):
        with pytest.raises(lwd.InputError, match=r"\(openai_batch\) and .*\(records\)"):
            lwd.read_log([LOGS / "openai/chat_output.jsonl", LOGS / "jsonl"])
        with pytest.raises(lwd.InputError, match="without a log"):
            lwd.read_log(tmp_path)
        for wrong in (3, None, [None], {"a": 3}, []):
            with pytest.raises(lwd.InputError, match="source"):
                lwd.read_log(wrong)
        with pytest.raises(lwd.InputError, match="columns: got 'text'"):
            lwd.read_log(LOGS / "jsonl", columns="text")
        with pytest.raises(lwd.InputError, match="kind: got 'csv'"):
            lwd.read_log(LOGS / "jsonl", kind="csv")

    def test_a_key_of_its_own_in_each_record(self, tmp_path):
        path = tmp_path / "m.jsonl"
        write_lines(path, *({"text": "a", str(i): i} for i in range(2000)))
        with pytest.raises(lwd.InputError, match="with key number 1001"):
            lwd.read_log(path)

    def test_compressed_lines(self, tmp_path):
        path = tmp_path / "m.jsonl.gz"
        path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"text": "a\\u2028b"}\r\n'))
        assert rows(lwd.read_log(path), "model", "text") == [["m", "a\u2028b"]]

    def test_a_long_log_is_held_once(self, tmp_path):
        path = tmp_path / "m.jsonl"
        text = "up and down " * 100
        with path.open("w") as file:
            for i in range(5000):
                file.write(json.dumps({"prompt": str(i), "output": text + str(i)}) + "\n")
        lwd.read_log(LOGS / "jsonl")
        tracemalloc.start()
        try:
            frame = lwd.read_log(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(frame) == 5000
        assert peak < 2 * path.stat().st_size


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.text(max_size=5), st.text(max_size=20)), min_size=1
    )
)
def test_what_is_written_is_read(tmp_path_factory, answers):
    # A lone surrogate, which JSON escapes, comes back too.
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    write_lines(path, *({"model": m, "prompt": p, "completion": t} for m, p, t in answers))
    frame = lwd.read_log(path)
    assert frame["model"].tolist() == [m for m, _, _ in answers]
    assert frame["query"].tolist() == [p for _, p, _ in answers]
    for (_, _, text), read in zip(answers, frame["text"], strict=True):
        assert read == text or "<" in text or "analysis" in text


def test_a_table_may_have_its_texts_in_a_column_response():
    frame = pd.DataFrame({"time": 0, "model": ["a", "b"], "response": ["up", "down"]})
    ds = lwd.as_results(frame, text="response", embedder=lengths)
    assert ds["text"].values.ravel().tolist() == ["up", "down"]
    assert ds["response"].values.tolist() == [0]


def test_counts_of_missing_answers_combine():
    parts = []
    for seed in (1, 2):
        text = np.array(["up" * seed, None], dtype=object)
        frame = pd.DataFrame(
            {"time": 0, "model": ["a", "b"], "text": text, "why_missing": ["", "refused"]}
        )
        with pytest.warns(UserWarning, match="1 of 2 answers are missing"):
            parts.append(lwd.as_results(frame, embedder=lengths, replicate=None))
    assert lwd.combine(parts)["text"].attrs["n_refused"] == 2
