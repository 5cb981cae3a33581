"""Write the logs of this folder by the packages that own their formats.

Needs inspect-ai, edsl, lm-eval and datasets, besides openai; no network and no model:

    python tests/logs/make.py
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
QUESTIONS = {"btc": "What will Bitcoin do?", "gold": "What will gold do?"}
SYSTEM = "Be brief."


def inspect():
    """Two models, two questions, three epochs; one is refused, one fails, one has reasoning."""
    from inspect_ai import Task
    from inspect_ai import eval as run
    from inspect_ai.dataset import Sample
    from inspect_ai.log import read_eval_log, write_eval_log
    from inspect_ai.model import (
        ChatCompletionChoice,
        ChatMessageAssistant,
        ContentReasoning,
        ContentText,
        ModelOutput,
        ModelUsage,
        get_model,
    )
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate, system_message

    def said(text, stop="stop", reasoning=""):
        content = [ContentReasoning(reasoning=reasoning), ContentText(text=text)]
        message = ChatMessageAssistant(content=content if reasoning else text)
        return ModelOutput(
            model="mockllm",
            choices=[ChatCompletionChoice(message=message, stop_reason=stop)],
            # Otherwise a tokenizer, from the network, counts.
            usage=ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2),
        )

    task = Task(
        name="assets",
        dataset=[Sample(id=key, input=text, target="up") for key, text in QUESTIONS.items()],
        solver=[system_message(SYSTEM), generate()],
        scorer=includes(),
    )
    plain = [said(f"It goes up {i}.") for i in range(6)]
    plain[4] = said("", stop="content_filter")
    thinking = [said(f"It falls {i}.") for i in range(6)]
    thinking[0] = said("It rises.", reasoning="Markets move.")
    thinking[1] = said("<think>Hm.</think>It stays.")
    failing = iter(thinking)

    def fails(i, output):
        if i == 5:
            raise RuntimeError("the server is gone")
        return output

    outputs = {"alpha": iter(plain), "beta": (fails(i, o) for i, o in enumerate(failing))}
    for (name, answers), ending in zip(outputs.items(), ("eval", "json"), strict=True):
        with tempfile.TemporaryDirectory() as scratch:
            run(
                task,
                model=get_model(f"mockllm/{name}", custom_outputs=answers),
                epochs=3,
                temperature=0.7,
                log_dir=scratch,
                display="none",
                max_samples=1,
                fail_on_error=False,
            )
            [path] = Path(scratch).glob("*.eval")
            log = read_eval_log(str(path))
        for sample in log.samples:
            # What was traced takes most of the room.
            sample.events, sample.attachments = [], {}
            if sample.error:
                sample.error.traceback = sample.error.traceback_ansi = ""
        log.eval.revision, log.eval.packages = None, {}
        write_eval_log(log, str(FOLDER / "inspect" / f"{name}.{ending}"))


def edsl():
    """Two models of one name, which differ in temperature; two questions, three iterations."""
    from edsl import Model, QuestionFreeText, Survey

    survey = Survey(
        [QuestionFreeText(question_name=k, question_text=t) for k, t in QUESTIONS.items()]
    )
    models = [
        Model("test", canned_response=text, temperature=temperature)
        for text, temperature in (("It rises.", 0.5), ("It falls.", 0.9))
    ]
    results = survey.by(*models).run(
        n=3,
        disable_remote_inference=True,
        disable_remote_cache=True,
        progress_bar=False,
        cache=False,
    )
    results.save(str(FOLDER / "edsl" / "results.ep"))
    results.save(str(FOLDER / "edsl" / "results.json.gz"))


def lm_eval():
    """One model, two documents, three repeats, and two filters, which log each document twice."""
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.loggers import EvaluationTracker

    class Counting(LM):
        n = 0

        def generate_until(self, requests, disable_tqdm=False):
            self.n += len(requests)
            return [f"up {self.n - len(requests) + i}" for i in range(len(requests))]

        def loglikelihood(self, requests, disable_tqdm=False):
            return [(-1.0, True) for _ in requests]

        loglikelihood_rolling = loglikelihood

    def task(name, kind, **own):
        return ConfigurableTask(
            config={
                "task": name,
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"test": str(questions)}},
                "test_split": "test",
                "output_type": kind,
                "doc_to_text": "{{question}}",
                **own,
            }
        )

    with tempfile.TemporaryDirectory() as scratch:
        questions = Path(scratch) / "questions.jsonl"
        rows = [{"id": key, "question": text} for key, text in QUESTIONS.items()]
        questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
        written = task(
            "assets",
            "generate_until",
            doc_to_target="up",
            repeats=3,
            generation_kwargs={"until": ["\n"], "do_sample": True, "temperature": 0.7},
            metric_list=[
                {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
            ],
            filter_list=[
                {"name": "first", "filter": [{"function": "take_first"}]},
                {
                    "name": "words",
                    "filter": [
                        {"function": "regex", "regex_pattern": r"(\w+)"},
                        {"function": "take_first"},
                    ],
                },
            ],
        )
        chosen = task("choices", "multiple_choice", doc_to_choice=["up", "down"], doc_to_target=0)
        tracker = EvaluationTracker(output_path=str(FOLDER / "lm_eval"))
        results = simple_evaluate(
            model=Counting(),
            tasks=[written, chosen],
            log_samples=True,
            evaluation_tracker=tracker,
            bootstrap_iters=0,
        )
    samples = results.pop("samples")
    tracker.general_config_tracker.log_experiment_args(
        model_source="hf",
        model_args="pretrained=org/tiny",
        system_instruction=None,
        chat_template=None,
        fewshot_as_multiturn=False,
    )
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, rows in samples.items():
        tracker.save_results_samples(task_name=name, samples=rows)
    # What was scored has no answers, and is refused.
    (FOLDER / "lm_eval_choices").mkdir()
    for path in (FOLDER / "lm_eval").rglob("samples_choices_*"):
        path.rename(FOLDER / "lm_eval_choices" / path.name)
    for path in (FOLDER / "lm_eval").rglob("results_*.json"):
        kept = json.loads(path.read_text())
        # Folders of the machine, and what it is.
        names = ("results", "model_name", "model_source", "date", "lm_eval_version")
        path.write_text(json.dumps({name: kept[name] for name in names if name in kept}))


def openai():
    """Outputs of batches as the client's own types have them, and their inputs."""
    from openai.types import responses as r
    from openai.types.chat import ChatCompletion, ChatCompletionMessage
    from openai.types.chat.chat_completion import Choice

    def line(custom, body, status=200, error=None):
        response = {"status_code": status, "request_id": f"req-{custom}", "body": body}
        response = None if body is None else response
        held = {"id": f"batch-{custom}", "custom_id": custom, "response": response, "error": error}
        return json.dumps(held) + "\n"

    def chat(text, finish="stop", **more):
        message = ChatCompletionMessage(role="assistant", content=text, **more)
        return Choice(index=0, finish_reason=finish, message=message)

    def completion(*choices):
        for i, choice in enumerate(choices):
            choice.index = i
        return ChatCompletion(
            id="chatcmpl-1",
            object="chat.completion",
            created=1764500000,
            model="gpt-4o-2024-08-06",
            choices=list(choices),
        ).model_dump(mode="json")

    def request(custom, url, body):
        held = {"custom_id": custom, "method": "POST", "url": url, "body": body}
        return json.dumps(held) + "\n"

    def asked(text, **more):
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
        return {"model": "gpt-4o", "messages": messages, "temperature": 0.7, **more}

    btc, gold = QUESTIONS.values()
    url = "/v1/chat/completions"
    (FOLDER / "openai" / "chat_input.jsonl").write_text(
        request("a", url, asked(btc, n=2))
        + request("b", url, asked(gold, n=2))
        + request("c", url, asked(btc, n=2))
        + request("d", url, asked(gold, n=2))
    )
    (FOLDER / "openai" / "chat_output.jsonl").write_text(
        line("a", completion(chat("It rises."), chat("It falls.")))
        + line("c", completion(chat("<think>Hm.</think>It stays."), chat("", "length")))
        + line("b", completion(chat("Up."), chat(None, refusal="I can't say.")))
        + line("d", {"error": {"message": "Rate limit"}}, 429, None)
    )

    def response(text, thought="", refusal=""):
        part = (
            r.ResponseOutputRefusal(type="refusal", refusal=refusal)
            if refusal
            else r.ResponseOutputText(type="output_text", text=text, annotations=[])
        )
        output = [
            r.ResponseReasoningItem(
                id="rs-1", type="reasoning", summary=[{"type": "summary_text", "text": thought}]
            )
        ][: bool(thought)]
        output.append(
            r.ResponseOutputMessage(
                id="msg-1", type="message", role="assistant", status="completed", content=[part]
            )
        )
        return r.Response(
            id="resp-1",
            object="response",
            created_at=1764500000,
            model="o4-mini",
            output=output,
            parallel_tool_calls=True,
            tool_choice="auto",
            tools=[],
            temperature=1.0,
            instructions=SYSTEM,
            status="completed",
        ).model_dump(mode="json")

    (FOLDER / "openai" / "responses_output.jsonl").write_text(
        line("btc", response("It rises.", "Markets move."))
        + line("gold", response("", refusal="I can't say."))
    )
    (FOLDER / "openai" / "responses_input.jsonl").write_text(
        "".join(
            request(
                key,
                "/v1/responses",
                {"model": "o4-mini", "input": text, "reasoning": {"effort": "low"}},
            )
            for key, text in QUESTIONS.items()
        )
    )


