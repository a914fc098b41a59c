"""The comment: the verdict stands alone, nothing in it can break out, and no spec's verdict is ever lost."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import spoiled
from hostile import ATTACKS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from proposed import HEAD, RUN, bar, judged, proposal, unjudged
from reports import make_report, make_verdict

from runner.proposals.context import LIMIT, CommentContext
from runner.proposals.history import PastVerdict, read_history
from runner.proposals.markdown import MARKER, out_of_date, render_comment
from runner.proposals.summary import render_summary
from runner.proposals.words import headline
from runner.report.plan_markdown import plan_markdown

GFM = MarkdownIt("commonmark").enable("table")
NOW = datetime(2026, 11, 23, 12, 3, tzinfo=UTC)
PLAIN = CommentContext(run_url=RUN, at=NOW, examples="full", commands=True)
WAITING_PLAN = proposal(unjudged("a")).plan


def units(text):
    return len(text.encode("utf-16-le")) // 2


def test_the_verdict_stands_alone():
    found = proposal(judged(), unjudged("b", "released", ""), bar=[bar()])
    lines = render_comment(found, PLAIN).split("\n")
    assert lines[0] == MARKER
    assert lines[1] == (
        "⏳ **Not decided yet**: 2 specs change (1 judged, 1 released before (0 s of training)); gates: PASS; "
        "exact_match 62.0 % (base) → 81.0 %; 1 change to how models are judged or run must be approved by a code "
        f"owner, commit {HEAD[:12]} ([run]({RUN}))"
    )
    assert "an approving review of @\u200bada or @\u200borg/ml is needed" in lines[5]


@pytest.mark.parametrize(
    ("specs", "more", "said"),
    [
        ([], {}, "Ready to merge: no spec changes"),
        ([judged()], {}, "Ready to merge: 1 spec changes (1 judged); gates: PASS; exact_match 62.0 % (base) → 81.0 %"),
        (
            [judged("a", "FAIL"), judged("b")],
            {},
            "Do not merge: 2 specs change (2 judged); gates: 1 FAIL, 1 PASS",
        ),
        (
            [judged("a", "INCONCLUSIVE", approval=None)],
            {},
            "Do not merge yet: 1 spec changes (1 judged); gates: INCONCLUSIVE; exact_match 62.0 % (base) → 81.0 %",
        ),
        (
            [judged("a", "INCONCLUSIVE", releasable=True), judged("b")],
            {},
            "Ready to merge: 2 specs change (2 judged); gates: 1 INCONCLUSIVE (approved), 1 PASS",
        ),
        ([unjudged(state="running")], {}, "Not decided yet: 1 spec changes (1 training)"),
        ([unjudged(state="missing")], {}, "Do not merge: 1 spec changes (1 without answers)"),
        ([unjudged(state="blocked")], {}, "Do not merge: 1 spec changes (1 blocked)"),
        ([], {"faults": ["x:1: y"]}, "Do not merge: 1 error in specs; no spec changes"),
    ],
)
def test_headlines(specs, more, said):
    assert headline(proposal(*specs, **more)) == said


def test_a_training_that_runs_is_told_with_its_start():
    text = render_comment(proposal(unjudged("a", "running", since=NOW, run_url=RUN)), PLAIN)
    assert f"| ⏳ training since 12:03 UTC ([run]({RUN})) |" in text
    assert "| train | RUN |" in text


def test_only_addresses_of_the_web_become_links():
    for url in ("javascript:alert(1)", "https://x.example/a)[b](c", "https://x.example/@ada", "https://[x"):
        text = render_comment(proposal(unjudged("a", "running", run_url=url)), replace(PLAIN, run_url=url))
        assert "](" not in text


def test_what_stands_in_the_way_comes_first():
    text = render_comment(proposal(judged("a"), unjudged("b"), judged("c", "FAIL")), PLAIN)
    rows = [line for line in text.split("\n") if re.match(r"\| [abc] 1\.1\.0 \|", line)]
    assert [row.split()[1] for row in rows] == ["c", "b", "a"]
    assert [row.split(" | ")[-1] for row in rows] == ["❌ FAIL |", "⏳ waiting |", "✅ PASS |"]


def test_the_table_says_why():
    text = render_comment(proposal(judged("a"), judged("b", "FAIL")), PLAIN)
    rows = [line.split(" | ") for line in text.split("\n") if re.match(r"\| [ab] 1\.1\.0 \|", line)]
    assert [row[2] for row in rows] == [
        "exact_match beats champion: 80.0 % → 81.0 % (+1.0)",
        "learning_rate 0.002 → 0.001",
    ]


def test_commands_name_what_can_be_done():
    found = proposal(judged("a", "INCONCLUSIVE", approval=None), unjudged("b", "missing"), judged("c"))
    text = render_comment(found, PLAIN)
    assert f"/gitune approve a@{HEAD[:12]} why" in text
    assert f"/gitune retrain b@{HEAD[:12]}" in text
    assert "/gitune approve c" not in text
    assert "gitune plan --base main --through evaluate" in text
    assert "/gitune" not in render_comment(found, replace(PLAIN, commands=False))


def test_the_same_twice_is_the_same_text():
    """Another run at another time that finds the same must not edit anything."""
    found = proposal(judged())
    first = render_comment(found, PLAIN)
    later = replace(PLAIN, at=NOW.replace(hour=15), run_url=RUN + "8", history=read_history(first))
    assert render_comment(found, later) == first


def test_earlier_verdicts_are_kept_folded():
    body, shas = "", [f"{at:02x}" * 20 for at in range(30)]
    for at, sha in enumerate(shas):
        found = proposal(judged("a", "PASS" if at % 2 else "FAIL"), head=sha)
        body = render_comment(found, replace(PLAIN, history=read_history(body), at=NOW))
    past = read_history(body)
    assert len(past) == 20
    assert past[0].sha == shas[-1]
    assert "19 earlier verdicts" in body
    assert f"- ❌ {shas[-2][:12]}, 2026-11-23 12:03 UTC: Do not merge: " in body


def test_what_was_pending_is_no_verdict():
    body = render_comment(proposal(unjudged()), PLAIN)
    body = render_comment(proposal(judged()), replace(PLAIN, history=read_history(body)))
    assert [one.conclusion for one in read_history(body)] == ["success"]


def test_another_verdict_about_the_same_commit_keeps_the_first():
    """Main moved, and the gates were judged again against the new champion."""
    body = render_comment(proposal(judged()), PLAIN)
    body = render_comment(proposal(judged("support-triage", "FAIL")), replace(PLAIN, history=read_history(body)))
    assert [(one.sha, one.conclusion) for one in read_history(body)] == [(HEAD, "failure"), (HEAD, "success")]


@given(st.text() | st.from_regex(r"<!-- gitune:history [A-Za-z0-9_=-]* -->", fullmatch=True))
def test_damaged_history_is_none(body):
    assert isinstance(read_history(body), list)


def test_a_history_that_unpacks_to_gigabytes_is_none():
    import base64
    import zlib

    packed = base64.urlsafe_b64encode(zlib.compress(b"[" + b" " * 10_000_000 + b"]")).decode()
    assert read_history(f"<!-- gitune:history {packed} -->") == []


def test_out_of_date_is_said_once_and_below_the_verdict():
    body = render_comment(proposal(judged()), PLAIN)
    once = out_of_date(body, "c" * 40)
    assert once.split("\n\n")[1].startswith("⚠️ **Out of date.** Commit cccccccccccc was pushed since")
    assert once.split("\n\n")[0] == body.split("\n\n")[0]
    assert out_of_date(once, "d" * 40) == out_of_date(body, "d" * 40)
    assert read_history(once) == read_history(body)
    assert render_comment(proposal(judged()), replace(PLAIN, stale="c" * 40)) == once


def many(count):
    states = ("FAIL", "PASS", "INCONCLUSIVE", None, "PASS")
    return proposal(
        *(
            judged(f"customer-support-triage-{at}", states[at % 5], rows=40)
            if states[at % 5]
            else unjudged(f"customer-support-triage-{at}", reason="why " * 100)
            for at in range(count)
        ),
        unchanged=12,
    )


@pytest.mark.parametrize("limit", [LIMIT, 30_000])
def test_200_specs_fit_and_every_verdict_is_there(limit):
    found = many(200)
    text = render_comment(found, replace(PLAIN, limit=limit))
    assert units(text) <= limit
    for spec in found.specs:
        assert (
            len(re.findall(rf"^\| {spec.name} 1\.1\.0 \|.*(FAIL|PASS|INCONCLUSIVE|waiting) \|$", text, re.MULTILINE))
            == 1
        )
    assert re.search(r"Left out, because the text would be too long: the details of \d+ specs\.", text)
    assert "12 specs are unchanged." in text
    assert text.count("<details") == text.count("</details>") > 5


def test_no_spec_dominates():
    huge = judged("a", "FAIL", rows=400, verdicts=[make_verdict("FAIL", reason="why " * 90)] * 60)
    text = render_comment(proposal(huge, *(judged(name, "FAIL") for name in "bcdef")), PLAIN)
    parts = re.split(r"\n(?=<details><summary>[a-f] 1\.1\.0)", text)[1:]
    assert [part[18] for part in parts] == [*"abcdef"]
    assert max(map(len, parts)) < LIMIT / 3


def test_the_summary_has_room_for_all():
    found = many(60)
    text = render_summary(found, PLAIN)
    assert "Left out, because the text" not in text
    assert "<!--" not in text
    assert len(text.encode()) < 1_000_000
    wide = proposal(*(judged(f"s{at}", notes=["界" * 300] * 10, next_step="界" * 600) for at in range(300)))
    assert len(render_summary(wide, PLAIN, limit=90_000).encode()) <= 90_000


TEXTS = spoiled.texts | st.sampled_from(ATTACKS)


@st.composite
def proposals(draw):
    """Anything may stand in any text; a spec's report too."""
    specs = []
    for _ in range(draw(st.integers(0, 3))):
        state = draw(st.sampled_from(["judged", "waiting", "running", "missing", "blocked", "failed", "removed"]))
        name, reason = draw(TEXTS), draw(TEXTS)
        spec = judged(name, "FAIL", rows=2) if state == "judged" else unjudged(name, state, reason)
        if spec.report is not None:
            report = spoiled.spoiled(make_report(2, outcome="INCONCLUSIVE"), draw(spoiled.updates), draw(TEXTS))
            spec = spec.model_copy(update={"report": report, "reason": reason})
        words = draw(TEXTS)
        steps = [step.model_copy(update={"reason": words, "notes": [reason]}) for step in spec.plan.steps]
        plan = spec.plan.model_copy(update={"steps": steps, "file": words, "champion": words})
        specs.append(spec.model_copy(update={"version": words, "plan": plan, "run_url": draw(st.none() | TEXTS)}))
    changes = [bar(what=draw(TEXTS), path=draw(TEXTS), owners=draw(st.lists(TEXTS, max_size=2)))]
    return proposal(
        *specs,
        base_ref=draw(TEXTS),
        faults=draw(st.lists(TEXTS, max_size=3)),
        bar=changes * draw(st.integers(0, 40)),
        tool=draw(TEXTS),
        # A digest is not made of half characters, which no file that loads can hold.
        plan=WAITING_PLAN,
    )


