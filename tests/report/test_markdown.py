"""The comment: it fits, it stands alone, and nothing in it can break out."""

import re

import spoiled
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt
from reports import make_report, make_verdict

from runner.evaluation.scores import Scores
from runner.evaluation.verdicts import SliceVerdict
from runner.report.build import build_report
from runner.report.curve import curve_section
from runner.report.evidence import Evidence
from runner.report.html import render_html
from runner.report.markdown import LIMIT, render_markdown
from runner.report.model import ReportRow
from runner.report.parts import CurvePoint, Finding, SpecChange

GFM = MarkdownIt("commonmark").enable("table")


def test_the_first_line_stands_alone(report):
    first = render_markdown(report).split("\n")[0]
    for words in (
        "support-triage 1.1.0",
        "1 of 3 gates",
        "exact_match",
        "(exact_match not worse than champion by more than 2 points: 75.0 % → 75.0 % (+0.0)): exact_match 10.0 % (base)",
        "10.0 % (base), 75.0 % (champion) → 75.0 %",
        "+65.0 points against base",
        "n = 40",
    ):
        assert words in first


def test_what_stands_in_the_way_comes_first(report):
    rows = [line for line in render_markdown(report).split("\n") if "PASS" in line or "INCONCLUSIVE" in line]
    assert [line.split(" | ")[4] for line in rows] == ["⚠️ INCONCLUSIVE", "✅ PASS", "✅ PASS"]
    assert rows[1].startswith("| exact_match | beats base by 25 points | 10.0 % → 75.0 % (+65.0) | +46.3 … +77.5 |")


def test_it_says_what_happened_and_what_to_do(report):
    text = render_markdown(report)
    for words in (
        "**28 fixed, 2 broken, 10 unchanged** against base, 2 fixed, 2 broken, 36 unchanged against champion 1.0.0",
        "| metric | base | champion 1.0.0 | this | Δ base | Δ champion 1.0.0 |",
        "| this | 97.5 % of 40 | not_a_label 1 |",
        "Broken: 2 of 2 rows",
        "Fixed: 5 of 28 rows",
        "| 2 (kept) | 20 | 1.0000 | 1.1000 |",
        "gitune apply support-triage --through evaluate",
        "sha256:" + "3" * 64,
    ):
        assert words in text


def test_a_report_without_champion_has_no_column_for_it(pieces):
    subjects = {name: pieces["scores"].subjects[name] for name in ("base", "tuned")}
    pieces["scores"] = Scores(subjects=subjects)
    text = render_markdown(build_report(Evidence(**{**pieces, "champion": None, "curve": []})))
    assert "| metric | base | this | Δ base |" in text
    assert "against champion" not in text
    assert "mermaid" not in text


