"""`Report` -> one HTML file that asks nobody for anything: no CDN, no fonts, no requests.

    Path("report.html").write_text(render_html(report), encoding="utf-8")

Its content security policy allows one style sheet and one script, by their hashes, and nothing else: even if a text
became markup, it could not run, load or send anything. It can be read without JavaScript; with it, all rows can be
filtered and searched (`#filter=broken&q=refund` is a link to what was found).
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from runner.report.html import explorer, metrics, origins, results, verdict
from runner.report.html.markup import Html, el, render
from runner.report.model import Report

LIMIT = 3_000_000
"""Largest file, in bytes."""


def render_html(report: Report) -> str:
    """Render the report as one HTML page of at most `LIMIT` bytes."""
    before, after = _page(report)
    room = LIMIT - len(before.encode("utf-8")) - len(after.encode("utf-8"))
    return f"{before}{explorer.data(report, room)}{after}"


def _page(report: Report) -> tuple[str, str]:
    """Make the page up to the explorer's data, and what follows it."""
    sections = [(anchor, title, body) for anchor, title, body in _sections(report) if body]
    links = [el("a", title, href=f"#{anchor}") for anchor, title, _ in sections]
    main = [el("section", el("h2", title), body, id=anchor) for anchor, title, body in sections]
    top = [
        el("a", "To the gates", href="#gates", class_="skip"),
        verdict.head(report),
        el("nav", links, aria_label="Sections", class_="sections"),
        el("main", main, id="main"),
    ]
    script = el("script", Html(_file("page.js")))
    return f'<!doctype html><html lang="en">{_head(report)}<body>{render(top)}', f"{script}</body></html>\n"


def _sections(report: Report) -> list[tuple[str, str, Html]]:
    return [
        ("gates", "Gates", verdict.gates(report)),
        ("metrics", "Metrics", metrics.metrics(report)),
        ("slices", "Slices", results.slices(report)),
        ("format", "Output format", results.compliance(report)),
        ("confusion", "Confused labels", results.confusion(report)),
        ("rows", "Rows", explorer.explorer(report)),
        ("training", "Training", origins.training(report)),
        ("costs", "Time and cost", results.costs(report)),
        ("data", "Data", origins.data(report)),
        ("changes", "Changes", origins.changes(report)),
        ("provenance", "Provenance", origins.provenance(report)),
    ]


def _head(report: Report) -> Html:
    policy = (
        f"default-src 'none'; style-src '{_hash('page.css')}'; script-src '{_hash('page.js')}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", f"{report.outcome}: {report.name} {report.version}"),
        # An icon of its own, or the browser would ask the server for one.
        el("link", rel="icon", href="data:,"),
        el("style", Html(_file("page.css"))),
    )


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def _hash(name: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(_file(name).encode('utf-8')).digest()).decode('ascii')}"
