"""`gitune data preview`: what is shown is what is trained, from the data files alone."""

from __future__ import annotations

import json

import pytest
from chat_templates import TOOLS, WEATHER, weather_talk
from tiny import CHATML, make_tiny_llama
from world import World

from runner.cli.main import main


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def repository(tmp_path, cache, monkeypatch):
    """A spec `bot` on the tiny model; call it with rows and what else the spec says."""
    monkeypatch.setenv("GITUNE_CACHE", str(cache))
    world = World(tmp_path)
    make_tiny_llama(tmp_path / "base")
    monkeypatch.setattr(world, "write_base", lambda: None)

    def write(rows, template=None, **training):
        world.spec["dataset"] = {
            "train": ["data/a.jsonl"],
            "split": {"validation": 0.2, "test": 0.2},
            "checks": {"min_examples": 1},
        }
        world.spec["evaluation"].pop("output_format")
        world.spec["evaluation"]["gates"] = world.spec["evaluation"]["gates"][:1]
        world.spec["training"] = training
        if template:
            world.spec["chat_template"] = "chat.jinja"
        world.files = {}
        world.write()
        folder = tmp_path / "specs" / "bot"
        (folder / "chat.jinja").write_text(template or "")
        (folder / "data" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path

    return write


def preview(root, capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["-C", str(root), "data", "preview", "bot", *arguments])
    return end.value.code, capsys.readouterr().out


def talks(count, weight=1):
    return [
        {
            "messages": [
                {"role": "user", "content": f"né {n} 😀"},
                {"role": "assistant", "content": "ok", "weight": weight},
            ]
        }
        for n in range(count)
    ]


def test_rows_are_shown_as_tokens_with_what_is_learned(repository, capsys):
    root = repository(talks(60))
    code, out = preview(root, capsys, "--rows", "2", "--split", "validation")
    assert code == 0
    assert out.count("⟦") == out.count("⟧") == 2
    assert "⟦o|k|<|im_end|>⟧⏎" in out
    assert "|😀|" in out
    assert "tokens, 3 trained" in out
    assert "specs/bot/data/a.jsonl:" in out
    assert "llama_cpp reads the same prompts as training" in out
    assert not [*(root / "registry").rglob("records")]


def test_the_json_says_every_token_and_its_weight(repository, capsys):
    root = repository(
        [{"messages": weather_talk(f"city {n}"), "tools": WEATHER} for n in range(20)] + talks(10, 0.5), TOOLS
    )
    code, out = preview(root, capsys, "--json", "--rows", "30")
    told = json.loads(out)
    assert code == 0
    assert told["check"] == {"engine": "llama_cpp", "rows": told["check"]["rows"], "same": True, "difference": None}
    assert {piece["weight"] for row in told["rows"] for piece in row["pieces"]} == {0, 0.5, 1}
    for row in told["rows"]:
        assert row["tokens"] == sum(len(piece["ids"]) for piece in row["pieces"])
        assert row["trained"] == sum(len(piece["ids"]) for piece in row["pieces"] if piece["weight"])
    learned = ["".join(piece["text"] for piece in row["pieces"] if piece["weight"]) for row in told["rows"]]
    assert any(text.startswith('<tool_call>\n{"name": "get_weather"') for text in learned)


def test_a_difference_to_serving_is_told_and_fails(repository, capsys):
    root = repository(talks(20), "{{ 'on' if enable_thinking is defined else 'off' }}" + CHATML)
    code, out = preview(root, capsys)
    assert code == 1
    assert "training and llama_cpp read different prompts, from token 2 on" in out


def test_what_training_would_refuse_is_told_at_its_row(repository, capsys):
    root = repository(talks(20), max_length=10)
    code, out = preview(root, capsys, "--rows", "1")
    assert code == 1
    assert "! longer than training.max_length 10" in out


def test_wrong_data_is_the_error_it_is_in_prepare(repository, capsys):
    root = repository(talks(20, 0))
    assert preview(root, capsys)[0] == 5


def test_of_preference_data_both_answers_are_shown(repository, capsys):
    root = repository([{"prompt": f"q {n}", "chosen": "yes", "rejected": "no"} for n in range(40)], objective="dpo")
    code, out = preview(root, capsys, "--rows", "1", "--json")
    chosen, rejected = json.loads(out)["rows"]
    assert (code, chosen["id"], chosen["rejected"]) == (0, rejected["id"], False)
    assert rejected["rejected"] is True
    learned = ["".join(p["text"] for p in row["pieces"] if p["weight"]) for row in (chosen, rejected)]
    assert learned == ["yes<|im_end|>", "no<|im_end|>"]