def summaries(text):
    return re.findall(r"<details><summary>(.*?)</summary>", text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(updates=spoiled.updates, words=spoiled.texts)
def test_nothing_breaks_out(report, updates, words):
    shown_report = spoiled.spoiled(report, updates, words)
    text = render_markdown(shown_report)
    assert len(text.encode("utf-16-le")) // 2 <= LIMIT
    tokens = GFM.parse(text)
    html = "".join(token.content for token in tokens if token.type == "html_block")
    ours = r"</?details>|<summary>[\w ,:&;]*</summary>|<!-- gitune-report:[^<>]*? -->|\s"
    assert re.fullmatch(f"({ours})*", html)
    assert html.count("<details>") == html.count("</details>") == len(summaries(text))
    inner = [child for token in tokens for child in token.children or []]
    assert not {"html_inline", "link_open", "image"} & {child.type for child in inner}
    shown = "".join(child.content for child in inner if child.type == "text")
    assert not re.search(r"@[A-Za-z0-9]|#[0-9]", shown)
    assert not {"heading_open", "hr", "code_block"} & {token.type for token in tokens}
    # Every gate has its row, and the decision stands in the first line.
    gates = tokens[: next(at for at, token in enumerate(tokens) if token.type == "table_close")]
    assert sum(token.type == "tr_open" for token in gates) == 1 + len(report.verdicts)
    assert tokens[1].content.startswith("⚠️ **Do not merge yet: ")
    # Each fence is one of ours, and closed: the examples, the chart and the command.
    fences = [token for token in tokens if token.type == "fence"]
    examples = sum(
        int(found[1])
        for one in summaries(text)
        if (found := re.match(r"(?:Broken since the champion|Broken|Fixed): (\d+) of", one))
    )
    assert len(fences) == examples + 2


def many_rows(status, count, size):
    return [
        ReportRow(id=f"{at}-0", status=status, input="x", expected="😀" * size, answers={"base": "😀" * size})
        for at in range(count)
    ]


def test_examples_are_dropped_before_anything_else(report):
    rows = many_rows("fixed", 6, 10) + many_rows("broken", 12, 10)
    text = render_markdown(report.model_copy(update={"rows": rows}))
    assert "Broken: 10 of 12 rows" in text
    assert "Fixed: 5 of 6 rows" in text
    data = {f"{'<' * 80}{at}": "&" * 200 for at in range(40)}
    full = render_markdown(report.model_copy(update={"rows": rows, "data": data}))
    assert len(full.encode("utf-16-le")) // 2 <= LIMIT
    assert "mermaid" in full
    assert "sha256:" in full


def test_what_is_left_out_is_named(report):
    verdict = report.verdicts[0].model_copy(update={"reason": "&" * 400, "gate": "<" * 200})
    values = report.metrics[0].model_copy(update={"metric": "`" * 80})
    data = {f"{'<' * 80}{at}": "&" * 200 for at in range(60)}
    crowded = report.model_copy(
        update={
            "rows": many_rows("broken", 12, 4000),
            "verdicts": [verdict] * 300,
            "data": data,
            "metrics": [values] * 300,
            "findings": [Finding(code="x", message="&" * 300, cause="&" * 300, remedy="&" * 300)] * 10,
            "changed": [SpecChange(path="x", old=1, new=2, words="<" * 300)] * 50,
        }
    )
    text = render_markdown(crowded)
    assert len(text.encode("utf-16-le")) // 2 <= LIMIT
    assert "Left out, because the comment would be too long: the training." in text.split("\n")
    assert "| ✅ PASS |" in text
    assert "more rows were left out" in text


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
    answers = {"base": "b\rthis", "tuned": "c"}
    faked = ReportRow(
        id="00-0", status="broken", input="hello\r\nthis\nright", expected="a", answers=answers, where="x\nthis"
    )
    text = render_markdown(report.model_copy(update={"rows": [faked]}))
    block = text[text.index("row 00-0") :].split("\n```")[0]
    assert [line for line in block.split("\n")[1:] if not line.startswith("    ")] == [
        "input",
        "expected",
        "base",
        "this",
    ]


def test_what_was_kept_and_what_looks_wrong_follow_the_curve(report):
    text = render_markdown(report)
    assert "Epoch 1 of 3 kept" in text
    (finding,) = [line for line in text.splitlines() if line.startswith("- ⚠️")]
    assert "by heart. Remedy: " in finding
    assert text.index("mermaid") < text.index("Epoch 1 of 3 kept") < text.index(finding)


def test_long_lines_of_examples_are_wrapped_and_nothing_is_lost(report):
    words = " ".join(f"word{at}" for at in range(60))
    row = ReportRow(id="0-0", status="broken", input=f"{words}\n\nend", expected="x" * 250, answers={})
    text = render_markdown(report.model_copy(update={"rows": [row]}))
    block = text[text.index("row 0-0") : text.index("\n```\n\n</details>")].split("\n")
    assert max(map(len, block)) <= 104
    said = "".join(line.removeprefix("    ") for line in block[block.index("input") + 1 : block.index("expected")])
    assert said == f"{words}end"


def test_a_gate_by_slice_shows_every_slice_the_worst_first():
    found = [
        SliceVerdict(slice="en", outcome="PASS", n=80, value=0.9, rival_value=0.8, difference=0.1, low=0.02, high=0.18),
        SliceVerdict(
            slice="<b>fr|", outcome="FAIL", n=30, value=0.5, rival_value=0.8, difference=-0.3, low=-0.5, high=-0.1
        ),
        SliceVerdict(slice="de", outcome=None, n=4),
    ]
    gate = make_verdict("FAIL", gate="exact_match not worse than base in each language", slices=found)
    report = make_report(verdicts=[gate])
    text = render_markdown(report)
    table = text[text.index("Gates by slice") :].split("</details>")[0]
    rows = [line for line in table.splitlines() if line.startswith("| exact_match")]
    assert [row.count("❌ FAIL") + row.count("✅ PASS") + row.count("too few rows") for row in rows] == [1, 1, 1]
    assert "fr" in rows[0]
    assert "80.0 % → 50.0 % (-30.0)" in rows[0]
    assert "<b>" not in rows[0]
    assert "Gates by slice" not in render_markdown(make_report())
    page = render_html(report)
    assert "80.0 % → 50.0 % (-30.0)" in page
    assert "&lt;b&gt;fr|" in page
