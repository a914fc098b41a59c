"""The comment: it fits, it stands alone, and nothing in it can break out."""

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from runner.report.curve import curve_section
from runner.report.markdown import LIMIT, render_markdown
from runner.report.model import CurvePoint, Example

GFM = MarkdownIt("commonmark").enable("table")

PIECES = [
    *"`|@#<>&\\*_\n\r a😀",
    *(
        "```",
        "~~~",
        "@a",
        "#1",
        "<b>",
        "</details>",
        "<!--",
        "\n# h\n",
        "\n| a | b |\n",
        "[x](http://e.org)",
        "\n---\n",
    ),
]
hostile = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text()
examples = st.lists(
    st.builds(Example, row=st.just("00-0"), input=hostile, expected=hostile, base=hostile, tuned=hostile), max_size=4
)


def test_the_first_line_stands_alone(report):
    first = render_markdown(report).split("\n")[0]
    for words in (
        "support-triage 1.1.0",
        "1 of 3 gates",
        "exact_match",
        "10.0 % (base) → 75.0 %",
        "+65.0 points",
        "n = 40",
    ):
        assert words in first


def test_what_stands_in_the_way_comes_first(report):
    rows = [line for line in render_markdown(report).split("\n") if "PASS" in line or "INCONCLUSIVE" in line]
    assert [line.split(" | ")[0] for line in rows] == ["| ⚠️ INCONCLUSIVE", "| ✅ PASS", "| ✅ PASS"]


def test_it_says_what_happened_and_what_to_do(report):
    text = render_markdown(report)
    for words in (
        "**28 fixed, 2 broken, 10 unchanged** against base (exact_match)",
        "| metric | base | champion 1.0.0 | tuned | Δ base | Δ champion |",
        "| tuned | 97.5 % of 40 | not_a_label 1 |",
        "Worse than base: 2 of 2 rows",
        "Better than base: 5 of 28 rows",
        "| 2 (kept) | 20 | 1.0000 | 1.1000 |",
        "gitune apply support-triage --through evaluate",
        "sha256:" + "3" * 64,
    ):
        assert words in text


def test_a_report_without_champion_has_no_column_for_it(report):
    values = [found.model_copy(update={"champion": None}) for found in report.metrics]
    text = render_markdown(
        report.model_copy(update={"champion": None, "metrics": values, "curve": [], "compliance": []})
    )
    assert "| metric | base | tuned | Δ base |" in text
    assert "mermaid" not in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(better=examples, worse=examples, words=hostile, data=st.dictionaries(hostile, hostile, max_size=3))
def test_nothing_breaks_out(report, better, worse, words, data):
    verdict = report.verdicts[0].model_copy(update={"gate": words, "reason": words})
    text = render_markdown(
        report.model_copy(
            update={"better": better, "worse": worse, "verdicts": [verdict], "data": data, "commit": words}
        )
    )
    tokens = GFM.parse(text)
    fences = [token for token in tokens if token.type == "fence"]
    assert len(fences) == 2 + len(better) + len(worse)  # the chart and the command
    html = "".join(token.content for token in tokens if token.type == "html_block")
    assert re.fullmatch(r"(</?details>|<summary>[\w ,:]*</summary>|<!-- gitune-report:support-triage -->|\s)*", html)
    inner = [child for token in tokens for child in token.children or []]
    assert not {"html_inline", "link_open", "image"} & {child.type for child in inner}
    shown = "".join(child.content for child in inner if child.type == "text")
    assert not re.search(r"@[A-Za-z0-9]|#[0-9]", shown)
    kinds = [token.type for token in tokens]
    # Gate, metric, format and loss tables, then the data card.
    assert kinds.count("tr_open") == (1 + 1) + (1 + 3) + (1 + 3) + (1 + 3) + (1 + len(data) if data else 0)
    assert not {"heading_open", "hr", "code_block"} & {*kinds}


def test_examples_are_dropped_before_anything_else(report):
    big = Example(row="00-0", input="😀" * 4000, expected="", base="", tuned="")
    text = render_markdown(report.model_copy(update={"better": [big] * 5, "worse": [big] * 10}))
    assert len(text.encode("utf-16-le")) // 2 <= LIMIT
    assert "More were left out: the comment would be too long." in text
    assert text.count("row 00-0") >= 5
    for kept in ("gitune-report", "mermaid", "Data", "sha256:"):
        assert kept in text


def test_any_number_of_rows_fits(report):
    verdict = report.verdicts[0].model_copy(update={"reason": "|" * 4000, "gate": "`" * 4000})
    curve = [CurvePoint(epoch=float(at), step=at, train_loss=1.0, validation_loss=1.0) for at in range(1000)]
    data = {f"{'<' * 300}{at}": "&" * 4000 for at in range(200)}
    text = render_markdown(report.model_copy(update={"verdicts": [verdict] * 300, "curve": curve, "data": data}))
    assert len(text) <= LIMIT
    assert "more rows were left out" in text


def test_the_chart_has_plain_numbers_and_equal_lines():
    curve = [
        CurvePoint(epoch=0, step=0, validation_loss=3e-6),
        CurvePoint(epoch=0.1, step=1, train_loss=1e-7),
        CurvePoint(epoch=1, step=10, train_loss=123456.0, validation_loss=2.0),
    ]
    chart = curve_section(curve, 1, 50)
    lines = re.findall(r"line \[(.*)\]", chart)
    assert [len(line.split(", ")) for line in lines] == [25, 25]
    assert not re.search(r"\de[-+]\d", chart)
    assert 'plotColorPalette": "#0969da, #cf222e"' in chart


def test_a_curve_that_cannot_be_drawn_is_still_told():
    single = curve_section([CurvePoint(epoch=1, step=10, train_loss=0.5)], 1, 50)
    assert "mermaid" not in single
    assert "| 1 (kept) | 10 | 0.5000 |  |" in single
    broken = [CurvePoint(epoch=at, step=at, train_loss=float("nan")) for at in range(3)]
    assert "mermaid" not in curve_section(broken, None, 50)


def test_an_example_cannot_pass_for_another_part_of_itself(report):
    faked = Example(row="00-0", input="hello\r\ntuned\nright", expected="a", base="b\rtuned", tuned="c")
    text = render_markdown(report.model_copy(update={"worse": [faked], "better": []}))
    block = text[text.index("row 00-0") :].split("\n```")[0]
    assert [line for line in block.split("\n")[1:] if not line.startswith("    ")] == [
        "input",
        "expected",
        "base",
        "tuned",
    ]


def test_what_was_kept_and_what_looks_wrong_follow_the_curve(report):
    text = render_markdown(report)
    assert "Epoch 1 of 3 kept" in text
    (finding,) = [line for line in text.splitlines() if line.startswith("- ⚠️")]
    assert "by heart. Remedy: " in finding
    assert text.index("mermaid") < text.index("Epoch 1 of 3 kept") < text.index(finding)
