"""A version survives the way out and back whole, and nothing that was changed on the way gets in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import World, fake_weights

from runner.errors import ConflictError, GituneError, RegistryError, UsageError
from runner.progress import silent
from runner.registry.chain import record_digest, sealed_record, sealed_records
from runner.registry.portable import CARD, MANIFEST, VERSION, read_export, take_over, write_export
from runner.registry.registry import open_registry
from runner.report.audit import audit
from runner.report.model_card import model_card
from runner.report.proof import prove_release

ROOT = Path("/nowhere")
"""Commits are not checked without their repository."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two released versions, the second compared with the first."""
    patch = pytest.MonkeyPatch()
    fake_weights(patch)
    world = World(tmp_path_factory.mktemp("released"))
    world.apply()
    world.spec["version"] = "1.1.0"
    world.files["data/c.jsonl"] = list(range(120, 150))
    _, outcome = world.apply()
    assert outcome.deployment
    yield world
    patch.undo()


EXTRAS = {"tokenizer.json": b"{}", CARD: b"# card"}


def export(world, folder, number="1.1.0", **options):
    version = world.registry.version("bot", number)
    write_export(version, world.registry, folder, EXTRAS, **options)
    return version


def empty(folder):
    folder.mkdir()
    return open_registry("store", folder, folder / "cache")


def broken(version, registry):
    return [link.what for link in prove_release(version, registry, ROOT) if link.broken]


def test_with_data_the_whole_proof_holds_elsewhere_and_nothing_runs_again(world, tmp_path):
    version = export(world, tmp_path / "out", with_data=True)
    found = read_export(tmp_path / "out")
    assert broken(found.exported, found) == []
    adapter = version.content.adapter
    assert found.read(adapter) == world.registry.read(adapter)
    registry = empty(tmp_path / "new")
    assert len(take_over(found, registry)) == 7
    assert registry.version("bot", "1.1.0") == version
    assert broken(version, registry) == []
    # Its champion too: what a version was compared with is part of its scores.
    export(world, tmp_path / "champion", number="1.0.0", with_data=True)
    take_over(read_export(tmp_path / "champion"), registry)
    before, world.registry = world.registry, registry
    try:
        plan = world.plan().specs[0]
    finally:
        world.registry = before
    assert {step.action for step in plan.steps if step.step != "deploy"} == {"REUSE"}
    assert plan.step("deploy").action == "RUN"


def test_without_data_no_row_answer_or_label_leaves(world, tmp_path):
    version = export(world, tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    texts = [path.read_text() for path in files if "records" not in path.parts]
    assert not any("item 3 " in text or '\\"size\\"' in text for text in texts)
    found = read_export(tmp_path / "out")
    assert len(found.manifest.withheld) > 5
    # What is there is proven as far as it goes, and is enough to deploy.
    assert broken(found.exported, found) == []
    registry = empty(tmp_path / "new")
    assert {record.step for record in take_over(found, registry)} == {"train", "gate"}
    assert registry.fetch(version.content.adapter).is_dir()


def test_importing_again_changes_nothing(world, tmp_path):
    export(world, tmp_path / "out", with_data=True)
    registry = empty(tmp_path / "new")
    take_over(read_export(tmp_path / "out"), registry)
    store = tmp_path / "new" / "store"
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    assert take_over(read_export(tmp_path / "out"), registry) == []
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()} == before


def test_other_content_under_a_released_number_is_a_conflict_and_writes_nothing(world, tmp_path):
    export(world, tmp_path / "out", with_data=True)
    registry = empty(tmp_path / "new")
    version = world.registry.version("bot", "1.0.0")
    registry.release(version.model_copy(update={"version": "1.1.0"}))
    before = sorted((tmp_path / "new" / "store").rglob("*"))
    with pytest.raises(ConflictError, match=r"bot@1.1.0 is already released there with other content"):
        take_over(read_export(tmp_path / "out"), registry)
    assert sorted((tmp_path / "new" / "store").rglob("*")) == before


