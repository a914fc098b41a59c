"""Preparing a dataset: checks over all rows, canonical results, and everything told at once."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.contract.contract import build_contract
from runner.data.prepare import prepare
from runner.data.rows import rows_to_jsonl
from runner.errors import DataError, GituneError, Location, SpecError
from runner.spec.evaluation import LabelsFormat
from runner.spec.models import Dataset

SPEC = Location("specs/x/spec.yaml")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "repo"


def write(root, **files):
    folder = root / "specs" / "x"
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)


def run(root, contract=None, **options):
    options.setdefault("train", ["*.jsonl"])
    options["checks"] = {"min_examples": 1, **options.get("checks", {})}
    return prepare(Dataset.model_validate(options), root / "specs" / "x", root, contract)


def problems_of(root, contract=None, **options):
    with pytest.raises(DataError) as caught:
        run(root, contract, **options)
    assert caught.value.exit_code == 5
    return [str(problem) for problem in caught.value.problems]


def pairs(count, start=0, answer="yes"):
    return [{"input": f"question {number}", "output": answer} for number in range(start, start + count)]


def codes(prepared):
    return [finding.code for finding in prepared.findings]


def canonical(prepared):
    return [rows_to_jsonl(rows) for rows in (prepared.train, prepared.validation, prepared.test)]


def test_rows_become_three_canonical_parts(root):
    write(root, a=pairs(100))
    prepared = run(root)
    assert len(prepared.train) + len(prepared.validation) + len(prepared.test) == 100
    assert min(len(prepared.validation), len(prepared.test)) > 0
    for rows in (prepared.train, prepared.validation, prepared.test):
        assert [row.id for row in rows] == sorted(row.id for row in rows)
    assert prepared.findings == []


def test_file_names_row_order_and_files_of_rows_change_nothing_but_the_sources(root):
    write(root, a=pairs(60), b=pairs(40, start=60))
    first = run(root)
    for path in (root / "specs/x").iterdir():
        path.unlink()
    write(root, one=pairs(30, start=70)[::-1], two=pairs(70)[::-1])
    second = run(root)
    assert canonical(first) == canonical(second)
    assert first.sources != second.sources


def test_formats_of_different_files_may_differ(root):
    chat = [
        {"messages": [{"role": "user", "content": row["input"]}, {"role": "assistant", "content": "yes"}]}
        for row in pairs(60)
    ]
    write(root, a=pairs(60))
    first = run(root)
    write(root, a=chat[:30], b=pairs(30, start=30))
    second = run(root)
    assert canonical(first) == canonical(second)
    assert second.card["formats"] == {"input_output": 30, "messages": 30}


def test_the_label_field_and_severities_change_no_row(root):
    write(root, a=[{"input": f"q {n}", "output": {"queue": "a" if n % 2 else "b"}} for n in range(60)])
    plain = run(root)
    other = run(root, label="queue", checks={"duplicates": "warn", "pii": "ignore"})
    assert canonical(plain) == canonical(other)
    assert other.card["labels"]["field"] == "queue"
    assert {label for counts in other.card["labels"]["counts"].values() for label in counts} == {"a", "b"}


def test_sources_name_every_row_once(root):
    write(root, a=pairs(50), b=pairs(50, start=50))
    prepared = run(root)
    rows = [*prepared.train, *prepared.validation, *prepared.test]
    assert [source["id"] for source in prepared.sources] == [row.id for row in rows]
    by_id = {source["id"]: source for source in prepared.sources}
    some = next(row for row in rows if row.messages[0]["content"] == "question 51")
    assert by_id[some.id]["file"] == "specs/x/b.jsonl"
    assert by_id[some.id]["line"] == 2
    assert {source["split"] for source in prepared.sources} == {"train", "validation", "test"}


def test_the_system_prompt_opens_conversations_that_have_none(root):
    own = {
        "messages": [
            {"role": "system", "content": "own"},
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "a"},
        ]
    }
    write(root, a=pairs(60), b=[own])
    prepared = run(root, system_prompt="Route.")
    openings = [
        row.messages[0]["content"] for rows in (prepared.train, prepared.validation, prepared.test) for row in rows
    ]
    assert sorted(set(openings)) == ["Route.", "own"]
    assert openings.count("own") == 1
    without = run(root)
    assert [len(part) for part in canonical(prepared)] != [len(part) for part in canonical(without)]
    assert len(prepared.test) == len(without.test), "the prompt does not move rows"


def test_given_files_are_the_parts(root):
    write(root, train=pairs(60), valid=pairs(10, start=100), held=pairs(20, start=200))
    prepared = run(root, train=["train.jsonl"], validation=["valid.jsonl"], test=["held.jsonl"])
    assert [len(rows) for rows in (prepared.train, prepared.validation, prepared.test)] == [60, 10, 20]
    assert prepared.card["split"]["by"] == {"validation": "files", "test": "files"}
    only_test = run(root, train=["train.jsonl"], test=["held.jsonl"])
    assert len(only_test.test) == 20
    assert len(only_test.train) + len(only_test.validation) == 60
    assert len(only_test.validation) > 0


def test_groups_stay_together_and_are_in_the_rows(root):
    write(root, a=[{**row, "customer": n // 5} for n, row in enumerate(pairs(100))])
    prepared = run(root, split={"group_by": "customer"})
    groups = [{row.group for row in rows} for rows in (prepared.train, prepared.validation, prepared.test)]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 20
    assert codes(prepared) == []


@pytest.mark.parametrize("value", [None, "", True, 1.5, ["x"], "x" * 201])
def test_a_row_without_a_usable_group_is_an_error(root, value):
    write(root, a=[*({**row, "customer": "c"} for row in pairs(3)), {**pairs(1)[0], "customer": value}])
    (problem,) = problems_of(root, split={"group_by": "customer"})
    assert problem.startswith("specs/x/a.jsonl:4: field 'customer' must be")
    write(root, a=pairs(1))
    assert "is missing" in problems_of(root, split={"group_by": "customer"})[0]


def test_equal_inputs_in_two_groups_are_warned_of(root):
    write(root, a=[{**row, "customer": n} for n in range(40) for row in pairs(1, answer=f"{n}")])
    assert "leak" in codes(run(root, split={"group_by": "customer"}))


ANSWERS = LabelsFormat(labels=["yes", "no"])


def test_answers_of_every_part_are_held_against_the_contract(root):
    contract = build_contract(ANSWERS, root, root, SPEC)
    write(
        root,
        a=[*pairs(60), {"input": "x", "output": "Yes"}],
        held=[*pairs(1, start=99), {"input": "y", "output": "maybe"}],
    )
    found = problems_of(root, contract, train=["a.jsonl"], test=["held.jsonl"])
    assert [problem.partition(": the answer breaks")[0] for problem in found] == [
        "specs/x/a.jsonl:61",
        "specs/x/held.jsonl:2",
    ]
    assert "'Yes' is none of the 2 labels; the nearest is 'yes'" in found[0]
    write(root, a=pairs(60), held=pairs(2, start=99, answer="no"))
    assert run(root, contract, train=["a.jsonl"], test=["held.jsonl"]).findings == []


@pytest.mark.parametrize(
    ("policy", "rows", "severity"),
    [("drop", 60, "info"), ("warn", 62, "warn"), ("ignore", 62, None), ("error", 0, "error")],
)
def test_duplicates_follow_the_policy(root, policy, rows, severity):
    write(root, a=[*pairs(60), *pairs(2)])
    if policy == "error":
        assert problems_of(root, checks={"duplicates": policy})[0].startswith(
            "specs/x/a.jsonl:61: the same row as specs/x/a.jsonl:1"
        )
        return
    prepared = run(root, checks={"duplicates": policy})
    assert sum(map(len, (prepared.train, prepared.validation, prepared.test))) == rows
    assert [finding.severity for finding in prepared.findings] == ([severity] * 2 if severity else [])
    assert prepared.card["rows"]["dropped"] == 62 - rows


def test_which_duplicate_is_dropped_does_not_depend_on_order(root):
    rows = [{**row, "customer": f"{letter}{n}"} for n, row in enumerate(pairs(60)) for letter in "bac"]
    write(root, a=rows)
    first = run(root, split={"group_by": "customer"})
    write(root, a=rows[::-1])
    second = run(root, split={"group_by": "customer"})
    assert canonical(first) == canonical(second)
    assert {row.group[0] for rows in (first.train, first.test) for row in rows} == {"a"}


def test_conflicting_answers_are_warned_of(root):
    write(root, a=[*pairs(60), {"input": "QUESTION  7", "output": "no"}])
    (finding,) = run(root).findings
    assert (finding.code, finding.severity, str(finding.where)) == ("conflicting_answers", "warn", "specs/x/a.jsonl:61")
    assert "specs/x/a.jsonl:8" in finding.message


def test_the_same_question_under_another_system_message_is_no_conflict(root):
    def chat(system, answer):
        turns = (("system", system), ("user", "q"), ("assistant", answer))
        return {"messages": [{"role": role, "content": text} for role, text in turns]}

    write(root, a=pairs(60), b=[chat("shout", "A"), chat("whisper", "a")])
    assert codes(run(root)) == []


def test_test_rows_in_train_files_are_an_error(root):
    write(root, a=pairs(60), held=[*pairs(3, start=100), {"input": " Question 5", "output": "no"}])
    (problem,) = [text for text in problems_of(root, train=["a.jsonl"], test=["held.jsonl"]) if "leak" in text]
    assert problem.startswith("specs/x/held.jsonl:4: the same input as specs/x/a.jsonl:6")


def test_a_file_in_two_parts_is_an_error(root):
    write(root, a=pairs(60), held=pairs(3, start=100))
    assert problems_of(root, train=["*.jsonl"], test=["held.jsonl"])[0].startswith(
        "specs/x/spec.yaml: specs/x/held.jsonl is in dataset.train and in dataset.test"
    )


def test_personal_data_follows_the_policy_and_is_masked(root):
    write(root, a=[*pairs(60), {"input": "mail anna.real@mail.com", "output": "call +351 912 345 678"}])
    found = run(root, checks={"pii": "warn"}).findings
    assert [finding.code for finding in found] == ["pii_email", "pii_phone"]
    (email, phone) = problems_of(root, checks={"pii": "error"})
    assert "a***@***" in email
    assert "anna.real" not in email + phone
    assert "912" not in phone
    assert run(root, checks={"pii": "ignore"}).findings == []


def test_the_spec_s_own_prompt_is_no_personal_data(root):
    write(root, a=pairs(60))
    assert run(root, system_prompt="Mail support@lumora.com").findings == []


def test_too_few_examples_are_an_error(root):
    write(root, a=pairs(20))
    (problem,) = problems_of(root, checks={"min_examples": 50})
    assert problem.startswith("specs/x/spec.yaml: dataset.train has 20 rows")


@pytest.mark.parametrize(
    ("split", "word"), [({"test": 0.0}, "test"), ({"test": 0.001}, "test"), ({"validation": 0.0001}, "validation")]
)
def test_a_part_without_rows_is_an_error(root, split, word):
    write(root, a=pairs(40))
    (problem,) = problems_of(root, split=split)
    assert f"the {word} split has no rows" in problem


def test_no_validation_when_none_is_asked_for_is_a_warning(root):
    write(root, a=pairs(40))
    assert codes(run(root, split={"validation": 0.0})) == ["empty_validation"]


def test_mixed_formats_in_a_file_name_the_lines_of_each(root):
    chat = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    write(root, a=[*pairs(3), chat, *pairs(9, start=5), chat])
    (problem,) = [text for text in problems_of(root) if "mixed_formats" in text]
    assert problem.startswith("specs/x/a.jsonl:4: several formats")
    assert "`input_output` (12 rows, line 1, 2, 3, 5, 6, …)" in problem
    assert "`messages` (2 rows, line 4, 14)" in problem


def test_an_unknown_format_is_told_once_per_file(root):
    write(root, a=[{"text": "q", "intent": "a"}] * 30, b=[{"chosen": "x", "rejected": "y"}])
    one, other = problems_of(root)
    assert "keys 'intent', 'text' (30 rows, line 1, 2, 3, 4, 5, …)" in one
    assert "input_output: input, output" in one
    assert "the row does not say what was asked [no_prompt]" in other


def test_a_forced_format_is_kept_to(root):
    write(root, a=pairs(60))
    assert run(root, format="input_output").card["formats"] == {"input_output": 60}
    assert "no 'messages'" in problems_of(root, format="messages")[0]


def test_unused_keys_are_warned_of_once(root):
    write(root, a=[{**row, "id": 1, "queue": "x"} for row in pairs(60)])
    (finding,) = run(root, label="queue").findings
    assert (finding.code, finding.severity) == ("unknown_key", "warn")
    assert "/id is not used (60 rows" in finding.message


def test_repeated_roles_are_warned_of(root):
    turns = (("user", "a"), ("user", "b"), ("assistant", "c"))
    write(root, a=pairs(60), b=[{"messages": [{"role": role, "content": text} for role, text in turns]}])
    assert codes(run(root)) == ["repeated_role"]


def test_everything_is_told_at_once(root):
    contract = build_contract(ANSWERS, root, root, SPEC)
    write(
        root,
        a=[{"input": "q", "output": ""}, {"input": "r", "output": "perhaps"}, {"input": 5, "output": "yes"}],
        b='{"input": "cut',
    )
    found = problems_of(root, contract, checks={"min_examples": 50})
    assert [problem.rpartition("[")[2].partition("]")[0] for problem in found] == [
        "empty_answer",
        "not_a_string",
        "file_cut",
        "contract_not_a_label",
    ]


def test_all_bad_patterns_are_told(root):
    write(root, a=pairs(3))
    with pytest.raises(SpecError) as caught:
        run(root, train=["none.jsonl"], test=["hf://datasets/x"])
    assert len(caught.value.problems) == 2


def test_the_card_is_json_and_repeatable(root):
    write(root, a=[*pairs(60), *pairs(1)], b=[{"input": "mail anna@mail.com", "output": "no"}])
    card = run(root).card
    assert json.loads(json.dumps(card)) == card == run(root).card
    assert card["files"][0] == {"file": "specs/x/a.jsonl", "part": "train", "rows": 61, "formats": {"input_output": 61}}
    assert card["rows"]["read"] == 62
    assert {"code": "pii_email", "severity": "warn", "count": 1} in card["findings"]["counts"]
    assert card["lengths"]["train"]["answer_characters"]["max"] == 3


row_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("assistant") | st.just("user"),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value"]), children, max_size=3)
    ),
    max_leaves=8,
)
rows = st.dictionaries(
    st.sampled_from(["messages", "input", "output", "prompt", "completion", "instruction", "conversations", "g"]),
    row_values,
)


@settings(max_examples=60)
@given(st.lists(rows | st.builds(lambda question: {"input": question, "output": "yes"}, st.text())), st.booleans())
def test_any_rows_are_prepared_or_refused(tmp_path_factory, found, grouped):
    root = tmp_path_factory.getbasetemp() / "fuzz"
    write(root, a=found)
    contract = build_contract(ANSWERS, root, root, SPEC)
    with contextlib.suppress(GituneError):
        prepared = run(root, contract, split={"group_by": "g" if grouped else None})
        assert prepared.train
        assert prepared.test
