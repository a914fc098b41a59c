"""`gitune doctor`: one screen of facts, and an exit code that tells whether the main job can run."""

from __future__ import annotations

import importlib.metadata
import json

import pytest
from world import World

from runner.cli.main import main


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    monkeypatch.setenv("GITUNE_CACHE", str(tmp_path / "cache"))
    world = World(tmp_path)
    world.write()
    return world


def doctor(world: World, *arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["-C", str(world.root), "doctor", *arguments])
    return end.value.code


def hide(monkeypatch, *names: str) -> None:
    real = importlib.metadata.version

    def version(name):
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_a_ready_machine(world, capsys):
    assert doctor(world) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) <= 24
    for words in (
        "cores are used",
        "usable",
        "[local]",
        "torch ",
        "writable",
        "git ",
        "fast here: fp32",
        "llama_cpp (bot)",
    ):
        assert words in shown
    assert shown.rstrip().endswith("Ready: everything that the main job needs is here.")


def test_json_has_the_same_facts(world, capsys):
    assert doctor(world, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is True
    assert shown["problems"] == []
    assert shown["memory"]["usable"] > 10**8
    assert shown["extras"]["local"]["torch"] == importlib.metadata.version("torch")
    assert shown["training"]["device"] in ("cpu", "cuda")
    assert shown["store"] == {"url": "registry/store", "writable": True, "free_disk": shown["store"]["free_disk"]}
    assert shown["engine"] == {"llama_cpp": ["bot"]}


def test_missing_libraries_say_what_mends_it(world, capsys, monkeypatch):
    hide(monkeypatch, "peft", "uvicorn")
    assert doctor(world) == 1
    shown = capsys.readouterr().out
    assert "missing: cannot train or answer without peft: pip install 'gitune[local]'" in shown
    assert "missing uvicorn: pip install 'gitune[serve]'" in shown
    assert "Ready" not in shown


def test_without_the_server_the_main_job_still_runs(world, monkeypatch):
    hide(monkeypatch, "uvicorn")
    assert doctor(world) == 0


def test_a_store_that_cannot_be_written(world, capsys):
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/store").write_text("a file where the folder should be")
    assert doctor(world, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["store"]["writable"] is False
    assert "the store cannot be used: cannot write doctor/probe" in shown["problems"][0]


def test_a_config_that_cannot_be_read(world, capsys):
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/config.yaml").write_text("stoer: x\n")
    assert doctor(world) == 1
    assert "registry/config.yaml:1:1" in capsys.readouterr().out


def test_outside_a_repository(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GITUNE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as end:
        main(["-C", str(tmp_path), "doctor"])
    assert end.value.code == 0
    assert "no specs/ folder" in capsys.readouterr().out
