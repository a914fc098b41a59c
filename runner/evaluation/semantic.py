"""Semantic similarity: the cosine of two sentence embeddings, of reference and answer; below 0 counts as 0.

An embedding is the mean of the last layer's states over a text's tokens, brought to length 1 (Reimers and Gurevych
2019, arXiv:1908.10084), as the common sentence embedding models are trained. What is longer than the model reads is
cut off. Loads torch: only the child process of a scoring step imports this.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from runner.errors import GituneError
from runner.evaluation.grading import Graded
from runner.progress import Progress, Report

BATCH = 32

DIGITS = 4
"""Places that are kept: what a text shares a batch with moves the sixth."""


class SemanticGrader:
    """Grades by an embedding model.

    Args:
        checkpoint: its folder, verified.
        report: told about progress.
    """

    def __init__(self, checkpoint: Path, report: Report) -> None:
        from transformers import AutoModel, AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
            self._model: Any = AutoModel.from_pretrained(
                checkpoint, local_files_only=True, use_safetensors=True, dtype=torch.float32
            ).eval()
        except (OSError, ValueError, KeyError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise GituneError(f"the embedding model {checkpoint} does not load: {reason}") from error
        positions = getattr(self._model.config, "max_position_embeddings", None) or self._tokenizer.model_max_length
        self._longest = min(positions, self._tokenizer.model_max_length)
        self._report = report
        self._known: dict[str, torch.Tensor] = {}

    def grade(self, rows: Sequence[Graded]) -> list[float | None]:
        """Return the similarity of each answer to its reference."""
        texts = dict.fromkeys(text for row in rows for text in (row.reference, row.answer))
        self._embed([text for text in texts if text not in self._known])
        return [self._similarity(row.reference, row.answer) for row in rows]

    def _similarity(self, reference: str, answer: str) -> float:
        if reference == answer:
            return 1.0
        cosine = float(self._known[reference] @ self._known[answer])
        return round(min(1.0, max(0.0, cosine)), DIGITS)

    @torch.inference_mode()
    def _embed(self, texts: list[str]) -> None:
        # Texts of one length need no padding.
        texts = sorted(texts, key=len)
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            read = self._tokenizer(batch, padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
            states = self._model(**read).last_hidden_state
            mask = read["attention_mask"].unsqueeze(-1)
            means = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            vectors = torch.nn.functional.normalize(means, dim=1)
            self._known.update(zip(batch, vectors, strict=True))
            self._report(Progress("embedding answers", start + len(batch), len(texts), "texts"))
