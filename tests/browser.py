"""Where a browser is, its tabs, and how legible a colour is on another, as WCAG has it."""

import re
import shutil
from contextlib import contextmanager

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Tabs:
    """Offline tabs of one browser. A new tab takes as long as most tests in it, so one that a test left is used again.

    What could remain of a test is undone: stored values, cookies, the window's size, the colour scheme, and the page.
    """

    def __init__(self, browser):
        self.browser, self.free, self.listening = browser, [], None

    @contextmanager
    def opener(self, url, height=844, allowed=("file:",)):
        """(at, width, scheme) → a tab with the page; another request, a console message or an error fails the test."""
        said, taken = [], []

        def open(at="", width=1280, scheme="light"):
            tab = self.free.pop() if self.free else self._new()
            taken.append(tab)
            tab.set_viewport_size({"width": width, "height": height})
            tab.emulate_media(color_scheme=scheme)
            tab.goto(url + at)
            return tab

        self.listening = lambda text, url: url.startswith(allowed) or said.append(text)
        try:
            yield open
        finally:
            for tab in taken:
                tab.evaluate("localStorage.clear(), sessionStorage.clear()")
                tab.context.clear_cookies()
                tab.mouse.move(0, 0)
                tab.goto("about:blank")
            self.listening = None
            self.free += taken
        assert said == []

    def _new(self):
        tab = self.browser.new_context(offline=True).new_page()
        tab.on("console", lambda message: self._heard(message.text))
        tab.on("pageerror", lambda error: self._heard(str(error)))
        tab.on("request", lambda request: self._heard(request.url, request.url))
        return tab

    def _heard(self, text, url=""):
        if self.listening and url != "about:blank":
            self.listening(text, url)


def luminance(colour):
    """Of "rgb(0, 0, 0)" or, where colours were mixed, "color(srgb 0 0 0)"."""
    values = [float(v) for v in re.findall(r"[\d.]+", colour)[:3]]
    values = values if "srgb" in colour else [v / 255 for v in values]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(c * v for c, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    low, high = sorted(map(luminance, (a, b)))
    return (high + 0.05) / (low + 0.05)