def tables():
    """A dataset of two splits, a folder of JSON lines, AlpacaEval's outputs."""
    from datasets import Dataset, DatasetDict

    rows = [
        {"model": model, "question": text, "reply": f"{model} says {i}."}
        for model in ("alpha", "beta")
        for text in QUESTIONS.values()
        for i in range(2)
    ]
    splits = {"first": Dataset.from_list(rows[:4]), "second": Dataset.from_list(rows[4:])}
    DatasetDict(splits).save_to_disk(str(FOLDER / "datasets"))
    for model in ("alpha", "beta"):
        lines = [
            {"prompt": row["question"], "response": row["reply"], "step": 3}
            for row in rows
            if row["model"] == model
        ]
        path = FOLDER / "jsonl" / f"{model}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in lines))
        outputs = [
            {
                "dataset": "assets",
                "instruction": text,
                "output": f"{model} on {key}",
                "generator": model,
            }
            for key, text in QUESTIONS.items()
        ]
        folder = FOLDER / "alpaca_eval" / model
        folder.mkdir(parents=True)
        (folder / "model_outputs.json").write_text(json.dumps(outputs, indent=2))


if __name__ == "__main__":
    makers = {one.__name__: one for one in (inspect, edsl, lm_eval, openai, tables)}
    for name in sys.argv[1:] or makers:
        folders = ("datasets", "jsonl", "alpaca_eval") if name == "tables" else (name,)
        folders += ("lm_eval_choices",) if name == "lm_eval" else ()
        for folder in folders:
            shutil.rmtree(FOLDER / folder, ignore_errors=True)
            if folder not in ("datasets", "alpaca_eval", "lm_eval_choices"):
                (FOLDER / folder).mkdir()
        makers[name]()
