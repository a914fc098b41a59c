"""Earlier records, asked for by several threads of one apply."""

from __future__ import annotations

from runner.plan.history import History
from runner.registry.facts import Summary


class Interrupted(list):
    """Summaries in the middle of which another thread gets its turn."""

    turn = None

    def __iter__(self):
        for number, summary in enumerate(super().__iter__()):
            if number == 1 and self.turn is not None:
                turn, self.turn = self.turn, None
                turn()
            yield summary


class Reader:
    """A registry of two records, each of a spec of its own."""

    def __init__(self):
        self.found = Interrupted(Summary(f"key of {name}", name, 0.0, {"train": f"rows of {name}"}) for name in "ab")

    def summaries(self, step):
        return self.found

    def latest(self, step, key):
        return key


def test_no_thread_sees_half_of_what_another_one_gathers():
    reader, seen = Reader(), []
    history = History(reader)
    reader.found.turn = lambda: seen.extend(history.own("prepare", "b"))
    assert list(history.own("prepare", "a")) == ["key of a"]
    reader.found.turn = lambda: seen.append(history.maker("prepare", "train", "rows of b"))
    assert history.maker("prepare", "train", "rows of a") == "key of a"
    assert seen == ["key of b", "key of b"]
