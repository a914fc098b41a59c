"""A real Chromium that opens one file, and a proxy that tells what it asked the network for."""

from __future__ import annotations

import contextlib
import shutil
import socketserver
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

# The tests may run as root in a container, where Chromium's own sandbox cannot start.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

# What the browser asks for itself; no page of ours names them.
OWN_HOSTS = (".google.com", ".googleapis.com", ".gvt1.com")


@dataclass
class Dom:
    """A page as it is after its script ran."""

    html: str
    requests: list[str]
    console: str
    tags: Counter = field(default_factory=Counter)
    handlers: list[str] = field(default_factory=list)
    texts: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    ids: dict[str, dict[str, str | None]] = field(default_factory=dict)

    def __post_init__(self):
        reader = _Reader(self)
        reader.feed(self.html)
        reader.close()

    def text_of(self, identifier):
        """All text inside the element with this id."""
        return "".join(text for path, text in self.texts if f"#{identifier}" in path)

    @property
    def title(self):
        return "".join(text for path, text in self.texts if path[-1:] == ("title",) and "svg" not in path)


class _Reader(HTMLParser):
    VOID = frozenset({"meta", "link", "input", "br", "img", "hr", "base", "embed", "source", "col", "area", "wbr"})

    def __init__(self, dom):
        super().__init__(convert_charrefs=True)
        self.dom, self.path = dom, []

    def handle_starttag(self, tag, attrs):
        self.dom.tags[tag] += 1
        told = dict(attrs)
        self.dom.handlers += [name for name in told if name.startswith("on")]
        if told.get("id"):
            self.dom.ids[told["id"]] = told
        if tag not in self.VOID:
            self.path.append((tag, told.get("id")))

    def handle_endtag(self, tag):
        if any(name == tag for name, _ in self.path):
            while self.path.pop()[0] != tag:
                pass

    def handle_data(self, data):
        path = tuple(
            part for name, identifier in self.path for part in (f"#{identifier}" if identifier else None, name) if part
        )
        self.dom.texts.append((path, data))


class _Proxy(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode("latin-1").strip()
        self.server.asked.append(line)
        self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@contextlib.contextmanager
def proxy():
    """Answer everything with 404 and remember the request lines."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Proxy) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def open_page(path, profile, fragment=""):
    """Open a file, wait until its script is done, and return what became of it."""
    with proxy() as network:
        command = [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--proxy-server=127.0.0.1:{network.server_address[1]}",
            "--proxy-bypass-list=<-loopback>",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            "--dump-dom",
            f"file://{path}{fragment}",
        ]
        run = subprocess.run(command, capture_output=True, timeout=120, check=True)
        lines = run.stderr.decode("utf-8", "replace").splitlines()
        console = "\n".join(line for line in lines if ":CONSOLE" in line)
        asked = [line for line in network.asked if not any(host in line for host in OWN_HOSTS)]
        return Dom(run.stdout.decode("utf-8", "replace"), asked, console)
