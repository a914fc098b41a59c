"""A difference as text and as Markdown."""

from __future__ import annotations

from runner.plan.difference import Difference, SpecDifference
from runner.plan.model import Change
from runner.plan.reasons import RowCount
from runner.report.difference import LIMIT, markdown_difference, render_difference


def spec(name="bot", **options) -> SpecDifference:
    defaults = {"file": f"specs/{name}/spec.yaml", "old_version": "1.0.0", "new_version": "1.1.0", "class": "retrain"}
    return SpecDifference.model_validate({"name": name, **defaults, **options})


def difference(*specs, **options) -> Difference:
    return Difference(old="a" * 40, new=None, specs=[*specs], unchanged=3, **options)


CHANGES = [
    Change(path="training.learning_rate", old=0.0002, new=0.0001, line=24),
    Change(path="dataset.label", old=None, new="queue", line=9),
    Change(path="specs/bot/data/a.jsonl", old="b" * 64, new=None),
]
ROWS = {"train": RowCount(added=50, removed=3, changed=2)}


def test_text():
    whole = difference(
        spec(changes=CHANGES, rows=ROWS, flags=["gate_changed", "test_set_changed"]),
        spec("two", **{"class": "new", "old_version": None}),
    )
    assert render_difference(whole, coloured=False) == (
        """\
aaaaaaaa → working tree: 2 specs differ, 3 unchanged

bot 1.0.0 → 1.1.0  retrain  ! gate changed, test set changed
  ~ training.learning_rate 0.0002 → 0.0001 (spec.yaml:24)
  + dataset.label queue (spec.yaml:9)
  - specs/bot/data/a.jsonl bbbbbbbb
  rows: train +50 −3 ~2

two 1.1.0  new"""
    )


def test_colours_are_ours_and_nobody_elses():
    shown = render_difference(
        difference(spec(note="\x1b[2J", changes=[Change(path="\x1b[31m", old=1, new=2)])), coloured=True
    )
    assert shown.count("\x1b") == 2
    assert "\\x1b[2J" in shown


def test_a_comment_never_grows_too_long():
    wide = [Change(path=f"training.{n}", old="x" * 60, new="y" * 60, line=n) for n in range(60)]
    shown = markdown_difference(difference(*(spec(f"bot-{n}", changes=wide) for n in range(100))))
    assert len(shown) <= LIMIT + 200
    assert "more specs were left out" in shown
    assert shown.count("<details>") == shown.count("</details>") > 0
