"""(test rows, one model's answers) -> both side by side, row by row, and what is made of each pair of texts.

Equal pairs are looked at once, and all metrics look at one pair before the next: a classifier's answers are few
different texts, and what one metric has read of a text the next one need not read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from runner.data.prompts import prompt_of, reference_of
from runner.data.rows import Row, text_of
from runner.errors import GituneError
from runner.evaluation.grading import Graded
from runner.evaluation.stored import Answers, Given

T = TypeVar("T")

OfPair = Callable[[str, str], Any]
"""What a metric makes of a reference and an answer."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """References and answers, row by row."""

    rows: Sequence[Row]
    """The test split."""
    references: Sequence[str]
    """The right answer of each row."""
    samples: Sequence[Sequence[Given]]
    """The answers of each row; none where it was not answered."""

    @property
    def unanswered(self) -> list[int]:
        """Places of the rows without an answer."""
        return [at for at, samples in enumerate(self.samples) if not samples]

    def pairs(self) -> Iterable[tuple[str, str]]:
        """Return reference and answer of every sample, row after row."""
        for reference, samples in zip(self.references, self.samples, strict=True):
            for given in samples:
                yield reference, given.text

    def items(self) -> list[Graded]:
        """Return every sample as a grader sees it, row after row."""
        return [
            Graded(row.id, _asked(row), reference, given.text)
            for row, reference, samples in zip(self.rows, self.references, self.samples, strict=True)
            for given in samples
        ]

    def by_row(self, values: Iterable[T]) -> list[list[T]]:
        """Deal values, one for each sample, out to their rows."""
        rest = iter(values)
        return [[next(rest) for _ in samples] for samples in self.samples]

    def each(self, measures: Mapping[str, OfPair]) -> dict[str, list[list[Any]]]:
        """Return what every measure makes of every sample, by row."""
        found = {pair: [measure(*pair) for measure in measures.values()] for pair in dict.fromkeys(self.pairs())}
        results = [found[pair] for pair in self.pairs()]
        return {name: self.by_row(result[at] for result in results) for at, name in enumerate(measures)}

    def of_firsts(self, count: Callable[[Sequence[tuple[str, str]]], Sequence[T]]) -> list[T]:
        """Return what is counted of all first samples at once; a row without an answer counts as two empty texts."""
        firsts = [
            (reference, samples[0].text) if samples else ("", "")
            for reference, samples in zip(self.references, self.samples, strict=True)
        ]
        distinct = [*dict.fromkeys(firsts)]
        found = dict(zip(distinct, count(distinct), strict=True))
        return [found[pair] for pair in firsts]


def read_sheet(rows: Sequence[Row], answers: Answers) -> Sheet:
    """Put answers beside the rows they answer.

    Raises:
        GituneError: when there are no rows, or answers are missing.
    """
    if not rows:
        raise GituneError("the test split has no rows: nothing can be measured", hint="see dataset.split.test")
    samples = answers.of_rows([prompt_of(row).id for row in rows], [row.id for row in rows])
    return Sheet(rows, [reference_of(row) for row in rows], samples)


def _asked(row: Row) -> str:
    """Return the conversation before the answer, without system messages; who speaks is told when several do."""
    turns = [turn for turn in row.messages[:-1] if turn["role"] != "system"]
    if len(turns) == 1:
        return text_of(turns[0])
    return "\n".join(f"{turn['role']}: {text_of(turn)}" for turn in turns)
