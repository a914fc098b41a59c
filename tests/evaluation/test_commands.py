"""A program of the repository as a grader: what it gets, what it must reply, and what it can not do."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from runner.errors import GituneError
from runner.evaluation.commands import CommandGrader
from runner.evaluation.grading import Graded
from runner.progress import silent
from runner.spec.services import MetricCommand

ROWS = [
    Graded("r1", "Where is it?", "Berlin", "Berlin"),
    Graded("r2", "Größe?", "zwölf\u2028Meter", "'; rm -rf /; \udcff".encode(errors="replace").decode()),
    Graded("r3", "", "", "x" * 100_000),
]
READ = "import json, sys\nrows = [json.loads(line) for line in sys.stdin.buffer.read().split(b'\\n') if line]\n"


def grade(tmp_path, program, rows=ROWS, **settings):
    (tmp_path / "score.py").write_text(READ + program)
    entry = MetricCommand(name="scorer", command=[sys.executable, "score.py"], **settings)
    return CommandGrader(entry, tmp_path, silent).grade(rows)


def says(*lines):
    return f"print({chr(10).join(lines)!r})"


def test_each_row_gets_the_score_that_the_program_gives_it(tmp_path):
    program = (
        "for row in reversed(rows):\n"
        "    assert row.keys() == {'row', 'input', 'reference', 'answer'}\n"
        "    print(json.dumps({'row': row['row'], 'score': float(row['answer'] == row['reference'])}))\n"
    )
    assert grade(tmp_path, program) == [1.0, 0.0, 0.0]


def test_texts_arrive_as_they_are(tmp_path):
    program = "open('seen', 'w').write(json.dumps(rows))\n" + "".join(
        f"print(json.dumps({{'row': {row.row!r}, 'score': 1}}))\n" for row in ROWS
    )
    grade(tmp_path, program)
    import json

    seen = json.loads((tmp_path / "seen").read_text())
    assert [(one["input"], one["reference"], one["answer"]) for one in seen] == [
        (row.input, row.reference, row.answer) for row in ROWS
    ]


def test_a_row_that_it_cannot_grade_is_none(tmp_path):
    reply = says(
        '{"row": "r1", "score": null, "error": "no idea"}', '{"row": "r2", "score": 1}', '{"row": "r3", "score": 0.25}'
    )
    assert grade(tmp_path, reply) == [None, 1.0, 0.25]


def test_samples_of_a_row_are_told_apart(tmp_path):
    rows = [Graded("r1", "q", "a", answer) for answer in ("yes", "no", "yes")]
    program = "for row in rows:\n    print(json.dumps({'row': row['row'], 'score': float(row['answer'] == 'yes')}))\n"
    assert grade(tmp_path, program, rows) == [1.0, 0.0, 1.0]


GOOD = ('{"row": "r1", "score": 1}', '{"row": "r2", "score": 1}', '{"row": "r3", "score": 1}')


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (says(*GOOD[:2]), "no score for 1 of 3 rows, such as r3"),
        ("", "no score for 3 of 3 rows"),
        (says(*GOOD, GOOD[0]), "line 4: row r1 has a score already"),
        (says(*GOOD, '{"row": "r9", "score": 1}'), "line 4: there is no row r9"),
        (says(*GOOD[:2], '{"row": "r3", "score": NaN}'), "line 3: NaN"),
        (says(*GOOD[:2], '{"row": "r3", "score": 1e999}'), "line 3"),
        (says(*GOOD[:2], '{"row": "r3", "score": 1.01}'), "no number from 0 to 1: 1.01"),
        (says(*GOOD[:2], '{"row": "r3", "score": -0.1}'), "no number from 0 to 1"),
        (says(*GOOD[:2], '{"row": "r3", "score": true}'), "no number from 0 to 1: true"),
        (says(*GOOD[:2], '{"row": "r3", "score": "1"}'), "no number from 0 to 1"),
        (says(*GOOD[:2], '{"row": "r3", "score": null}'), "neither score nor error"),
        (says(*GOOD[:2], '{"row": "r3"}'), "not an object with `row` and `score`"),
        (says(*GOOD[:2], '{"row": "r3", "score": 1, "scor": 2}'), "not an object with `row` and `score`"),
        (says(*GOOD[:2], '{"row": "r3", "score": 0, "score": 1}'), "line 3"),
        (says("loading model …", *GOOD), "line 1"),
        (says(*GOOD) + "\nsys.exit(3)", "failed with exit code 3"),
        ("raise ValueError('no such file')", "exit code 1: ValueError: no such file"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "ended by signal 11"),
    ],
)
def test_a_reply_that_is_not_a_score_for_each_row_is_an_error(program, message, tmp_path):
    with pytest.raises(GituneError, match="the metric program scorer ") as caught:
        grade(tmp_path, program)
    assert message in caught.value.message


def test_output_is_bounded(tmp_path):
    with pytest.raises(GituneError, match="printed more than"):
        grade(tmp_path, "while True: sys.stdout.write('x' * 65536)")


def test_noise_on_stderr_is_no_reply_and_fills_nothing(tmp_path):
    program = "sys.stderr.write('x' * (1 << 22))\n" + says(*GOOD)
    assert grade(tmp_path, program) == [1.0, 1.0, 1.0]


def alive(pid):
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("how", ["hangs", "ends"])
def test_nothing_is_left_running(how, tmp_path):
    program = (
        "import subprocess, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pid', 'w').write(str(child.pid))\n" + ("time.sleep(60)\n" if how == "hangs" else says(*GOOD))
    )
    started = time.monotonic()
    if how == "hangs":
        with pytest.raises(GituneError, match="took more than 2 s"):
            grade(tmp_path, program, timeout=2)
    else:
        # What it started has its output open, and is not waited for.
        assert grade(tmp_path, program, timeout=30) == [1.0, 1.0, 1.0]
    assert time.monotonic() - started < 15
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def test_a_program_that_does_not_read_is_no_deadlock(tmp_path):
    (tmp_path / "score.py").write_text(says(*GOOD))
    entry = MetricCommand(name="scorer", command=[sys.executable, "score.py"])
    rows = [Graded(row.row, "", "", "y" * (1 << 20)) for row in ROWS]
    assert CommandGrader(entry, tmp_path, silent).grade(rows) == [1.0, 1.0, 1.0]


def test_it_sees_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("SCORER_MODE", "strict")
    program = "import os\nopen('env', 'w').write(' '.join(sorted(os.environ)))\n" + says(*GOOD)
    grade(tmp_path, program, env=["SCORER_MODE"])
    # What Python and C libraries set by themselves is harmless.
    seen = set((tmp_path / "env").read_text().split()) - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"}
    assert "SCORER_MODE" in seen
    assert seen <= {"PATH", "HOME", "LANG", "TMPDIR", "SCORER_MODE"}


def test_a_variable_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("SCORER_MODE", raising=False)
    with pytest.raises(GituneError, match=r"needs \$SCORER_MODE, which is not set"):
        grade(tmp_path, says(*GOOD), env=["SCORER_MODE"])


def test_a_program_that_is_not_there_is_told(tmp_path):
    entry = MetricCommand(name="scorer", command=["no-such-program"])
    with pytest.raises(GituneError, match="cannot be started: No such file"):
        CommandGrader(entry, tmp_path, silent).grade(ROWS)


def test_no_shell_reads_the_arguments(tmp_path):
    (tmp_path / "score.py").write_text("import sys\nopen('argv', 'w').write(repr(sys.argv[1:]))\n" + says(*GOOD))
    entry = MetricCommand(name="scorer", command=[sys.executable, "score.py", "$HOME; touch hacked"])
    CommandGrader(entry, tmp_path, silent).grade(ROWS)
    assert (tmp_path / "argv").read_text() == "['$HOME; touch hacked']"
    assert not (tmp_path / "hacked").exists()
