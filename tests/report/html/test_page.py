"""The page as bytes: one file, small, that names no other place."""

import random
import re
import tomllib
from pathlib import Path

import pytest
from hostile import ATTACKS, with_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import make_report, make_row, make_verdict

from runner.report.html import markup, render_html
from runner.report.html.page import LIMIT
from runner.report.html.scale import scale_of
from runner.report.model import Confusion

LEFT = re.compile(r"Left out here, to keep this file small: ([^.]*)\.")


def long_text(rng, size):
    """Words that do not compress well."""
    return " ".join(f"{rng.getrandbits(64):x}" for _ in range(size // 16))[:size]


def test_ten_thousand_long_rows_stay_small_and_the_changed_ones_stay():
    rng = random.Random(7)
    rows = [
        make_row(
            number,
            id=f"{number:016x}-0",
            status="broken" if number % 50 == 0 else "fixed" if number % 50 == 1 else "both_right",
            champion_status=None,
            input=long_text(rng, 1000),
            expected=long_text(rng, 400),
            answers={"base": long_text(rng, 300), "tuned": long_text(rng, 300)},
        )
        for number in range(10_000)
    ]
    page = render_html(make_report().model_copy(update={"rows": rows}))
    assert 0.9 * LIMIT < len(page.encode("utf-8")) <= LIMIT
    (left,) = LEFT.findall(page)
    assert re.fullmatch(r"\d+ both right", left)
    assert page.index('id="list"') > page.index('id="left-out"') > page.index('id="count"')


def test_nothing_is_left_out_of_ten_thousand_short_rows():
    page = render_html(make_report(rows=10_000))
    assert len(page.encode("utf-8")) <= LIMIT
    assert not LEFT.search(page)


def test_everything_at_its_worst_stays_small():
    text = "<&\"'" * 1000
    wide = [f"{text}{place}" for place in range(200)]
    matrix = Confusion(subject="tuned", labels=wide, matrix=[[1] * 201] * 200, pairs=[])
    many = {f"{text}{place}": text for place in range(1000)}
    told = with_text(make_report(rows=1000), text)
    verdicts = [make_verdict(gate=text, reason=text)] * 1000
    metrics, slices = [told.metrics[0]] * 1000, [told.slices[0]] * 1000
    update = {"verdicts": verdicts, "metrics": metrics, "slices": slices, "confusion": [matrix] * 2, "data": many}
    page = render_html(told.model_copy(update={**update, "curve": told.curve * 1000, "changed": told.changed * 1000}))
    assert len(page.encode("utf-8")) <= LIMIT


def test_it_names_no_other_place():
    page = render_html(make_report())
    assert not re.search(r"https?:|url\(|@import", re.sub(r"(?s)<script.*?</script>", "", page))
    assert set(re.findall(r"(?:href|src)=\"(?!#)([^\"]*)\"", page)) == {"data:,"}
    assert not re.search(r" (style|on[a-z]+)=", page)
    assert "default-src &#x27;none&#x27;" in page


def test_the_script_makes_markup_of_nothing():
    script = Path(markup.__file__).with_name("page.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(|fetch|XMLHttp", script)


def test_the_wheel_ships_style_and_script():
    root = Path(__file__).parents[3]
    shipped = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["runner"]
    beside = [*Path(markup.__file__).parent.iterdir()]
    files = {f"report/html/{file.name}" for file in beside if file.suffix not in ("", ".py", ".pyc")}
    assert files == {"report/html/page.css", "report/html/page.js"} <= set(shipped)


def test_a_report_of_nothing_but_gates_is_a_page():
    empty = {
        name: [] for name in ("rows", "metrics", "compliance", "confusion", "slices", "curve", "history", "subjects")
    }
    page = render_html(make_report().model_copy(update={**empty, "champion": None, "wear": None, "data": {}}))
    assert "<h2>Gates</h2>" in page
    for absent in ("Rows", "Slices", "Confused labels", "Output format"):
        assert f"<h2>{absent}</h2>" not in page


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_not_drawn(bad):
    report = make_report()
    curve = [point.model_copy(update={"train_loss": bad, "validation_loss": bad}) for point in report.curve]
    page = render_html(report.model_copy(update={"curve": curve, "best_epoch": None}))
    assert not re.search(r"points=\"[^\"]*(nan|inf)", page)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(ATTACKS), max_size=4).map("".join) | st.text())
def test_no_text_becomes_markup(text):
    made = markup.el("p", text, title=text)
    inner = re.fullmatch(r'(?s)<p title="([^"<>]*)">([^<>]*)</p>', made)
    assert inner
    assert all(
        re.fullmatch(r"&(amp|lt|gt|quot|#x27);", found) for found in re.findall(r"&[^;]*;?", inner[1] + inner[2])
    )


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(1, 10))
def test_ticks_are_few_and_on_the_axis(values, wanted):
    scale = scale_of(values, 0, 100)
    ticks = scale.ticks(wanted)
    assert len(ticks) <= wanted + 2
    assert all(scale.low - 1e-6 <= tick <= scale.high + 1e-6 for tick in ticks)
    assert all(0 <= scale.at(value) <= 100 for value in values)
