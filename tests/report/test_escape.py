"""No text from data or models becomes structure, a mention, a reference or a link."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from runner.report.escape import clean, code, fence, inline, sentence

PIECES = [
    *"`|@#<>&\\*_[]()!$\n\r\t .a\u2028\u202e\ud83d\x00😀",
    *("```", "~~~", "@a", "#1", "<b>", "</details>", "<!--", "&#64;a", "&lt;", "\n# h\n", "\n- ", "\n| a | b |\n"),
    *("[x](http://e.org)", "![i](u)", "https://e.org", "www.e.org", "**b**", "\n---\n", "\\|", "\n\n    "),
]
hostile = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text()

GFM = MarkdownIt("commonmark").enable("table").enable("strikethrough")


def tokens(markdown):
    for token in GFM.parse(markdown):
        yield token
        yield from token.children or []


@given(hostile)
@example("a | b")
@example("[x](javascript:alert(1)) ![i](u) <b>")
@example("&#64;root &lt;")
def test_inline_text_in_a_cell_is_only_text(text):
    found = [*tokens(f"| a | b |\n| --- | --- |\n| x {inline(text)} | end |\n")]
    kinds = [token.type for token in found]
    assert kinds.count("tr_open") == 2
    assert [token.content for token in found if token.type == "inline"][-1] == "end"
    assert not {"code_inline", "html_inline", "html_block", "link_open", "image", "em_open", "strong_open", "fence"} & {
        *kinds
    }


@given(hostile)
def test_inline_text_reads_the_same_without_the_zero_width_marks(text):
    shown = "".join(token.content for token in tokens(f"x{inline(text, limit=10_000)}x") if token.type == "text")
    assert shown.replace("\u200b", "") == f"x{' '.join(clean(text).split())}x".replace("\u200b", "")


@given(hostile)
def test_inline_text_mentions_and_refers_to_nobody(text):
    shown = "".join(token.content for token in tokens(f"x {inline(text)}") if token.type == "text")
    assert not re.search(r"@[A-Za-z0-9]|#[0-9]", shown)
    assert not re.search(r"https?://|www\.", inline(text))


@given(hostile)
def test_code_is_one_code_span(text):
    found = [
        token
        for token in tokens(f"x {code(text)} y")
        if token.type not in ("paragraph_open", "paragraph_close", "inline")
    ]
    assert [token.type for token in found] == ["text", "code_inline", "text"]
    assert found[1].content == (" ".join(clean(text).split())[:400] or " ")


@given(hostile)
@example("```\n</details>\n````")
def test_a_fence_holds_everything(text):
    found = GFM.parse(f"<details>\n\n{fence(text)}\n\n</details>")
    assert [token.type for token in found] == ["html_block", "fence", "html_block"]
    assert found[1].content == clean(text).replace("\u0000", "\ufffd") + "\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x1b[31mred\x00", "\ufffd[31mred\ufffd"),
        ("half \ud83d", "half \ufffd"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("tab\tand é 😀", "tab\tand é 😀"),
    ],
)
def test_clean(text, shown):
    assert clean(text) == shown
    assert clean(clean(text)) == shown


def test_inline_is_cut():
    assert inline("ab" * 300, limit=10) == "ababababab…"
    assert inline("exact_match of_ _x") == "exact_match of&#95; &#95;x"


@given(hostile)
@example("---")
@example("1. a")
@example("- - -")
@example("+")
@example("=")
def test_a_sentence_that_begins_a_line_is_one_paragraph(text):
    for markdown in (f"before\n{sentence(text)}", f"\n{sentence(text)}", f"- {sentence(text)}"):
        kinds = {token.type for token in GFM.parse(markdown)}
        assert kinds <= {
            *("paragraph_open", "inline", "paragraph_close"),
            *("bullet_list_open", "list_item_open", "list_item_close", "bullet_list_close"),
        }
        assert [token.type for token in GFM.parse(markdown)].count("bullet_list_open") <= 1
