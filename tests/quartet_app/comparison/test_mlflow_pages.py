"""MLflow's own pages about a comparison, used in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from documented_runs import answer
from running import QUARTET, mlflow_server

from quartet_app.commands import compare

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHILDREN = {f"mnist1d_{net}-{seed}" for net in ("cnn", "rnn") for seed in (0, 1)}
MILLISECONDS = 60_000  # timeout of each wait for a page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


@pytest.fixture
def page(grid: Path) -> Iterator[Page]:
    """Open the list of runs in `mlflow ui`. Screenshots go to the folder QUARTET_SCREENSHOTS, where that is set."""
    from playwright.sync_api import sync_playwright

    compare.main([*map(str, sorted((grid / "runs").glob("mnist1d_*"))), "--register"])
    with mlflow_server(f"sqlite:///{grid}/mlflow.db", grid) as (_, address), sync_playwright() as playwright:
        # Chromium's sandbox fails for root and in most containers; the browser sees only this server.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(MILLISECONDS)
        page.goto(f"{address}/#/experiments/1/runs")
        wait_for_matches(page, 5)
        yield page
        browser.close()


def wait_for_matches(page: Page, count: int) -> None:
    page.get_by_text(f"{count} matching runs").wait_for()


def search(page: Page, query: str) -> None:
    box = page.get_by_test_id("search-box")
    box.fill(query)
    box.press("Enter")


def expand(page: Page) -> None:
    """Show the children of the first run in the list."""
    page.locator(".ag-row button:has(svg)").first.click()


def run_names(page: Page) -> set[str]:
    """Return the names of the runs in the list."""
    return set(page.locator(".ag-row a[href*='/runs/']").all_inner_texts())


def screenshot(page: Page, name: str) -> None:
    folder = os.environ.get("QUARTET_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_the_runs_of_a_table_can_be_filtered_and_compared(page: Page) -> None:
    assert run_names(page) == {"comparison reports"}, "its runs are below it"
    expand(page)
    page.get_by_role("link", name="mnist1d_rnn-0").wait_for()
    assert run_names(page) == {"comparison reports", *CHILDREN}
    assert page.get_by_role("link", name="quartet-classify").count() == 1, "the registered model is named at its run"
    screenshot(page, "expanded")

    search(page, 'tags.net = "cnn"')
    wait_for_matches(page, 3)  # MLflow also shows the parent of a found run
    assert run_names(page) == {"comparison reports", "mnist1d_cnn-0", "mnist1d_cnn-1"}
    screenshot(page, "filtered_by_net")
    search(page, 'tags.task = "classify" and tags.data = "own_series" and tags.net = "rnn" and tags.seed = "1"')
    wait_for_matches(page, 2)
    assert run_names(page) == {"comparison reports", "mnist1d_rnn-1"}
    search(page, "")
    wait_for_matches(page, 5)

    for name in sorted(CHILDREN):
        row = page.locator(".ag-row").filter(has=page.get_by_role("link", name=name))
        row.locator(".ag-checkbox-input").check(force=True)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Comparing 4 Runs from 1 Experiment").wait_for()
    page.locator(".js-plotly-plot .parcoords").first.wait_for()
    axes = page.locator(".js-plotly-plot .axis-title").all_text_contents()
    assert "experiment" in axes, axes
    screenshot(page, "compared")
    text = page.locator("body").inner_text()
    assert all(name in text for name in CHILDREN)
    assert {"best/accuracy", "test/accuracy", "optimizer.lr"} <= set(text.split())


def test_the_page_of_a_comparison_shows_its_runs_tables_and_figures(page: Page) -> None:
    page.get_by_role("link", name="comparison reports").click()
    page.get_by_role("link", name="mnist1d_rnn-0").wait_for()
    assert set(re.findall(r"mnist1d_\w+-\d", page.locator("body").inner_text())) >= CHILDREN
    page.get_by_text("mnist1d_cnn/test/accuracy", exact=True).first.wait_for()
    screenshot(page, "comparison")
    page.goto(page.url.partition("?")[0].rstrip("/") + "/artifacts")
    page.get_by_text("tables", exact=True).click()
    page.get_by_text("classify.json", exact=True).click()
    page.get_by_role("columnheader", name="test/accuracy").wait_for()
    screenshot(page, "table")
    page.get_by_text("figures", exact=True).click()
    page.get_by_text("costs_classify_own_series.png", exact=True).click()
    page.wait_for_function("[...document.images].some(image => image.naturalWidth > 1000)")
    screenshot(page, "figure")


def test_the_address_that_is_printed_shows_runs_and_what_tells_them_apart(grid: Path) -> None:
    from playwright.sync_api import sync_playwright

    compare.main([*map(str, sorted((grid / "runs").glob("mnist1d_*")))])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [*QUARTET, "ui", "--port", str(port)],
        cwd=grid, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        printed = [server.stdout.readline() for _ in range(2)]
        assert printed[1].startswith("the runs of quartet: ")
        answer(port)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 2000, "height": 1000})
            page.set_default_timeout(MILLISECONDS)
            page.goto(printed[1].partition(": ")[2].strip())
            page.get_by_role("link", name="mnist1d_rnn-1").wait_for()
            assert run_names(page) == {"comparison reports", *CHILDREN}, "without a click"
            headings = set(page.locator(".ag-header-cell").all_inner_texts())
            assert {"net", "data", "seed", "study", "test/accuracy", "parameters"} <= headings
            screenshot(page, "opened")
            browser.close()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=60)
