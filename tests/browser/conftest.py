"""A `make run` with its demo, and Chromium before it. Where there is no browser the tests are left out, and it is said."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import psutil
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.desk import LIGHT, Desk, View, desk
from tests.config.test_run import House, term

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(autouse=True)
def no_session_without_a_database() -> None:
    """Leave Django's connection alone: it refuses whoever has an event loop, as Playwright has, and nobody here uses it."""


class Login(NamedTuple):
    username: str
    password: str


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Serve the demo, as a stranger starts it."""
    made = House(tmp_path_factory.mktemp("house") / "var")
    made.start_and_wait()
    try:
        yield made
    finally:
        made.stop(term)
        for process in made.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()


@pytest.fixture(scope="session")
def administrator(house: House) -> Login:
    kept = json.loads((house.data_dir / "demo.json").read_text())
    return Login(kept["username"], kept["password"])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium here: on Debian, apt-get install chromium")
    with sync_playwright() as playwright:
        # In a container there is no sandbox to be had.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def view() -> View:
    return LIGHT


@pytest.fixture
def staff(browser: Browser, house: House, administrator: Login, view: View) -> Iterator[Desk]:
    """The administrator, at the first page. The browser must have had nothing to complain of in the end."""
    with desk(browser, house, view) as opened:
        opened.sign_in(*administrator)
        yield opened
        assert opened.complaints == []
