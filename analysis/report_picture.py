"""The picture of the report that README shows: a run at the paper's sizes, an answer chosen.

python analysis/report_picture.py [FILE] [PICTURE]

Takes Playwright and Debian's chromium-headless-shell.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import lwdstats as lwd


def main(arguments: list[str] | None = None) -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="data/paper_sizes.nc")
    parser.add_argument("picture", nargs="?", default="docs/report.png")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        ds = lwd.read_results(given.file)
        path = lwd.report({Path(given.file).stem: ds}, Path(folder) / "page.html")
        browser = p.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1180, "height": 1000})
        page.goto(path.as_uri())
        page.locator("#answers-0").scroll_into_view_if_needed()
        page.wait_for_selector("#answers-0 .list button")
        page.locator("#answers-0 .list button").first.click()
        page.locator("#answers-0").evaluate("n => n.scrollIntoView({ block: 'start' })")
        page.evaluate("window.scrollBy(0, 50)")
        page.wait_for_timeout(1000)
        page.screenshot(path=given.picture)
        browser.close()


if __name__ == "__main__":
    main()
