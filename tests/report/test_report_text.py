"""The text for a terminal: short, decision first, nothing that moves the cursor."""

import spoiled
from hypothesis import HealthCheck, given, settings

from runner.report.report_text import render_text


def test_it_says_what_decides(report):
    lines = render_text(report).splitlines()
    assert lines[0] == (
        "Do not merge yet: support-triage 1.1.0 has too little evidence for 1 of 3 gates: "
        "exact_match not worse than champion by more than 2 points: 75.0 % → 75.0 % (+0.0)"
    )
    assert lines[1].startswith("exact_match 10.0 % (base), 75.0 % (champion) → 75.0 % (+65.0 points against base, ")
    assert lines[4].startswith("INCONCLUSIVE  exact_match not worse than champion by more than 2 points")
    assert [line.split()[0] for line in lines[4:7]] == ["INCONCLUSIVE", "PASS", "PASS"]
    # Why, only of what stands in the way.
    assert [line.split(":")[0] for line in lines if "points or more is not ruled out" in line] == ["INCONCLUSIVE"]
    assert "28 fixed, 2 broken, 10 unchanged against base; 2 fixed, 2 broken, 36 unchanged against champion 1.0.0 " in (
        render_text(report)
    )
    assert lines[-1] == report.next_step
    assert len(lines) < 20


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(updates=spoiled.updates, words=spoiled.texts)
def test_nothing_moves_the_cursor(report, updates, words):
    text = render_text(spoiled.spoiled(report, updates, words))
    assert all(char.isprintable() for char in text.replace("\n", ""))
