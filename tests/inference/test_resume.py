"""A prediction that is killed goes on where it was, and yields what an undisturbed one yields."""

import itertools
import pickle
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from runner.data.prompts import Prompt, prompts_of
from runner.inference import bulk
from runner.inference.answer_log import FILE, AnswerLog
from runner.inference.engine import Answer, ModelFiles
from runner.inference.pace import Pace
from runner.inference.probe import Asked
from runner.progress import Progress, silent
from runner.spec.evaluation import Generation
from runner.steps.predict import _reply

PROMPTS = [Prompt(f"{number:016x}", [{"role": "user", "content": str(number)}]) for number in range(3)]
ANSWERS = [Answer(prompt.id, "Ä\u2028line", "stop", 1, 2, 0.5) for prompt in PROMPTS]

KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from runner.steps.predict import _reply
asked, prompts, state = pickle.load(sys.stdin.buffer)
def die(progress):
    if progress.done >= 17:
        os.kill(os.getpid(), signal.SIGKILL)
_reply(asked, prompts, Path(state), die)
"""


def bare(answers):
    return {place: replace(answer, seconds=0) for place, answer in answers.items()}


@pytest.mark.parametrize(
    ("engine", "settings"),
    [
        ("llama_cpp", {}),
        ("llama_cpp", {"temperature": 0.9, "samples": 2}),
        ("transformers", {"temperature": 0.9, "samples": 2}),
    ],
)
def test_killed_and_asked_again_the_answers_are_the_same(engine, settings, base, rows, tmp_path, monkeypatch):
    system = {"role": "system", "content": "Think of lamps. " * 10}
    prompts = [replace(prompt, messages=[system, *prompt.messages]) for prompt in prompts_of(rows)]
    # Untrained: it has not made up its mind, so any other arithmetic would show.
    asked = Asked(engine, ModelFiles(base, None), Generation(max_new_tokens=12, **settings))
    work = pickle.dumps((asked, prompts, str(tmp_path / "killed")))
    killed = subprocess.run([sys.executable, "-c", KILLED], input=work, capture_output=True, timeout=240, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    told = []
    monkeypatch.setattr(bulk, "available_cores", lambda: 2)
    resumed, _ = _reply(asked, prompts, tmp_path / "killed", told.append)
    counts = [progress.done for progress in told if progress.total]
    total = len(prompts) * asked.settings.samples
    assert counts[0] >= 17
    assert counts[-1] == total
    monkeypatch.setattr(bulk, "available_cores", lambda: 1)
    whole, refused = _reply(asked, prompts, tmp_path / "whole", silent)
    assert bare(resumed) == bare(whole)
    assert (len(whole), refused) == (total, {})


@pytest.mark.parametrize("engine", ["llama_cpp", "transformers"])
def test_samples_differ_and_the_first_is_the_answer_of_one_alone(engine, base, rows, tmp_path):
    prompts = prompts_of(rows)[:8]

    def texts(name, samples):
        asked = Asked(engine, ModelFiles(base, None), Generation(max_new_tokens=12, temperature=0.9, samples=samples))
        return {place: answer.text for place, answer in _reply(asked, prompts, tmp_path / name, silent)[0].items()}

    several, one = texts("three", 3), texts("one", 1)
    assert texts("again", 3) == several
    assert {place: text for place, text in several.items() if place[1] == 0} == one
    assert len({several[prompts[0].id, sample] for sample in range(3)}) > 1


@pytest.mark.parametrize("engine", ["llama_cpp", "transformers"])
def test_what_is_refused_is_named_and_the_others_are_answered(engine, tuned, rows, tmp_path):
    prompts = prompts_of(rows)[:6]
    prompts[2] = replace(prompts[2], messages=[{"role": "user", "content": "why " * 3000}])
    asked = Asked(engine, tuned, Generation(max_new_tokens=4))
    answers, refused = _reply(asked, prompts, tmp_path, silent)
    assert refused.keys() == {prompts[2].id}
    assert "tokens and the context holds 2048" in refused[prompts[2].id].error
    assert refused[prompts[2].id].lasting
    assert {name for name, _ in answers} == {prompt.id for prompt in prompts} - refused.keys()


def filled(folder):
    with AnswerLog(folder, PROMPTS) as log:
        assert [log.add(answer) for answer in ANSWERS] == [True] * 3
        assert not log.add(ANSWERS[0])
    return folder / FILE


@pytest.mark.parametrize("lost", range(1, 40, 7))
def test_a_torn_end_is_dropped(tmp_path, lost):
    file = filled(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-lost])
    with AnswerLog(tmp_path, PROMPTS) as log:
        assert list(log.answers.values()) == ANSWERS[:2]
        log.add(ANSWERS[2])
    assert file.read_bytes() == whole


def test_what_follows_a_damaged_line_is_dropped(tmp_path):
    file = filled(tmp_path)
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([*lines[:2], b"\0\0\0", *lines[3:]]))
    with AnswerLog(tmp_path, PROMPTS) as log:
        assert list(log.answers.values()) == ANSWERS[:1]


def test_answers_to_other_prompts_are_forgotten(tmp_path):
    filled(tmp_path)
    with AnswerLog(tmp_path, PROMPTS[:2]) as log:
        assert log.answers == {}


def test_the_pace_is_told_with_what_is_left():
    told, clock = [], itertools.count(step=2).__next__
    pace = Pace(told.append, 10, 100, clock)
    pace(Progress("loading"))
    pace(Progress("answering"))
    # Every look at the clock takes two seconds: the first answer at 0, the third told at 6.
    for _ in range(3):
        pace.count()
    assert told[:2] == [Progress("loading"), Progress("answering", 10, 100, "answers")]
    assert told[-1] == Progress("answering", 13, 100, "answers", "0.3/s, 4 min left")


def test_no_pace_is_told_of_a_moment():
    told = []
    Pace(told.append, 0, 100, lambda: 5.0).count()
    assert told[-1] == Progress("answering", 1, 100, "answers")
