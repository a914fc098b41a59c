"""The comment as a browser shows it: hostile text of data and models changes nothing about its structure.

Rendered with raw HTML on and without GitHub's sanitizer, so what holds here holds there.
"""

import re

import pytest
from chromium import needs_chromium, open_page
from hostile import ATTACKS, with_text
from markdown_it import MarkdownIt
from reports import make_report

from runner.report.escape import clean
from runner.report.markdown import render_markdown

pytestmark = needs_chromium

GFM = MarkdownIt("gfm-like", {"html": True, "linkify": False})
NEVER = ("script", "img", "iframe", "svg", "style", "link", "form", "base", "template")
STRUCTURE = (
    "details",
    "summary",
    "table",
    "tr",
    "td",
    "th",
    "pre",
    "h1",
    "h2",
    "h3",
    "ul",
    "li",
    "blockquote",
    "hr",
    "a",
)


@pytest.fixture
def opened(tmp_path):
    def open_(report):
        file = tmp_path / "comment.html"
        body = GFM.render(render_markdown(report))
        file.write_text(f"<!doctype html><meta charset=utf-8><title>comment</title>{body}", encoding="utf-8")
        return open_page(file, tmp_path / "profile")

    return open_


def shown(dom):
    return "".join(text for path, text in dom.texts if path[-1:] != ("title",))


@pytest.mark.parametrize("attack", ["\n".join(ATTACKS), " ".join(ATTACKS), "</details>\n```\n| a | b |"])
def test_hostile_text_changes_no_structure(opened, attack):
    # So few rows that nothing is left out for being too long.
    few = make_report(rows=4)
    plain, seen = opened(few), opened(with_text(few, attack))
    assert seen.title == "comment"
    assert seen.requests == []
    assert not seen.handlers
    assert not [tag for tag in NEVER if seen.tags[tag]]
    for tag in STRUCTURE:
        assert seen.tags[tag] == plain.tags[tag], tag
    told = shown(seen)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]", told)


def test_nobody_is_mentioned_outside_of_code(opened):
    seen = opened(with_text(make_report(rows=20), "@everyone #1"))
    prose = "".join(text for path, text in seen.texts if not {"pre", "code"} & set(path))
    assert "everyone" in prose
    assert not re.search(r"@[A-Za-z0-9]|#[0-9]", prose)


def test_an_example_shows_the_text_as_it_is(opened):
    text = "<img src=x onerror=alert(1)> ``` </details> | a |"
    assert shown(opened(with_text(make_report(rows=20), text))).count(clean(text)) >= 5
