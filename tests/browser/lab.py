"""A JupyterLab of its own, and a browser in front of it."""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from playwright.sync_api import Page, TimeoutError, sync_playwright

from fusionlib.doctor import chromium

PATIENCE = 120  # seconds, for a busy machine
# What JupyterLab itself says, whatever notebook is open.
NOT_OURS = ("favicon", "net::ERR_ABORTED", "fonts", "/api/me", "translation", "/lsp/")


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """JupyterLab on a folder: gives the address to put a path behind."""
    token, port = secrets.token_hex(8), 18_000 + os.getpid() % 10_000
    settings = {"IPYTHONDIR": str(folder / ".ipython"), "JUPYTER_CONFIG_DIR": str(folder / ".conf"),
                "JUPYTER_DATA_DIR": str(folder / ".data"), "OMP_NUM_THREADS": "1"}  # fmt: skip
    arguments = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
                 f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
                 "--LabApp.news_url=None", "--ServerApp.log_level=ERROR"]  # fmt: skip
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *arguments],
        stdout=log, stderr=log, env={**os.environ, **settings},
    )  # fmt: skip
    address = f"http://localhost:{port}"
    try:
        _wait(f"{address}/api/status?token={token}", server, folder / "lab.log")
        yield f"{address}/lab/tree/{{}}?token={token}&reset"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def _wait(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(4 * PATIENCE):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@contextmanager
def browser(executable: str) -> Iterator[tuple[Page, list[str]]]:
    """A page of a headless browser, and the errors that its console tells."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        page = started.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE)
        errors: list[str] = []

        def note(message) -> None:
            told = f"{message.text} {message.location.get('url', '')}"
            if message.type == "error" and not any(part in told for part in NOT_OURS):
                errors.append(told)

        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page, errors
        finally:
            started.close()


def run_all_cells(page: Page) -> None:
    """Run the open notebook, and wait for its kernel to be idle again."""
    page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for()
    with suppress(TimeoutError):  # it asks for a kernel, or has chosen one
        page.locator(".jp-Dialog button.jp-mod-accept").click(timeout=5000)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


@contextmanager
def opened(folder: Path, *cells: str, notebook: NotebookNode | None = None) -> Iterator[Page]:
    """A notebook of these cells, run in JupyterLab on a folder; skips without a browser.

    notebook: one that is there, instead of cells. The page's `errors` are those
    that its console has told.
    """
    executable = chromium()
    if executable is None:
        pytest.skip("there is no Chromium: install it, or name it in CHROMIUM")
    notebook = notebook or nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    )
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "opened.ipynb")
    with lab(folder) as address, browser(executable) as (page, errors):
        page.goto(address.format("opened.ipynb"))
        run_all_cells(page)
        page.errors = errors
        yield page


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the mouse over an explorer's scene, between places in shares of its sides."""
    area = page.locator(".fusionlib-scene").bounding_box()
    points = [(area["x"] + x * area["width"], area["y"] + y * area["height"])
              for x, y in (start, end)]  # fmt: skip
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()
