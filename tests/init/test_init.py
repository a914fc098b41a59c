"""`gitune init` as a newcomer meets it: what is there afterwards, that it works at once, and that nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from newcomer import BASE, base_in, everything_in, gitune, labelled, run, write_rows

from runner.spec.config import load_config
from runner.spec.load import load_spec, load_specs


def test_a_new_repository_plans_at_once(tmp_path):
    data = write_rows(tmp_path / "tickets.jsonl", labelled())
    folder = base_in(tmp_path / "bots")
    assert run("init", folder, "--data", data, "--base-model", BASE, "--yes") == 0
    assert data.read_bytes() == (folder / "specs/tickets/data/tickets.jsonl").read_bytes()
    assert gitune(folder, "validate").stdout == "specs/tickets/spec.yaml: tickets 1.0.0 is valid\n"
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    planned = gitune(folder, "plan")
    assert planned.returncode == 0, planned.stderr
    assert "prepare           RUN" in planned.stdout
    assert "0 blocked" in planned.stdout


def test_git_begins_on_main_and_nothing_is_committed(tmp_path):
    folder = tmp_path / "bots"
    assert run("init", folder, "--yes") == 0
    asked = ["git", "-C", folder, "status", "--porcelain=v2", "--branch"]
    head = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert "# branch.head main" in head.stdout
    assert "# branch.oid (initial)" in head.stdout


def test_workflows_are_those_of_this_release(tmp_path):
    from runner.github.templates import ACTION_FILE, action_file, workflow_files

    run("init", tmp_path / "bots", "--yes")
    run("init", tmp_path / "plain", "--yes", "--no-github")
    for name, text in {**workflow_files(), ACTION_FILE: action_file()}.items():
        assert (tmp_path / "bots" / name).read_text() == text
    assert not (tmp_path / "plain" / ".github").exists()


def test_a_second_spec_joins_a_repository_and_changes_nothing_there(tmp_path):
    folder = base_in(tmp_path / "bots")
    one, two = (write_rows(tmp_path / f"{name}.jsonl", labelled()) for name in ("one", "two"))
    run("init", folder, "--data", one, "--base-model", BASE, "--store", "s3://models/bots", "--yes")
    (folder / "registry/config.yaml").write_text("store: s3://models/mine\n")
    before = everything_in(folder)
    assert run("init", folder, "--data", two, "--base-model", BASE, "--yes") == 0
    after = everything_in(folder)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1] for name in after.keys() - before.keys()} == {"two"}
    assert [loaded.spec.name for loaded in load_specs(folder)] == ["one", "two"]


def test_what_is_there_stays_and_is_told(tmp_path, capsys):
    folder = tmp_path / "bots"
    (folder / ".github/workflows").mkdir(parents=True)
    (folder / ".github/workflows/plan.yml").write_text("mine\n")
    (folder / ".gitignore").write_text("secrets")
    run("init", folder, "--yes")
    assert (folder / ".github/workflows/plan.yml").read_text() == "mine\n"
    assert (folder / ".gitignore").read_text() == "secrets\nregistry/store/\n"
    assert "kept as it was: .github/workflows/plan.yml" in capsys.readouterr().out
    assert not (folder / "README.md").exists()


def test_data_that_lies_in_the_specs_folder_already_is_used_there(tmp_path):
    folder = base_in(tmp_path / "bots")
    data = write_rows(folder / "specs/tickets/data/tickets.jsonl", labelled())
    assert run("init", folder, "--data", data, "--base-model", BASE, "--name", "tickets", "--yes") == 0
    assert load_spec(folder / "specs/tickets/spec.yaml", folder).spec.dataset.train == ["data/tickets.jsonl"]


@pytest.mark.parametrize(
    ("rows", "options", "code", "told"),
    [
        (labelled(30), [], 5, "put the best of them into the prompt"),
        ([*labelled(40), *labelled(40)], [], 5, "80 rows, 40 of them different"),
        ([{"text": f"x{i}", "intent": "a"} for i in range(60)], [], 5, "rename the keys to those of a known format"),
        ([{"input": f"x{i}", "output": "ok"} for i in range(60)], [], 5, "every row has the same answer"),
        ([*labelled(60), {"input": "", "output": "red"}], [], 5, "tickets.jsonl:61"),
        (labelled(), ["--name", "Tickets"], 64, "'Tickets' is no name of a spec"),
        (labelled(), ["--base-model", "llama-3"], 64, "is not a base model"),
        (labelled(), ["--base-model", "hf://a/b@main"], 64, "40 hex digits"),
        (labelled(), ["--base-model", "file://nowhere"], 64, "does not exist"),
        (labelled(), ["--store", "s3:/bucket"], 1, "two slashes"),
    ],
)
def test_one_clear_error_and_nothing_written(tmp_path, capsys, rows, options, code, told):
    data = write_rows(tmp_path / "tickets.jsonl", rows)
    folder = base_in(tmp_path / "bots")
    before = everything_in(folder)
    given = options if "--base-model" in options else [*options, "--base-model", BASE]
    assert run("init", folder, "--data", data, *given, "--yes") == code
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert ".gitune-init" not in error
    assert everything_in(folder) == before
    assert not (folder / ".git").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--name", "bot"], "a spec needs data"),
        (["--data", "none.jsonl"], "there is no file none.jsonl"),
        (["--data", "rows.csv"], "name its columns input and output"),
        (["--settings", "job.json"], "--settings is the job of --from-openai"),
        (["--from-openai", "a.jsonl", "--from", "b.yml"], "two beginnings"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    assert run("init", *arguments, "--yes") == 64
    assert told in capsys.readouterr().err
    assert {*everything_in(tmp_path)} == {"rows.csv"}


def test_other_content_in_the_way_is_no_reason_to_lose_it(tmp_path, capsys):
    data = write_rows(tmp_path / "tickets.jsonl", labelled())
    folder = base_in(tmp_path / "bots")
    old = write_rows(folder / "specs/tickets/data/tickets.jsonl", labelled(70))
    before = everything_in(folder)
    assert run("init", folder, "--data", data, "--base-model", BASE, "--yes") == 64
    assert "specs/tickets/data/tickets.jsonl is there already, with other content" in capsys.readouterr().err
    assert everything_in(folder) == before
    assert old.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    (tmp_path / "bots").mkdir(mode=0o500)
    assert run("init", tmp_path / "bots", "--yes") == 1


def test_a_move_that_fails_halfway_is_undone(tmp_path, monkeypatch):
    from runner.init.place import move_into, write

    scratch, target = tmp_path / "scratch", tmp_path / "target"
    write(scratch, {"a/one": "1", "a/b/two": "2", "z": "3"})
    write(target, {"mine": "0"})
    (scratch / "z").unlink()
    (scratch / "z").mkdir()
    write(scratch, {"z/last": "3"})
    write(target, {"z": "a file where a folder must be"})
    with pytest.raises(OSError):
        move_into(scratch, target)
    assert {*everything_in(target)} == {"mine", "z"}
    assert not (target / "a").exists()


def test_policy_of_the_repository_is_asked_first(tmp_path, capsys):
    data = write_rows(tmp_path / "tickets.jsonl", labelled())
    folder = base_in(tmp_path / "bots")
    (folder / "registry").mkdir()
    floors = [{"metric": "format_compliance", "at_least": 0.99}]
    (folder / "registry/config.yaml").write_text(json.dumps({"policy": {"floors": floors}}))
    assert load_config(folder).policy.floors
    assert run("init", folder, "--data", data, "--base-model", BASE, "--yes") == 1
    assert "is less than" in capsys.readouterr().err
    assert not (folder / "specs").exists()


def test_findings_are_told_by_the_names_that_the_person_gave(tmp_path, capsys, monkeypatch):
    rows = [*labelled(), {"input": "mail jane.doe@gmail.com", "output": "red"}, {"input": "item 1", "output": "red"}]
    write_rows(tmp_path / "mine" / "rows.jsonl", rows)
    monkeypatch.chdir(tmp_path)
    base_in(tmp_path / "bots")
    assert run("init", "bots", "--data", "mine/rows.jsonl", "--base-model", BASE, "--yes") == 0
    told = capsys.readouterr().out
    assert "! mine/rows.jsonl:81: the user's text holds what looks like" in told
    assert "asks the same as mine/rows.jsonl:2 but answers differently" in told
    assert "jane@" not in told


def test_a_model_that_is_not_here_is_pinned_later(tmp_path, capsys):
    data = write_rows(tmp_path / "tickets.jsonl", labelled())
    uri = "pkg://no_such_package_here/model.gguf"
    assert run("init", tmp_path / "bots", "--data", data, "--base-model", uri, "--yes") == 0
    told = capsys.readouterr().out
    assert "pip install no-such-package-here" in told
    assert "run `gitune data lock`" in told
    assert gitune(tmp_path / "bots", "plan").returncode == 1


def test_questions_on_a_terminal(tmp_path, monkeypatch, capsys):
    import sys

    data = write_rows(tmp_path / "tickets.jsonl", labelled())
    folder = base_in(tmp_path / "bots")
    answers = iter([str(data), "", BASE, "s3://models/bots"])
    asked: list[str] = []

    def prompt(question, default, **_):
        asked.append(question)
        return next(answers) or default

    monkeypatch.setattr("click.prompt", prompt)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert run("init", folder) == 0
    assert len(asked) == 4
    assert "hosted runners lose their disk" in capsys.readouterr().err
    assert load_config(folder).store == "s3://models/bots"
    assert load_spec(folder / "specs/tickets/spec.yaml", folder).spec.base_model == BASE


def test_in_a_folder_of_a_larger_repository(tmp_path, capsys):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    run("init", tmp_path / "bots", "--yes")
    assert not (tmp_path / "bots/.git").exists()
    assert "GitHub reads workflows only from the top of a repository" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("store", "ignored"),
    [
        ("registry/store", "registry/store/\n"),
        ("s3://models/bots", ""),
        ("file:///srv/store", ""),
        ("/srv/store", ""),
        ("../store", ""),
    ],
)
def test_git_leaves_the_store_alone(tmp_path, store, ignored):
    assert run("init", tmp_path / "bots", "--store", store, "--yes") == 0
    file = tmp_path / "bots/.gitignore"
    assert (file.read_text() if file.exists() else "") == ignored
    assert load_config(tmp_path / "bots").store == store
