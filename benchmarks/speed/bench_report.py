"""How large the page of a run is, how long it takes to write, to open, and to move in time.

python benchmarks/speed/bench_report.py [--repeats 7]

Opening is from the start of the navigation until the script has set up everything in view, in
Debian's chromium-headless-shell; beside it a page with plotly.js alone and no data. A step is one
of the slider, with the answers in view. Medians, in milliseconds.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import lwdstats as lwd

DATA = Path(__file__).parents[2] / "data"
ASSETS = Path(lwd.__file__).parent / "reports" / "assets"
FILES = ["paper_sizes.nc", "bitcoin_network.nc", "worked/bot.nc", "gmm_networks.nc"]
# A frame after all that was asked for is drawn.
FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
STEPS = """async () => {
  const slider = document.querySelector('input[type=range]');
  const took = [];
  for (let step = 0; step < 20; step++) {
    const start = performance.now();
    slider.value = String(step % Number(slider.max));
    slider.dispatchEvent(new Event('input'));
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    took.push(performance.now() - start);
  }
  return took.sort((a, b) => a - b)[10];
}"""


def opening(browser: Any, path: Path, repeats: int) -> float:
    """Return the median milliseconds until a page is ready."""
    took = []
    for _ in range(repeats):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        took.append(page.evaluate("() => Number(document.documentElement.dataset.ready)"))
        page.close()
    return statistics.median(took)


def stepping(browser: Any, path: Path) -> float | None:
    """Return the median milliseconds of a step in time with the largest pictures in view."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    seen = page.locator("#answers-0, #weights-0")
    if not seen.count():
        return None
    seen.first.evaluate("n => n.scrollIntoView({ block: 'center' })")
    page.evaluate(FRAME)
    took = page.evaluate(STEPS)
    page.close()
    return took


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    given: dict[str, Any] = {name: lwd.read_results(DATA / name) for name in FILES}
    given["sweeps/collapse.nc"] = lwd.read_sweep(DATA / "sweeps" / "collapse.nc")
    print("| page | MB | written in s | opens in ms | of plotly.js alone | a step in ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell"), args=["--no-sandbox"]
        )
        bare = Path(folder) / "bare.html"
        script = (ASSETS / "plotly-basic.min.js").read_text(encoding="utf-8")
        ready = "document.documentElement.dataset.ready = String(performance.now())"
        text = f"<!DOCTYPE html><script>{script}</script><script>{ready}</script>"
        bare.write_text(text, encoding="utf-8")
        for name, x in given.items():
            path = Path(folder) / "page.html"
            start = time.perf_counter()
            lwd.report({name: x}, path)
            written = time.perf_counter() - start
            size = path.stat().st_size / 1e6
            alone, own = opening(browser, bare, repeats), opening(browser, path, repeats)
            step = stepping(browser, path)
            moved = "" if step is None else f"{step:.0f}"
            times = f"{own:.0f} | {own / alone:.1f} times | {moved}"
            print(f"| `{name}` | {size:.1f} | {written:.1f} | {times} |")
        browser.close()


if __name__ == "__main__":
    main()
