"""`Report` -> JUnit XML, which CI systems show as tests: a suite for the spec, a case for each gate.

FAIL is a failure, INCONCLUSIVE is skipped, and an evaluation that could not be reported is an error.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from runner.errors import GituneError
from runner.evaluation.gates import Verdict
from runner.report.escape import clean
from runner.report.model import Report
from runner.report.words import changes_words, decision_words, headline_words

# What XML 1.0 has no way to write, beside the control characters that `clean` shows.
_UNWRITABLE = re.compile("[\ufffe\uffff]")


def render_junit(report: Report) -> str:
    """Render every gate as a test case."""
    root = root_element()
    add_report(root, report)
    return written(root)


def add_report(root: Element, report: Report) -> None:
    """Add a report's suite to others."""
    outcomes = [verdict.outcome for verdict in report.verdicts]
    suite = _suite(root, f"{report.name} {report.version}", len(outcomes))
    suite.set("failures", str(outcomes.count("FAIL")))
    suite.set("skipped", str(outcomes.count("INCONCLUSIVE")))
    properties = SubElement(suite, "properties")
    for name, value in (("decision", report.decision), ("commit", report.commit), ("champion", report.champion)):
        if value:
            SubElement(properties, "property", name=name, value=_text(value))
    for verdict in report.verdicts:
        _case(suite, report.name, verdict)
    said = [decision_words(report), headline_words(report), f"{changes_words(report.changes)} against base"]
    SubElement(suite, "system-out").text = _text("\n".join([*said, *report.notes, report.next_step]))


def render_junit_error(name: str, error: GituneError) -> str:
    """Render an evaluation of which there is nothing to report, as an error."""
    root = root_element()
    add_error(root, name, type(error).__name__, error.message, error.hint)
    return written(root)


def add_error(root: Element, name: str, kind: str, message: str, hint: str = "") -> None:
    """Add a suite of which there is nothing to report but what went wrong."""
    suite = _suite(root, name, 1)
    suite.set("errors", "1")
    case = SubElement(suite, "testcase", classname=_text(name), name="evaluation")
    SubElement(case, "error", message=_text(message), type=kind).text = _text(hint or message)


def add_pass(root: Element, name: str, said: str) -> None:
    """Add a suite of what needed no gates."""
    case = SubElement(_suite(root, name, 1), "testcase", classname=_text(name), name="evaluation")
    SubElement(case, "system-out").text = _text(said)


def root_element() -> Element:
    """Return what suites are added to."""
    return Element("testsuites", name="gitune")


def _suite(root: Element, name: str, tests: int) -> Element:
    counts = {"tests": str(tests), "failures": "0", "errors": "0", "skipped": "0"}
    return SubElement(root, "testsuite", {"name": _text(name), **counts})


def _case(suite: Element, name: str, verdict: Verdict) -> None:
    case = SubElement(suite, "testcase", classname=_text(name), name=_text(verdict.gate))
    if verdict.outcome == "FAIL":
        SubElement(case, "failure", message=_text(verdict.reason), type="FAIL").text = _text(verdict.method)
    elif verdict.outcome == "INCONCLUSIVE":
        SubElement(case, "skipped", message=_text(f"INCONCLUSIVE: {verdict.reason}"))
    else:
        SubElement(case, "system-out").text = _text(verdict.reason)


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", clean(text))


def written(root: Element) -> str:
    """Return the document."""
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'
