"""MLflow's own pages on a comparison, in a real browser: what its users click is there and shows what it should."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running import mlflow_server

from quartet_app.commands import compare

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHILDREN = {f"mnist1d_{net}-{seed}" for net in ("cnn", "rnn") for seed in (0, 1)}
MILLISECONDS = 60_000  # for whatever a page is waited for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


@pytest.fixture
def page(grid: Path) -> Iterator[Page]:
    """The list of runs of the compared experiment, as `mlflow ui` shows it at first.

    Pictures of what was seen go to the folder QUARTET_SCREENSHOTS, where that is set.
    """
    from playwright.sync_api import sync_playwright

    compare.main([*map(str, sorted((grid / "runs").glob("mnist1d_*"))), "--register"])
    with mlflow_server(f"sqlite:///{grid}/mlflow.db", grid) as (_, address), sync_playwright() as playwright:
        # Chromium's sandbox cannot be had by root, nor in most containers; it sees only this server.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(MILLISECONDS)
        page.goto(f"{address}/#/experiments/1/runs")
        matching(page, 5)
        yield page
        browser.close()


def matching(page: Page, count: int) -> None:
    page.get_by_text(f"{count} matching runs").wait_for()


def search(page: Page, words: str) -> None:
    box = page.get_by_test_id("search-box")
    box.fill(words)
    box.press("Enter")


def expand(page: Page) -> None:
    """Show what is below the first run of the list."""
    page.locator(".ag-row button:has(svg)").first.click()


def listed(page: Page) -> set[str]:
    """The names of the runs in the list."""
    return set(page.locator(".ag-row a[href*='/runs/']").all_inner_texts())


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("QUARTET_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_the_grid_in_mlflows_pages(page: Page) -> None:
    assert listed(page) == {"comparison reports"}, "its runs are below it"
    expand(page)
    page.get_by_role("link", name="mnist1d_rnn-0").wait_for()
    assert listed(page) == {"comparison reports", *CHILDREN}
    assert page.get_by_role("link", name="quartet-classify").count() == 1, "the registered model is named at its run"
    picture(page, "expanded")

    search(page, 'tags.net = "cnn"')
    matching(page, 3)  # MLflow shows what a found run is below as well
    assert listed(page) == {"comparison reports", "mnist1d_cnn-0", "mnist1d_cnn-1"}
    picture(page, "filtered_by_net")
    search(page, 'tags.task = "classify" and tags.data = "own_series" and tags.net = "rnn" and tags.seed = "1"')
    matching(page, 2)
    assert listed(page) == {"comparison reports", "mnist1d_rnn-1"}
    search(page, "")
    matching(page, 5)

    for name in sorted(CHILDREN):
        row = page.locator(".ag-row").filter(has=page.get_by_role("link", name=name))
        row.locator(".ag-checkbox-input").check(force=True)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Comparing 4 Runs from 1 Experiment").wait_for()
    page.locator(".js-plotly-plot .parcoords").first.wait_for()
    axes = page.locator(".js-plotly-plot .axis-title").all_text_contents()
    assert "experiment" in axes, axes
    picture(page, "compared")
    text = page.locator("body").inner_text()
    assert all(name in text for name in CHILDREN)
    assert {"best/accuracy", "test/accuracy", "optimizer.lr"} <= set(text.split())


def test_the_comparisons_own_page(page: Page) -> None:
    page.get_by_role("link", name="comparison reports").click()
    page.get_by_role("link", name="mnist1d_rnn-0").wait_for()
    assert set(re.findall(r"mnist1d_\w+-\d", page.locator("body").inner_text())) >= CHILDREN
    page.get_by_text("mnist1d_cnn/test/accuracy", exact=True).first.wait_for()
    picture(page, "comparison")
    page.goto(page.url.partition("?")[0].rstrip("/") + "/artifacts")
    page.get_by_text("tables", exact=True).click()
    page.get_by_text("classify.json", exact=True).click()
    page.get_by_role("columnheader", name="test/accuracy").wait_for()
    picture(page, "table")
    page.get_by_text("figures", exact=True).click()
    page.get_by_text("costs_classify_own_series.png", exact=True).click()
    page.wait_for_function("[...document.images].some(image => image.naturalWidth > 1000)")
    picture(page, "figure")
