"""Whatever a person brings: the spec that is proposed loads, says what the data say, and its data can be prepared."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from newcomer import BASE, base_in, write_rows

from runner.contract.contract import build_contract
from runner.data.conversation import is_visible
from runner.data.prepare import prepare
from runner.errors import DataError
from runner.evaluation.measurable import validate_measurable
from runner.init.create import Wish, create
from runner.init.sample import read_sample
from runner.spec.load import load_spec
from runner.spec.schema import validate_with_jsonschema

WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    is_visible
)
QUESTIONS = st.lists(WORD, min_size=50, max_size=70, unique_by=lambda text: " ".join(text.casefold().split()))


def created(rows: list[dict]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = base_in(Path(scratch) / "bots")
        sample = read_sample([write_rows(Path(scratch) / "rows.jsonl", rows)])
        create(Wish(folder, "registry/store", github=False, sample=sample, name="bot", base_model=BASE))
        loaded = load_spec(folder / "specs/bot/spec.yaml", folder)
        assert not validate_with_jsonschema(loaded)
        evaluation = loaded.spec.evaluation
        validate_measurable(evaluation, loaded.where)
        contract = build_contract(evaluation.output_format, loaded.folder, folder, loaded.where(""))
        prepared = prepare(loaded.spec.dataset, loaded.folder, folder, contract)
        assert prepared.train
        assert prepared.validation
        assert prepared.test


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(QUESTIONS, st.lists(WORD, min_size=2, max_size=9, unique_by=str.strip))
@example([f"q {i}" for i in range(50)], ["yes", "no", "1e5", "null", "#a", "[b", "'c", '"d', "e: f", "é\u2028x", "😀"])
@example([f"q {i}" for i in range(50)], ["a\x85b", "\ufeffc", "- d", "{e}", "0o7", "1:30", "2024-01-01", "~", "="])
def test_labels(questions, labels):
    rows = [{"input": text, "output": labels[number % len(labels)]} for number, text in enumerate(questions)]
    told = refusal(rows)
    # The one thing that may be refused: rows that are the same once white space around them is gone.
    assert not told or "too few" in told or "split has no rows" in told


def refusal(rows: list[dict]) -> str:
    """Return why rows are refused, or nothing where a spec is made of them."""
    try:
        created(rows)
    except DataError as error:
        return str(error)
    return ""


FIELDS = st.dictionaries(
    WORD, st.sampled_from(["choice", "free", "number", "flag", "list", "object", "missing"]), min_size=1, max_size=5
)


def value(kind: str, number: int) -> object:
    return {
        "choice": "abc"[number % 3],
        "free": f"text {number}",
        "number": number / 4,
        "flag": number % 2 == 0,
        "list": [number] * (number % 3),
        "object": {"inner": "xy"[number % 2], "n": None if number % 5 else number},
        "missing": None,
    }[kind]


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(FIELDS, st.booleans())
def test_json_answers(fields, as_text):
    rows = []
    for number in range(64):
        answer = {key: value(kind, number) for key, kind in fields.items() if kind != "missing" or number % 2}
        output = json.dumps(answer, ensure_ascii=False) if as_text else answer
        rows.append({"input": f"question {number}", "output": output})
    told = refusal(rows)
    assert not told or "the same answer" in told


def test_messages_and_preferences():
    created(
        [
            {
                "messages": [
                    {"role": "user", "content": f"q {i}"},
                    {"role": "assistant", "content": f"answer {i} of many"},
                ]
            }
            for i in range(60)
        ]
    )
    created(
        [
            {
                "input": {"messages": [{"role": "user", "content": f"q {i}"}]},
                "preferred_output": [{"role": "assistant", "content": f"good {i}"}],
                "non_preferred_output": [{"role": "assistant", "content": f"bad {i}"}],
            }
            for i in range(60)
        ]
    )