@settings(suppress_health_check=[*HealthCheck], deadline=None, max_examples=60)
@given(proposals(), TEXTS, st.sampled_from(["full", "masked", "none"]), st.sampled_from([LIMIT, 10_000]))
def test_nothing_breaks_out(found, words, examples, limit):
    past = [PastVerdict(sha=words, conclusion="failure", headline=words, run_url=words)]
    context = CommentContext(words, past, words, examples, commands=True, limit=limit, at=NOW)
    text = render_comment(found, context)
    assert units(text) <= limit
    assert text.count(MARKER) == 1
    assert read_history(text)[0].sha == found.head
    check_structure(text.replace(text.splitlines()[-1], ""))
    check_structure(render_summary(found, context))


def check_structure(text):
    tokens = GFM.parse(text)
    html = "".join(token.content for token in tokens if token.type == "html_block")
    ours = r"</?details(?: open)?>|<summary>[^<>\n]*</summary>|<!-- gitune:proposal -->|\s"
    # The verdict follows the marker's line and is no HTML.
    assert re.fullmatch(f"(?:{ours})*", html)
    assert len(re.findall(r"<details", html)) == html.count("</details>")
    inner = [child for token in tokens for child in token.children or []]
    assert not {"html_inline", "image"} & {
        child.type for child in inner if child.content not in ("<sub>", "</sub>", "<br>")
    }
    for link in (child for child in inner if child.type == "link_open"):
        assert re.match(r"https?://[A-Za-z0-9.-]+", link.attrs["href"])
    prose = "".join(child.content for child in inner if child.type == "text") + html
    assert not re.search(r"@[A-Za-z0-9]|(?<!&)#[0-9]", prose)
    assert not {"heading_open", "hr", "code_block"} & {token.type for token in tokens}


def test_the_plan_alone_still_reads_as_before():
    assert "| Step | Action | Key | Why | Expected |" in plan_markdown(proposal(unjudged()).plan)