@pytest.mark.parametrize("with_data", [True, False])
def test_a_training_of_the_same_inputs_with_other_weights_is_kept_beside_the_imported_one(world, tmp_path, with_data):
    version = export(world, tmp_path / "out", with_data=with_data)
    registry = empty(tmp_path / "new")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "adapter_model.safetensors").write_bytes(b"trained on another machine")
    other = registry.put_tree(tmp_path / "other")
    trained = world.registry.record("train", version.content.train_key)
    local = trained.model_copy(update={"outputs": {"adapter": other}})
    registry.add_record(local)
    content = version.content.model_copy(update={"adapter": other})
    sealed = {"keys": {"train": local.key}, "records": {"train": record_digest(local)}}
    mine = version.model_copy(update={"version": "0.9.0", "content": content, **sealed})
    registry.release(mine)
    take_over(read_export(tmp_path / "out"), registry)
    assert sealed_record(version, "train", registry) == trained
    assert sealed_record(mine, "train", registry) == local
    assert not {"train", "version"} & set(broken(version, registry))
    assert not {"train", "version"} & set(broken(mine, registry))
    assert take_over(read_export(tmp_path / "out"), registry) == []
    assert [r.outputs["adapter"] for r in registry.records_of("train", local.key)] == [version.content.adapter, other]


def test_imported_without_then_with_data_is_whole(world, tmp_path):
    version = export(world, tmp_path / "some")
    export(world, tmp_path / "all", with_data=True)
    registry = empty(tmp_path / "new")
    take_over(read_export(tmp_path / "some"), registry)
    assert broken(version, registry)
    take_over(read_export(tmp_path / "all"), registry)
    assert broken(version, registry) == []


def test_the_store_is_whole_after_an_import(world, tmp_path):
    from runner.registry.store import open_store

    export(world, tmp_path / "out", number="1.0.0", with_data=True)
    take_over(read_export(tmp_path / "out"), empty(tmp_path / "new"))
    assert audit(open_store("store", tmp_path / "new"), tmp_path / "cache", tmp_path, silent).faults == []


