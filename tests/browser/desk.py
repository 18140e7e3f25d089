"""Somebody of the staff at a browser: what they click, and what their browser complains of."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Request

from tests.browser.tasks import Task
from tests.config.test_run import House

FIRST_PAGE = "/admin/"
PATIENCE_MS = 180_000
"""How long to wait for a page: the machine may be busy."""


class View(NamedTuple):
    """How somebody looks at the console."""

    name: str
    width: int
    height: int
    theme: str

    def __str__(self) -> str:
        return self.name


LIGHT = View("light", 1440, 900, "light")
DARK = View("dark", 1440, 900, "dark")
PHONE = View("phone", 390, 844, "light")
VIEWS = (LIGHT, DARK, PHONE)


MANY_TABS = 80
CALLED = """() => {
    const it = document.activeElement;
    const lines = it.innerText?.trim().split("\\n") ?? [];
    return [it.getAttribute("aria-label"), ...lines, ...[...(it.labels ?? [])].map((label) => label.innerText)].filter(Boolean);
}"""
"""By which words somebody who listens to the page knows what has the focus: icons are words, too, on a line of their own."""
AT_ONCE = """(dark) => {
    const still = new CSSStyleSheet();
    still.replaceSync("* { transition: none !important; }");
    document.adoptedStyleSheets = [still];
    document.documentElement.classList.toggle("dark", dark);
}"""


class Desk:
    """A page of a browser, with a count of its clicks: each press of the mouse, and each Enter. What is typed is none."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.clicks = self.pointed = 0
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._see)

    def go(self, path: str) -> int:
        """Open a page by its path, which is no click. Return its status; 0 of a file, which is saved and not shown."""
        try:
            answer = self.page.goto(self.address + path, wait_until="load")
        except Error as error:
            if "Download is starting" in error.message:
                return 0
            raise
        return answer.status if answer else 0

    def look(self, view: View) -> None:
        """Look at the page that is open in another way, at once: without what fades from one colour to the other."""
        self.page.set_viewport_size({"width": view.width, "height": view.height})
        self.page.evaluate(AT_ONCE, view.theme == "dark")

    def focused(self) -> str:
        """Return the first line of what has the focus: icons are words, too, but on a line of their own."""
        return str(self.page.evaluate("document.activeElement.innerText")).strip().split("\n")[0]

    def click(
        self, what: str | re.Pattern[str] | Locator, *, role: Any = None, exact: bool = False
    ) -> None:
        """Click on a link or button by its words, or on what was found."""
        self.clicks += 1
        self.pointed += 1
        self._named(what, role=role, exact=exact).click()

    def choose(self, label: str, value: str) -> None:
        """Choose from a list: a click that opens it, and one on what it offers."""
        self.clicks += 2
        self.page.get_by_label(label).select_option(value)

    def type(self, label: str, text: str) -> None:
        """Fill in a field by its label."""
        self.page.get_by_label(label, exact=True).first.fill(text)

    def press(self, key: str) -> None:
        self.clicks += key == "Enter"
        self.page.keyboard.press(key)

    def tab_to(self, words: str) -> None:
        """Go on by Tab until what has the focus begins with some words, or is called so."""
        for _ in range(MANY_TABS):
            self.page.keyboard.press("Tab")
            if any(called.startswith(words) for called in self.page.evaluate(CALLED)):
                return
        raise AssertionError(f"{MANY_TABS} times Tab does not lead to {words}")

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self.page.keyboard.type(text)

    def find(self, text: str) -> None:
        """Find something by Ctrl-K, and go to the first thing found."""
        self.page.keyboard.press("Control+k")
        self.page.locator("#search-input-command:focus").wait_for()
        self.write(text)
        self.page.locator("#command-results-list li a").first.wait_for()
        before = self.page.url
        self.press("Enter")
        self.page.wait_for_url(lambda url: url != before)

    def within(self, task: Task) -> None:
        """Say that what was done costs no more clicks than its task may."""
        assert self.clicks <= task.clicks, task.title

    def see(self, text: str | re.Pattern[str]) -> None:
        """Wait until a text is there."""
        self.page.get_by_text(text).first.wait_for()

    def sign_in(self, username: str, password: str) -> None:
        """Log in, and be at the first page."""
        self.go(FIRST_PAGE)
        self.log_in(username, password)
        self.clicks = 0

    def log_in(self, username: str, password: str) -> None:
        """Log in on the page that asks for it. An address may do so only so often in a minute, and a machine may be busy; these tests wait as they are told."""
        while wait := self._try_to_log_in(username, password):
            self.page.wait_for_timeout(wait * 1_000)
            self.page.goto(self.page.url)
            self.complaints.clear()  # of the answer that said so
        self.page.wait_for_url(lambda url: "/login/" not in url)

    def _try_to_log_in(self, username: str, password: str) -> int:
        """Return how many seconds to wait before the next try; 0 if there need be none."""
        self.page.fill("#id_username", username)
        self.page.fill("#id_password", password)
        with self.page.expect_navigation() as sent:
            self.page.keyboard.press("Enter")
        answer = sent.value
        return int(answer.headers.get("retry-after", 0))

    def is_overflown(self) -> bool:
        """Say whether the page is broader than the window."""
        return bool(
            self.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )

    def _named(self, what: str | re.Pattern[str] | Locator, *, role: Any, exact: bool) -> Locator:
        if isinstance(what, Locator):
            return what
        if role:
            return self.page.get_by_role(role, name=what, exact=exact).first
        link = self.page.get_by_role("link", name=what, exact=exact)
        return self.page.get_by_role("button", name=what, exact=exact).or_(link).first

    def _hear(self, message: ConsoleMessage) -> None:
        self.complaints.append(f"{message.type}: {message.text} ({urlsplit(self.page.url).path})")

    def _see(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https") and not request.url.startswith(self.address):
            self.complaints.append(f"a request to {address.netloc}")


@contextmanager
def desk(browser: Browser, house: House, view: View = LIGHT) -> Iterator[Desk]:
    """Open a window of a browser, before the house."""
    context = browser.new_context(
        viewport={"width": view.width, "height": view.height},
        color_scheme=view.theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    # The theme remembers what somebody chose, and shows its own otherwise.
    context.add_init_script(f"localStorage.setItem('adminTheme', '\"{view.theme}\"')")
    try:
        yield Desk(context.new_page(), f"http://127.0.0.1:{house.port}")
    finally:
        context.close()
