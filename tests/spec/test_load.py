from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import Location, SpecError, UsageError
from runner.spec.load import load_spec, load_specs
from runner.spec.schema import validate_with_jsonschema


def test_the_designs_example_parses_and_validates(repository, design):
    loaded = repository.load(design)
    assert loaded.spec.training.learning_rate == 2e-4
    assert loaded.spec.dataset.checks.pii == "error"
    assert loaded.spec.evaluation.gates[0].by.points == 10
    assert loaded.folder == repository.folder
    assert validate_with_jsonschema(loaded) == []


def test_places_are_those_of_the_file(repository, design):
    loaded = repository.load(design)
    lines = design.splitlines()
    for path, place in loaded.places.items():
        key = path.rpartition(".")[2]
        if path and not key.isdigit():
            assert lines[place.line - 1][place.column - 1 :].startswith(key), path
    assert lines[loaded.where("evaluation.gates.1.at_least").line - 1].endswith("at_least: 0.95}")


def test_a_key_left_out_is_placed_at_its_mapping(repository, design):
    loaded = repository.load(design)
    assert loaded.where("training.weight_decay") == loaded.places["training"]
    assert loaded.where("nowhere.at.all") == Location("specs/support-triage/spec.yaml", 2, 1)


def _shuffled(value, rng):
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: _shuffled(item, rng) for key, item in items}
    return [_shuffled(item, rng) for item in value] if isinstance(value, list) else value


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(), flow=st.booleans())
def test_order_of_keys_style_and_comments_do_not_matter(repository, design, seed, flow):
    data = _shuffled(yaml.safe_load(design), random.Random(seed))
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=flow, allow_unicode=True)
    assert repository.load("# another\n" + text).spec == repository.load(design).spec


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("validation: 0.1,", "validation: 0.10,"),
        ("learning_rate: 2.0e-4", "learning_rate: 0.0002"),
        ("learning_rate: 2.0e-4", "learning_rate: 2e-4"),
        ("alpha: 32,", "alpha: 32.0,"),
        ("temperature: 0,", "temperature: 0.0,"),
        ("  seed: 42\n\n", "  seed: 42\n  weight_decay: 0.0\n\n"),
        ("name: support-triage\n", "name: 'support-triage'\n"),
        ("name: support-triage\n", "name: >-\n  support-triage\n"),
        ("name: support-triage\n", "name: &x support-triage\n"),
        ("apiVersion", "\ufeff---\napiVersion"),
        ("\n", "\r\n"),
    ],
)
def test_another_spelling_is_the_same_spec(repository, design, old, new):
    head = design.split("\n", 1)[1]
    assert repository.load(head.replace(old, new)).spec == repository.load(design).spec


def test_load_specs_goes_by_name(repository, design):
    repository.file.write_text(design)
    other = repository.root / "specs" / "a-second"
    other.mkdir()
    (other / "spec.yaml").write_text(design.replace("name: support-triage", "name: a-second"))
    (other / "output.schema.json").write_text("{}")
    (repository.root / "specs" / "shared-data").mkdir()
    (repository.root / "specs" / ".hidden").mkdir()
    assert [loaded.spec.name for loaded in load_specs(repository.root)] == ["a-second", "support-triage"]
    assert [loaded.file for loaded in load_specs(repository.root, ["a-second"])] == ["specs/a-second/spec.yaml"]


def test_errors_of_several_files_are_told_together(repository, edited):
    repository.file.write_text(edited("num_epochs: 3", "num_epochs: 0"))
    copy = repository.root / "specs" / "copy"
    copy.mkdir()
    (copy / "spec.yaml").write_text(edited("method: lora", "method: lara"))
    with pytest.raises(SpecError) as caught:
        load_specs(repository.root)
    files = [problem.where.file for problem in caught.value.problems]
    assert set(files) == {"specs/copy/spec.yaml", "specs/support-triage/spec.yaml"}
    assert "specs/support-triage has this name already" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "fragment"), [(["suport-triage"], "did you mean `support-triage`?"), (["x"], "there are: support-triage")]
)
def test_an_unknown_name_is_wrong_usage(repository, design, names, fragment):
    repository.file.write_text(design)
    with pytest.raises(UsageError, match="no spec named") as caught:
        load_specs(repository.root, names)
    assert fragment in caught.value.hint


@pytest.mark.parametrize("name", ["specs/support-triage", "specs/support-triage/", "specs/support-triage/spec.yaml"])
def test_a_path_in_place_of_a_name_is_answered_with_the_name(repository, design, name):
    repository.file.write_text(design)
    with pytest.raises(UsageError) as caught:
        load_specs(repository.root, [name])
    assert "name the spec, not its file: `support-triage`" in str(caught.value)


def test_a_spec_file_with_another_ending_is_told_not_skipped(repository, design):
    repository.file.write_text(design)
    other = repository.root / "specs" / "other"
    other.mkdir()
    (other / "spec.yml").write_text(design)
    with pytest.raises(SpecError) as caught:
        load_specs(repository.root)
    assert str(caught.value) == "specs/other/spec.yml: the file is named spec.yml\n    rename it to spec.yaml"
    assert [loaded.spec.name for loaded in load_specs(repository.root, ["support-triage"])] == ["support-triage"]


def test_a_copied_folder_that_can_be_no_name_is_to_be_renamed(repository, design):
    repository.file.write_text(design)
    copy = repository.root / "specs" / "my bot"
    copy.mkdir()
    (copy / "spec.yaml").write_text(design)
    (copy / "output.schema.json").write_text("{}")
    with pytest.raises(SpecError, match="rename the folder") as caught:
        load_specs(repository.root)
    assert "name: my bot" not in str(caught.value)


def test_no_spec_is_wrong_usage(tmp_path: Path):
    with pytest.raises(UsageError, match="no folder"):
        load_specs(tmp_path)
    (tmp_path / "specs").mkdir()
    with pytest.raises(UsageError, match="no spec in"):
        load_specs(tmp_path)


def test_a_file_reached_through_a_relative_path_has_its_repository_name(repository, design, monkeypatch):
    repository.file.write_text(design)
    monkeypatch.chdir(repository.folder)
    assert load_spec(Path("spec.yaml"), Path("../..")).file == "specs/support-triage/spec.yaml"