@pytest.fixture(scope="module")
def pristine(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine") / "out"
    export(world, folder, with_data=True)
    return folder


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_changed_is_named_and_nothing_is_imported(pristine, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("changed") / "out"
    shutil.copytree(pristine, folder)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    name = data.draw(st.sampled_from([name for name in names if name not in (CARD, MANIFEST)]))
    path = folder / name
    content = path.read_bytes()
    how = data.draw(st.sampled_from(["flip", "cut", "grow", "remove"]))
    if how == "remove":
        path.unlink()
    elif how == "flip" and content:
        at = data.draw(st.integers(0, len(content) - 1))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    else:
        path.write_bytes(content[:-1] if how == "cut" and content else content + b"x")
    with pytest.raises(RegistryError) as caught:
        read_export(folder)
    assert name in caught.value.message


def forge(folder, path, edit):
    """Change a file and its digest in the manifest, as somebody who means it would."""
    from runner.digest import digest_file

    file = folder / path
    file.write_text(json.dumps(edit(json.loads(file.read_text()))))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][path] = {"digest": digest_file(file), "size": file.stat().st_size}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def refused(folder):
    try:
        found = read_export(folder)
    except GituneError as error:
        return error.message
    return next(link.broken for link in prove_release(found.exported, found, ROOT) if link.broken)


def test_forged_facts_are_refused(pristine, tmp_path):
    cases = {
        "another verdict": (VERSION, lambda v: v | {"verdict": "INCONCLUSIVE"}, "its gates said PASS"),
        "another name": (VERSION, lambda v: v | {"name": "other"}, "is not the version bot@1.1.0"),
        "another number": (VERSION, lambda v: v | {"version": "../../x"}, "is not the version bot@1.1.0"),
        "another training": (
            VERSION,
            lambda v: v | {"content": v["content"] | {"train_key": "0" * 64}},
            "it names another training",
        ),
        "other inputs": ("train", lambda r: r | {"inputs": r["inputs"] | {"seed": 1}}, "not the digest of its inputs"),
        "other rows": (
            "prepare",
            lambda r: r | {"outputs": r["outputs"] | {"train": r["outputs"]["test"]}},
            "it is not the record that was released",
        ),
    }
    for number, (path, edit, message) in enumerate(cases.values()):
        folder = tmp_path / str(number)
        shutil.copytree(pristine, folder)
        file = folder / path if path == VERSION else next((folder / "gitune" / "records" / path).iterdir())
        forge(folder, file.relative_to(folder).as_posix(), edit)
        assert message in refused(folder)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../outside", "a//b", "."])
def test_a_manifest_cannot_name_files_outside(pristine, tmp_path, path):
    shutil.copytree(pristine, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    manifest["files"][path] = {"digest": "0" * 64, "size": 1}
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(RegistryError, match="leads out of the folder"):
        read_export(tmp_path / "out")


def test_a_link_that_leads_out_is_refused(pristine, tmp_path):
    shutil.copytree(pristine, tmp_path / "out")
    (tmp_path / "secret").write_bytes((tmp_path / "out" / "tokenizer.json").read_bytes())
    (tmp_path / "out" / "tokenizer.json").unlink()
    (tmp_path / "out" / "tokenizer.json").symlink_to(tmp_path / "secret")
    with pytest.raises(RegistryError, match="is a link that leads out"):
        read_export(tmp_path / "out")


def test_the_card_may_be_edited(pristine, tmp_path):
    shutil.copytree(pristine, tmp_path / "out")
    (tmp_path / "out" / CARD).write_text("---\nlicense: apache-2.0\n---\nours")
    assert read_export(tmp_path / "out").exported.version == "1.1.0"


def test_a_folder_that_exists_is_left_alone(world, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        export(world, tmp_path / "out")
    with pytest.raises(UsageError, match="is no exported version"):
        read_export(tmp_path / "out")


def test_lost_weights_leave_no_half_export(world, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(world.root, root)
    registry = open_registry("registry/store", root, root / "cache2")
    version = registry.version("bot", "1.0.0")
    digest = version.content.adapter.digest
    (root / "registry/store/blobs/sha256" / digest[:2] / digest[2:]).unlink()
    with pytest.raises(RegistryError, match="is missing"):
        write_export(version, registry, tmp_path / "out", {})
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_a_template_of_the_version_stands_at_the_top_and_that_of_the_weights_is_kept(world, tmp_path):
    """A whole checkpoint brings files of its own; the version's chat template takes the place of one."""
    version = world.registry.version("bot", "1.0.0")
    name = "adapter_model.safetensors"
    write_export(version, world.registry, tmp_path / "out", {name: b"other"})
    assert (tmp_path / "out" / name).read_bytes() == b"other"
    registry = empty(tmp_path / "new")
    take_over(read_export(tmp_path / "out"), registry)
    assert (registry.fetch(version.content.adapter) / name).read_bytes() != b"other"


def test_the_card_is_what_the_hub_reads(world):
    from huggingface_hub import ModelCard
    from huggingface_hub.repocard_data import model_index_to_eval_results

    version = world.registry.version("bot", "1.1.0")
    text = model_card(version, sealed_records(version, world.registry), world.registry, ["adapter.gguf"])
    card = ModelCard(text)
    data = card.data.to_dict()
    assert data["library_name"] == "peft"
    assert {"gitune", "lora"} <= set(data["tags"])
    assert "base_model" not in data  # no model of the Hub
    _, results = model_index_to_eval_results(data["model-index"])
    exact = next(result for result in results if result.metric_type == "exact_match")
    assert exact.metric_value == 1.0
    assert exact.metric_args["base"] == 0.0
    assert exact.metric_args["champion"] == 1.0
    gain, low, high = exact.metric_args["gain_over_base"]
    assert low <= gain <= high
    assert version.content.adapter.digest in text
    assert all(str(key) in text for key in version.keys.values())
    assert "--lora adapter.gguf" in text


def test_the_card_names_a_base_model_of_the_hub(world):
    from huggingface_hub import ModelCard

    version = world.registry.version("bot", "1.0.0")
    content = version.content.model_copy(update={"base_model": f"hf://org/base@{'a' * 40}"})
    text = model_card(version.model_copy(update={"content": content}), [], world.registry, ["config.json"])
    data = ModelCard(text).data.to_dict()
    assert (data["base_model"], data["base_model_relation"]) == ("org/base", "finetune")
    assert data["library_name"] == "transformers"
