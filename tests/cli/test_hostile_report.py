"""Reports of hostile rows and answers, through the command line: every format is written, and read back."""

from __future__ import annotations

import dataclasses
import json
from xml.etree import ElementTree as ET

import pytest
import world as worlds
from hostile import ATTACKS
from markdown_it import MarkdownIt
from repository import committed_world, run

from runner.report.comparison import ComparedRow, Comparison, Neighbour
from runner.report.comparison_text import comparison_markdown

HALF = "\ud83d"
"""Half a surrogate pair, which UTF-8 has no way to write."""

STORED = [attack for attack in ATTACKS if HALF not in attack and "\0" not in attack]
"""What the data checks let through."""


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A spec whose every question, slice and untaught answer holds an attack."""
    plain = worlds.row

    def row(number):
        told, attack = plain(number), STORED[number % len(STORED)]
        return {**told, "input": f"{told['input']} {attack}", "kind": attack}

    class Engine(worlds.FakeEngine):
        def answer(self, prompts, *rest, **how):
            for prompt, found in zip(prompts, super().answer(prompts, *rest, **how), strict=False):
                attack = ATTACKS[int(prompt.messages[-1]["content"].split()[1]) % len(ATTACKS)]
                yield found if self.wise else dataclasses.replace(found, text=f"{found.text} {attack}")

    monkeypatch.setattr(worlds, "row", row)
    monkeypatch.setattr(worlds, "FakeEngine", Engine)
    made = committed_world(tmp_path, monkeypatch)
    made.spec["evaluation"]["slices"] = ["kind"]
    made.write()
    assert run(made, "apply", "--yes", "--through", "gate") == 0
    return made


READ = {
    "md": lambda text: text.index("**Merge: bot 1.0.0"),
    "txt": lambda text: text.index("Merge: bot 1.0.0"),
    "json": json.loads,
    "xml": ET.fromstring,
    "html": lambda text: text.index("Merge: bot 1.0.0"),
}


def test_every_format_is_written_and_read_back(evaluated, tmp_path, capsys):
    for suffix, read in READ.items():
        out = tmp_path / f"report.{suffix}"
        assert run(evaluated, "report", "bot", "-o", str(out)) == 0, capsys.readouterr().err
        read(out.read_text(encoding="utf-8"))


def test_a_comparison_of_hostile_answers_fits_in_a_comment():
    row = ComparedRow(row="0-0", status="broken", input="", expected="", before="", after="")
    texts = dict.fromkeys(("input", "expected", "before", "after"), "\U0001f600</details>```@everyone|" * 150)
    near = [Neighbour(row="1-0", similarity=0.5, input="\u202e</details>\n```", answer="@x", new=True)] * 3
    rows = [row.model_copy(update={**texts, "status": kind, "nearest": near}) for kind in ("broken", "fixed") * 40]
    counts = {"fixed": 40, "broken": 40, "both_right": 0, "both_wrong": 0}
    told = {"before": 0.5, "after": 0.5, "difference": 0.0, "low": -0.1, "high": 0.1, "method": "", "n": 80}
    found = Comparison(
        name="bot", old="1.0.0", new="1.1.0", metric="m", left_out=0, right_by="m", counts=counts, rows=rows, **told
    )
    text = comparison_markdown(found)
    assert len(text.encode("utf-16-le")) // 2 <= 60_000
    page = MarkdownIt("commonmark", {"html": True}).render(text)
    assert (page.count("<details>"), page.count("</details>")) == (2, 2)
    assert "of 40 rows" in page
    assert "\u202e" not in page
