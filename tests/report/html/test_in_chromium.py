"""What a browser makes of the page: harmless whatever is in it, readable without a script, usable with one."""

import re

import pytest
from chromium import needs_chromium, open_page
from hostile import ATTACKS, with_text
from reports import make_report, make_row

from runner.report.html import render_html

pytestmark = needs_chromium

NEVER = {"img", "iframe", "object", "embed", "base", "video", "audio"}
COUNT = re.compile(r"Rows (\d+) to (\d+) of (\d+), of (\d+) in all")


@pytest.fixture
def opened(tmp_path):
    def open_(page, fragment=""):
        file = tmp_path / "report.html"
        file.write_text(page, encoding="utf-8")
        return open_page(file, tmp_path / "profile", fragment)

    return open_


def hostile_report(text, rows=20):
    """A report in which every text is this one; rows are still told apart."""
    told = with_text(make_report(rows=rows), text)
    named = [row.model_copy(update={"id": f"{text}{place}"}) for place, row in enumerate(told.rows)]
    return told.model_copy(update={"rows": named})


def without_script(page):
    """The page as a browser shows it that runs no script."""
    stopped = re.sub(r"script-src &#x27;sha256-[^;]*&#x27;", "script-src &#x27;none&#x27;", page)
    assert stopped != page
    return stopped


def without_policy(page):
    """The same page without the second line of defence."""
    stripped = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert stripped != page
    return stripped


def test_the_proxy_would_see_a_request(opened):
    seen = opened('<img src="http://attacker.test/image.png">')
    assert any("attacker.test" in line for line in seen.requests)


@pytest.mark.parametrize("attack", ["\n".join(ATTACKS), *ATTACKS[:1]])
@pytest.mark.parametrize("policy", [True, False])
def test_hostile_text_is_only_text(opened, attack, policy):
    plain = opened(render_html(make_report(rows=20)), "#filter=all")
    page = render_html(hostile_report(attack))
    seen = opened(page if policy else without_policy(page), "#filter=all")
    assert seen.requests == []
    assert seen.title.startswith("INCONCLUSIVE: ")
    assert not seen.handlers
    assert not NEVER & seen.tags.keys()
    # Where nothing broke out, the two pages are made of the same parts.
    for tag in ("script", "section", "details", "table", "tr", "td", "th", "pre", "form", "style", "a", "h2", "link"):
        assert seen.tags[tag] == plain.tags[tag], tag
    assert COUNT.search(seen.text_of("count")).groups() == ("1", "20", "20", "20")
    assert seen.console == ""


def test_hostile_text_is_shown_as_it_is(opened):
    shown = opened(
        render_html(hostile_report("<img src=x onerror=alert(1)> </script> <!-- & ]]>")), "#filter=all"
    ).text_of("list")
    assert "<img src=x onerror=alert(1)> </script> <!-- & ]]>" in shown


def test_hostile_text_is_only_text_without_a_script(opened):
    text = "\n".join(ATTACKS)
    plain = opened(without_script(render_html(make_report(rows=20))))
    seen = opened(without_script(render_html(hostile_report(text))))
    assert seen.requests == []
    assert not seen.handlers
    assert not NEVER & seen.tags.keys()
    for tag in ("script", "section", "details", "table", "tr", "td", "pre", "form"):
        assert seen.tags[tag] == plain.tags[tag], tag


def test_it_can_be_read_without_a_script(opened):
    seen = opened(without_script(render_html(make_report())))
    assert "hidden" in seen.ids["controls"]
    assert seen.text_of("count").startswith("50 of 60 changed rows, of 120 in all")
    assert seen.text_of("list").count("Question number") == 2 * 50
    assert "0.6 %" not in seen.text_of("gates")
    assert "+10.2 … +27.6" in seen.text_of("gates")


def test_the_explorer_starts_with_what_broke(opened):
    seen = opened(render_html(make_report()))
    assert "hidden" not in seen.ids["controls"]
    assert COUNT.search(seen.text_of("count")).groups() == ("1", "15", "15", "120")
    assert seen.console == ""


@pytest.mark.parametrize(
    ("fragment", "counted"),
    [
        ("#filter=all", ("1", "50", "120", "120")),
        ("#filter=all&page=3", ("101", "120", "120", "120")),
        ("#filter=all&page=99", ("101", "120", "120", "120")),
        ("#filter=fixed&q=LOGINS", ("1", "15", "15", "120")),
        ("#filter=near", ("1", "24", "24", "120")),
        ("#filter=format_error", ("1", "15", "15", "120")),
        ("#filter=<img>", ("1", "50", "120", "120")),
        ("#filter=broken&q=no+such+text", None),
    ],
)
def test_an_address_says_what_is_shown(opened, fragment, counted):
    said = opened(render_html(make_report()), fragment).text_of("count")
    assert said == "No row is like that." if counted is None else COUNT.search(said).groups() == counted


def test_the_address_of_a_row_opens_it_with_its_differences(opened):
    rows = [make_row(number) for number in range(120)]
    rows[70] = make_row(
        70, id="the-row", expected="a grey cat", answers={"base": "quite other", "tuned": "a gray cat 😀"}
    )
    seen = opened(render_html(make_report().model_copy(update={"rows": rows})), "#filter=all&row=the-row")
    marks = [(path[-1], text) for path, text in seen.texts if path[-1:] in (("ins",), ("del",))]
    assert marks == [("ins", "quite other"), ("del", "e"), ("ins", "a"), ("ins", " 😀")]
    assert "near" not in seen.text_of("pages")


def test_keys_move_and_leave(opened):
    """A script that stands for a person's hands: it may only run where the policy is off."""
    hands = """<script>addEventListener("load", () => setTimeout(() => {
        const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
        const said = [];
        const note = () => said.push(document.activeElement.id || document.activeElement.closest(".row")?.dataset.row || "none");
        for (const key of ["j", "j", "k", "j", "/"]) { press(key); note(); }
        document.getElementById("search").value = "number 16 ";
        press("Escape"); note();
        document.querySelector('[data-filter="both_wrong"]').click();
        said.push(location.hash, document.getElementById("count").textContent);
        document.title = said.join(" ");
    }, 3000))</script>"""
    page = without_policy(render_html(make_report())).replace("</body>", f"{hands}</body>")
    first, second = f"{0:016x}-0", f"{8:016x}-0"
    assert (
        opened(page).title
        == f"{first} {second} {first} {second} search none #filter=both_wrong Rows 1 to 15 of 15, of 120 in all."
    )


def test_an_answer_of_a_megabyte_is_cut_with_a_note(opened):
    huge = make_row(0, answers={"base": "billing", "tuned": "<b>x</b>" * 131072})
    page = render_html(make_report().model_copy(update={"rows": [huge]}))
    assert len(page) < 100_000
    seen = opened(page, "#row=" + huge.id)
    assert "1,044,576 more characters" in seen.text_of("list")
    assert not seen.tags["b"] - opened(render_html(make_report(rows=1)), "#filter=all").tags["b"]
