"""Strict reading of JSONL: the bad-data cases of research/eval.md §5 that concern bytes, lines and JSON."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.data import lines
from runner.data.findings import Findings
from runner.data.lines import read_rows

GOOD = b'{"input": "a", "output": "b"}\n'


def read(path, data):
    path.write_bytes(data)
    findings = Findings()
    rows = [*read_rows(path, "data/x.jsonl", findings)]
    return rows, findings.all()


CASES = {
    "fine": (GOOD * 2, [1, 2], []),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, [1], ["byte_order_mark"]),
    "CRLF": (GOOD.replace(b"\n", b"\r\n") * 2, [1, 2], []),
    "blank lines": (b"\n" + GOOD + b"  \t\n\r\n" + GOOD, [2, 5], []),
    "no final newline": (GOOD + GOOD.rstrip(), [1, 2], []),
    "U+2028, U+2029 and U+0085 end no line": ('{"a": "x\u2028y\u2029z\u0085"}\n'.encode() + GOOD, [1, 2], []),
    "escaped NUL is JSON": (b'{"a": "\\u0000"}\n', [1], []),
    "empty": (b"", [], ["empty_file"]),
    "white space only": (b" \n\r\n\n", [], ["empty_file"]),
    "only a byte order mark": (b"\xef\xbb\xbf", [], ["byte_order_mark", "empty_file"]),
    "UTF-16": (GOOD.decode().encode("utf-16"), [], ["encoding"]),
    "UTF-16 without mark": (GOOD.decode().encode("utf-16-le") * 3, [], ["encoding"]),
    "UTF-32": (GOOD.decode().encode("utf-32"), [], ["encoding"]),
    "one Latin-1 byte": (GOOD + b'{"a": "caf\xe9"}\n' + GOOD, [1, 3], ["encoding"]),
    "gzip": (gzip.compress(GOOD), [], ["compressed"]),
    "zip": (b"PK\x03\x04....", [], ["compressed"]),
    "Parquet": (b"PAR1....", [], ["not_jsonl"]),
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", [], ["git_lfs_pointer"]),
    "array": (b'[{"a": 1}, {"a": 2}]', [], ["json_array"]),
    "pretty array": (b'\n[\n  {\n    "a": 1\n  }\n]\n', [], ["json_array"]),
    "pretty object": (b'{\n  "a": 1\n}\n', [], ["pretty_printed"]),
    "objects over several lines": (b'{"a":\n1}\n', [], ["bad_json", "bad_json"]),
    "list row": (GOOD + b"[1]\n", [1], ["not_an_object"]),
    "null row": (GOOD + b"null\n", [1], ["not_an_object"]),
    "string row": (GOOD + b'"text"\n', [1], ["not_an_object"]),
    "number row": (GOOD + b"3\n", [1], ["not_an_object"]),
    "duplicate key": (b'{"a": 1, "a": 2}\n' + GOOD, [2], ["duplicate_key"]),
    "nested duplicate key": (b'{"m": [{"role": "a", "role": "b"}]}\n', [], ["duplicate_key"]),
    "NaN": (b'{"a": NaN}\n', [], ["bad_json"]),
    "lone surrogate": (b'{"a": "\\ud83d"}\n', [], ["bad_json"]),
    "two objects": (GOOD + b'{"a": 1} {"b": 2}\n', [1], ["several_values"]),
    "old Mac line ends": (b'{"a": 1}\r{"b": 2}\r', [], ["several_values"]),
    "trailing comma": (b'{"a": 1,}\n', [], ["bad_json"]),
    "single quotes": (b"{'a': 1}\n", [], ["bad_json"]),
    "raw tab": (b'{"a": "x\ty"}\n', [], ["bad_json"]),
    "raw NUL": (b'{"a": "x\0y"}\n', [], ["bad_json"]),
    "truncated last line": (GOOD + GOOD[:20], [1], ["file_cut"]),
    "truncated inside a character": (GOOD + '{"a": "é'.encode()[:-1], [1], ["file_cut"]),
    "bad JSON on the last line is not cut": (GOOD + b"{'a': 1}", [1], ["bad_json"]),
    "mark between joined files": (GOOD + b"\xef\xbb\xbf" + GOOD, [1], ["bad_json"]),
    "every fault is told": (b"{'a': 1}\n" + GOOD + b'{"a": NaN}\n[]\n', [2], ["bad_json", "bad_json", "not_an_object"]),
}


@pytest.mark.parametrize(("data", "read_lines", "codes"), CASES.values(), ids=CASES)
def test_lines_are_read_strictly(tmp_path, data, read_lines, codes):
    rows, found = read(tmp_path / "x", data)
    assert [row.where.line for row in rows] == read_lines
    assert [finding.code for finding in found] == codes
    assert {row.where.file for row in rows} <= {"data/x.jsonl"}


def test_a_finding_says_where_what_and_how_to_mend_it(tmp_path):
    _, (cut,) = read(tmp_path / "x", GOOD + GOOD[:20])
    assert str(cut.problem()).startswith("data/x.jsonl:2: the file was cut: ")
    _, (latin,) = read(tmp_path / "x", b'{"a": "caf\xe9"}\n')
    assert "not UTF-8 at byte 11 of the line (0xE9)" in latin.message
    assert "iconv" in latin.hint
    _, (utf16,) = read(tmp_path / "x", "{}".encode("utf-16"))
    assert "UTF-16" in utf16.message
    _, (quotes,) = read(tmp_path / "x", b"{'a': 1}\n")
    assert str(quotes.where) == "data/x.jsonl:1:2"


def test_a_sample_does_not_end_with_the_line_feed(tmp_path):
    _, findings = read(tmp_path / "x", b'{"input": "x"\nnull\r\n')
    assert [finding.sample for finding in findings] == ['{"input": "x"', "null"]


def test_samples_are_masked_short_and_printable(tmp_path):
    _, (finding,) = read(tmp_path / "x", b'["anna.real@mail.com 4111 1111 1111 1111 \x1b[31m", ' + b"1, " * 500 + b"\n")
    assert finding.code == "json_array"
    _, (finding,) = read(
        tmp_path / "x", b'"anna.real@mail.com 4111 1111 1111 1111 \\u001b \xe2\x80\xae' + b"x" * 500 + b'"\n'
    )
    assert finding.sample.startswith('"a***@*** ***11')
    assert len(finding.sample) <= 90
    assert finding.sample.isprintable()


def test_a_flood_is_counted(tmp_path):
    _, found = read(tmp_path / "x", b"nonsense\n" * 1000)
    assert len(found) == 6
    assert found[-1].message == "and 995 more, the next here"
    assert found[-1].where.line == 6


def test_a_long_line_is_skipped_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LINE_LIMIT", 40)
    rows, found = read(tmp_path / "x", GOOD + b'{"a": "' + b"x" * 500 + b'"}\n' + GOOD + b"y" * 100)
    assert [row.where.line for row in rows] == [1, 3]
    assert [(finding.code, finding.where.line) for finding in found] == [("line_too_long", 2), ("line_too_long", 4)]


def test_a_line_of_exactly_the_limit_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LINE_LIMIT", len(GOOD) - 1)
    rows, found = read(tmp_path / "x", GOOD + GOOD.rstrip())
    assert (len(rows), found) == (2, [])


def test_a_large_file_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "FILE_LIMIT", 10)
    assert [finding.code for finding in read(tmp_path / "x", GOOD)[1]] == ["file_too_large"]


def test_a_missing_file_is_a_finding(tmp_path):
    findings = Findings()
    assert [*read_rows(tmp_path / "none", "none", findings)] == []
    assert findings.all()[0].code == "unreadable"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)
some_bytes = st.binary(max_size=60) | st.sampled_from(
    [GOOD, b"\n", b"\r\n", b"\xef\xbb\xbf", b'{"a": "', b"[", b"\xff\xfe"]
)


@given(st.lists(some_bytes | json_values.map(lambda value: json.dumps(value).encode() + b"\n"), max_size=8))
def test_any_bytes_are_rows_or_findings(tmp_path_factory, pieces):
    rows, found = read(tmp_path_factory.getbasetemp() / "any", b"".join(pieces))
    assert rows or found
    for finding in found:
        assert str(finding.problem()).isprintable() or "\n    " in str(finding.problem())
