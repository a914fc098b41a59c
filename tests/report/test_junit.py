"""JUnit: a case for each gate, valid XML for any text."""

from xml.etree.ElementTree import fromstring

import spoiled
from hypothesis import HealthCheck, given, settings

from runner.errors import UsageError
from runner.report.junit import render_junit, render_junit_error


def of(report, *outcomes):
    verdicts = [report.verdicts[0].model_copy(update={"outcome": outcome}) for outcome in outcomes]
    return fromstring(render_junit(report.model_copy(update={"verdicts": verdicts})))


def test_every_outcome_has_its_element(report):
    (suite,) = of(report, "PASS", "FAIL", "INCONCLUSIVE", "FAIL")
    assert [suite.get(name) for name in ("tests", "failures", "skipped", "errors")] == ["4", "2", "1", "0"]
    cases = suite.findall("testcase")
    assert [case[0].tag for case in cases] == ["system-out", "failure", "skipped", "failure"]
    assert cases[1][0].get("message") == report.verdicts[0].reason
    assert cases[2][0].get("message").startswith("INCONCLUSIVE: ")
    assert {case.get("classname") for case in cases} == {"support-triage"}
    assert suite.find("properties/property[@name='decision']").get("value") == "do not merge yet"


def test_what_cannot_be_reported_is_an_error():
    (suite,) = fromstring(render_junit_error("bot", UsageError("bot 1.0.0 has no score \x00<b>", hint="apply")))
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
    assert suite.find("testcase/error").get("message") == "bot 1.0.0 has no score \ufffd<b>"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(updates=spoiled.updates, words=spoiled.texts)
def test_any_text_is_valid_xml(report, updates, words):
    root = fromstring(render_junit(spoiled.spoiled(report, updates, words)).encode())
    assert len(root.findall("testsuite/testcase")) == len(report.verdicts)
