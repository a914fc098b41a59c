"""What a prediction stored -> one model's answers by prompt, and the prompts that it could not answer.

A prompt that the machinery failed on has no answer: it is neither right nor wrong. A few of them are left out of a
score; more than `MOST_UNANSWERED` of the rows are an error.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.errors import GituneError

MOST_UNANSWERED = 0.02
"""Share of the rows that may be without an answer, or without a grade."""


@dataclass(frozen=True, slots=True)
class Given:
    """One answer."""

    text: str
    """What the model wrote."""
    tokens: int | None = None
    """Its length."""
    is_cut: bool = False
    """Whether it ended at the token limit."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's answers to the test prompts."""

    given: Mapping[str, Sequence[Given]]
    """The samples of each prompt, by prompt id."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """What went wrong, by the id of a prompt without an answer."""
    partial: bool = False
    """Whether other prompts were asked, so that a missing answer is no surprise: the model can be asked no more."""

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Answers:
        """Return answers of one sample each, known by their texts alone."""
        return cls({prompt: [Given(text)] for prompt, text in texts.items()})

    def of_rows(self, prompts: Sequence[str], rows: Sequence[str]) -> list[Sequence[Given]]:
        """Return the samples of every row; none for a row that was not answered.

        Args:
            prompts: prompt id of each row.
            rows: ids of the rows, for errors.

        Raises:
            GituneError: when an answer is missing that no error explains, or too many are.
        """
        missing = [at for at, prompt in enumerate(prompts) if prompt not in self.given]
        if self.partial and len(missing) < len(rows):
            return [self.given.get(prompt, ()) for prompt in prompts]
        lost = [at for at in missing if prompts[at] not in self.errors]
        if lost:
            raise GituneError(
                f"{len(lost)} of {len(rows)} test rows have no answer (the first is row {rows[lost[0]]})",
                hint="an unanswered row is no wrong answer: predict again",
            )
        if len(missing) > MOST_UNANSWERED * len(rows):
            named = ", ".join(dict.fromkeys(prompts[at] for at in missing[:3]))
            raise GituneError(
                f"{len(missing)} of {len(rows)} test rows were not answered because of errors (prompts {named}"
                f"{', …' if len(missing) > 3 else ''}); the first: {self.errors[prompts[missing[0]]]}",  # noqa: PLR2004
                hint=f"more than {MOST_UNANSWERED:.0%} of the rows: mend that and predict again",
            )
        return [self.given.get(prompt, ()) for prompt in prompts]


def read_answers(
    answers: bytes, errors: bytes | None, *, partial: bool = False, compared: Callable[[str], str] = str
) -> Answers:
    """Read the artifacts `answers` and `errors` of a prediction.

    Args:
        answers: JSONL, one object for each prompt and sample.
        errors: JSONL, one object for each prompt without an answer; None where all were answered.
        partial: whether it was a prediction of other prompts.
        compared: from a text to the part of it that is compared.
    """
    samples: dict[str, list[tuple[int, Given]]] = defaultdict(list)
    for line in _lines(answers):
        is_cut = line.get("finish_reason") == "length"
        given = Given(compared(line["text"]), line.get("completion_tokens"), is_cut)
        samples[line["prompt_id"]].append((line.get("sample", 0), given))
    ordered = {
        prompt: [given for _, given in sorted(found, key=lambda sample: sample[0])] for prompt, found in samples.items()
    }
    return Answers(ordered, {line["prompt_id"]: line["error"] for line in _lines(errors or b"")}, partial)


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    # Not `splitlines`, which would split inside strings at U+2028.
    return (json.loads(line) for line in data.split(b"\n") if line)
