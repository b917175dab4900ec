"""Somebody who opens pages of a running project, sends their forms, and hears what they offer."""

import time
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urljoin


class Person:
    """A browser without scripts: it keeps the cookies of one person."""

    def __init__(self, address: str) -> None:
        self.session: Any = import_module("requests").Session()
        self.url = address

    def open(self, path: str) -> None:
        self._show(self.session.get(urljoin(self.url, path), timeout=10))

    def send(self, field: str, **values: str) -> None:
        """Send the form that has this field, with what the page put into the others."""
        form = next(form for form in self.page.forms if field in form.fields)
        address = urljoin(self.url, form.action or "")
        filled = {**dict(form.form_values()), **values}
        self._show(self.session.post(address, filled, headers={"Referer": self.url}, timeout=10))

    def wait(self) -> None:
        """Ask what the page's script asks, until the episode is made or not to be made; then load the page again."""
        for address in self.page.xpath("//@data-dailycast-poll | //@data-dailycast-url"):
            self._wait_for(urljoin(self.url, address))
        self.open(self.url)

    def sources(self) -> list[str]:
        """The addresses of the audio on the page."""
        return [urljoin(self.url, source) for source in self.page.xpath("//audio/@src")]

    def download(self, address: str, folder: Path) -> Path:
        answer = self.session.get(address, timeout=10)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "audio/mpeg")
        file = folder / address.rpartition("/")[2]
        file.write_bytes(answer.content)
        return file

    def _show(self, answer: Any) -> None:
        assert answer.status_code == 200, answer.text
        self.url, self.page = answer.url, import_module("lxml.html").fromstring(answer.text)

    def _wait_for(self, address: str) -> None:
        for _ in range(300):
            if self.session.get(address, timeout=10).json()["status"] in ("completed", "failed"):
                return
            time.sleep(0.2)
        raise TimeoutError(address)
