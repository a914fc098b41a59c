"""A chat template is part of what a version is: released with it, its own for the champion, refused when it changes."""

from __future__ import annotations

import pytest
from world import FakeEngine, World, fake_weights

from runner.errors import SpecError


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = World(tmp_path)
    world.spec["chat_template"] = "chat.jinja"
    return world


def write_template(world, text):
    folder = world.root / "specs" / "bot"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chat.jinja").write_bytes(text)


def test_a_version_holds_its_template_and_never_another(world):
    write_template(world, b"{{ one }}")
    world.apply()
    assert world.registry.version("bot", "1.0.0").content.chat_template == "{{ one }}"
    assert world.plan().idle

    write_template(world, b"{{ two }}")
    reason = world.plan().specs[0].step("train").reason
    assert "1.0.0 is released and never changes, but this spec differs (chat_template" in reason


def test_the_champion_answers_with_its_own_template(world, monkeypatch):
    write_template(world, b"{{ one }}")
    world.apply()
    opened = []

    def open_engine(name, model, **options):
        opened.append((model.adapter is not None, model.base.ref.chat_template))
        return FakeEngine(name, model, **options)

    monkeypatch.setattr("runner.inference.bulk.open_engine", open_engine)
    write_template(world, b"{{ two }}")
    world.spec["version"] = "1.1.0"
    # New test rows too, so that the champion must answer again.
    world.files["data/c.jsonl"] = list(range(200, 260))
    world.apply()
    assert opened == [(False, "{{ two }}"), (True, "{{ two }}"), (True, "{{ one }}")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b" \n", "chat.jinja is empty"),
        (b"\xff", "cannot be read as UTF-8"),
        (b"x" * 70_000, "a template 65536 at most"),
    ],
)
def test_a_file_that_is_no_template_is_refused_before_anything_runs(world, text, message):
    write_template(world, text)
    with pytest.raises(SpecError, match=message) as caught:
        world.plan()
    assert caught.value.problems[0].where.line
