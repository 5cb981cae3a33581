"""How often the first sentence of a text is found: by our rules and by libraries, on golden sets.

Run: python benchmarks/reliability/sentences.py [--pysbd FOLDER] [--sentencex FOLDER] [--failures]

Our own set is tests/simulate/models/sentences.jsonl. With FOLDER, a checkout of the library, its
own golden rules are tried too; libraries that are not installed are left out. A case is right if
what is returned is the sentence of the set, white space aside; the interval is Wilson's at 95%.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import json
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from statsmodels.stats.proportion import proportion_confint

from lwdstats.simulate.models.sentences import RULES

OWN = Path(__file__).parents[2] / "tests" / "simulate" / "models" / "sentences.jsonl"
# What the names of files of pysbd's tests stand for.
LANGUAGES = {
    "amharic": "am", "arabic": "ar", "armenian": "hy", "bulgarian": "bg", "burmese": "my",
    "chinese": "zh", "danish": "da", "deutsch": "de", "dutch": "nl", "english": "en",
    "french": "fr", "greek": "el", "hindi": "hi", "italian": "it", "japanese": "ja",
    "kazakh": "kk", "marathi": "mr", "persian": "fa", "polish": "pl", "russian": "ru",
    "slovak": "sk", "spanish": "es", "urdu": "ur",
}  # fmt: skip
Case = tuple[str, str, str, str]  # language, category, text, sentence
Finder = Callable[[str, str], str]


def own() -> list[Case]:
    rows = map(json.loads, OWN.read_text(encoding="utf-8").splitlines())
    return [(r["language"], r["category"], r["text"], r["sentence"]) for r in rows]


def of_pysbd(folder: Path) -> list[Case]:
    """Read the lists of (text, sentences) in pysbd's tests, as literals."""
    cases = []
    for path in sorted((folder / "tests" / "lang").glob("test_*.py")):
        language = LANGUAGES.get(path.stem.removeprefix("test_"))
        if language is None:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.List):
                continue
            for element in node.value.elts:
                # Cases that are expected to fail stand in a call, which gives the pair too.
                pair = element.args[0] if isinstance(element, ast.Call) else element
                text, sentences = [*ast.literal_eval(pair), None][:2]
                if isinstance(sentences, list) and sentences:
                    cases.append((language, "golden", text, sentences[0]))
    return cases


def of_sentencex(folder: Path) -> list[Case]:
    """Read sentencex's tests: blocks of a text, then its sentences, a line each."""
    cases = []
    for path in sorted((folder / "tests").glob("*.txt")):
        lines = [x for x in path.read_text(encoding="utf-8").split("\n") if not x.startswith("#")]
        for block in "\n".join(lines).split("==="):
            text, _, sentences = block.strip("\n").partition("\n---\n")
            if text.strip() and sentences.strip() and len(path.stem) == 2:
                cases.append((path.stem, "golden", text, sentences.split("\n")[0]))
    return cases


def finders() -> dict[str, Finder]:
    """Return what finds a first sentence, by name."""
    found: dict[str, Finder] = {
        f"our rule {version}": lambda language, text, rule=rule: rule.first_sentence(text)
        for version, rule in RULES.items()
    }
    pysbd = installed("pysbd")
    if pysbd:

        def by_pysbd(language: str, text: str) -> str:
            try:
                segmenter = pysbd.Segmenter(language=language, clean=False)
            except ValueError:  # a language that it does not have
                segmenter = pysbd.Segmenter(language="en", clean=False)
            return "".join(segmenter.segment(text)[:1])

        found["pysbd"] = by_pysbd
    sentencex = installed("sentencex")
    if sentencex:
        found["sentencex"] = lambda language, text: "".join(sentencex.segment(language, text)[:1])
    blingfire = installed("blingfire")
    if blingfire:
        found["blingfire"] = lambda language, text: blingfire.text_to_sentences(text).split("\n")[0]
    syntok = installed("syntok.segmenter")
    if syntok:

        def by_syntok(language: str, text: str) -> str:
            for paragraph in syntok.process(text):
                for sentence in paragraph:
                    return text[sentence[0].offset : sentence[-1].offset + len(sentence[-1].value)]
            return ""

        found["syntok"] = by_syntok
    segtok = installed("segtok.segmenter")
    if segtok:
        found["segtok"] = lambda language, text: next(
            (s for s in segtok.split_multi(text) if s), ""
        )
    return found


def installed(name: str) -> Any:
    """Return a module, None where it is not installed."""
    with contextlib.suppress(ImportError):
        return importlib.import_module(name)
    return None


def right(find: Finder, case: Case) -> bool:
    language, _, text, sentence = case
    return "".join(find(language, text).split()) == "".join(sentence.split())


def share(results: list[bool]) -> str:
    if not results:
        return "-"
    hits = sum(results)
    low, high = proportion_confint(hits, len(results), method="wilson")
    return f"{hits / len(results):.3f} ({low:.2f}, {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pysbd", type=Path)
    parser.add_argument("--sentencex", type=Path)
    parser.add_argument("--failures", action="store_true", help="list what the newest rule misses")
    options = parser.parse_args()
    sets = {"ours": own()}
    if options.pysbd:
        sets["pysbd's"] = of_pysbd(options.pysbd)
    if options.sentencex:
        sets["sentencex's"] = of_sentencex(options.sentencex)
    # Of a preamble and what announces it, libraries for sentences know nothing.
    asked = {"preamble", "announcement", "label", "heading", "html", "table"}
    sets["ours, without preambles"] = [c for c in sets["ours"] if c[1] not in asked]
    found = finders()
    results: dict[tuple[str, str], list[bool]] = {}
    print(
        "| found by | "
        + " | ".join(f"{k}, {len(v)}" for k, v in sets.items())
        + " | relative time |"
    )
    print("| --- |" + " --- |" * (len(sets) + 1))
    base = None
    for name, find in found.items():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries about their own regular expressions
            for key, cases in sets.items():
                results[name, key] = [right(find, case) for case in cases]
        taken = time.process_time() - start
        base = base or taken
        shares = " | ".join(share(results[name, key]) for key in sets)
        print(f"| {name} | {shares} | {taken / base:.1f} |")
    for key in ("ours", "pysbd's", "sentencex's"):
        if key not in sets:
            continue
        print(f"\n| {key}: language | cases | " + " | ".join(found) + " |")
        print("| --- | --- |" + " --- |" * len(found))
        rows: dict[str, list[int]] = defaultdict(list)
        for i, case in enumerate(sets[key]):
            rows[case[0]].append(i)
            if key == "ours" and case[0] == "en":
                rows[f"en, {case[1]}"].append(i)
        for row, places in rows.items():
            cells = " | ".join(
                f"{sum(results[n, key][i] for i in places) / len(places):.2f}" for n in found
            )
            print(f"| {row} | {len(places)} | {cells} |")
    if options.failures:
        newest = list(found)[len(RULES) - 1]
        for key in sets:
            for case, ok in zip(sets[key], results[newest, key], strict=True):
                if not ok:
                    print(
                        key,
                        case[0],
                        case[1],
                        repr(case[2]),
                        "->",
                        repr(found[newest](case[0], case[2])),
                        "not",
                        repr(case[3]),
                    )


if __name__ == "__main__":
    main()
