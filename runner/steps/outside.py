"""What SCORE gets from outside of this program: graders for the spec's own metrics, and what answers cost."""

from __future__ import annotations

from collections.abc import Mapping

from runner.evaluation.costs import cost_per_1000, mean_tokens
from runner.evaluation.graders import Graders
from runner.evaluation.outside import COST, read_measures
from runner.file_index import FileIndex
from runner.registry.facts import Record
from runner.steps.context import StepContext, require_unchanged


def open_graders(context: StepContext) -> Graders:
    """Return the graders of the metrics that are used; each opens when it is first asked.

    Raises:
        GituneError: when a rubric or program is not the one that the step's key was made of.
    """
    subject = context.subject
    if subject.measures is not None:
        now = read_measures(subject.loaded, subject.config, FileIndex(context.scratch))
        require_unchanged("what a metric needs", subject.measures, now)
    return Graders(subject.config, subject.loaded, context.cache, context.report)


def cost_of(context: StepContext, record: Record, measures: Mapping[str, float]) -> dict[str, float]:
    """Return `cost_per_1000` of a model where it is asked for and what it is made of was measured.

    Args:
        context: of the scoring.
        record: of the model's prediction.
        measures: what was measured of the model, `latency_p50` among it.
    """
    prices = (context.subject.measures or {}).get(COST)
    if prices is None:
        return {}
    tokens = mean_tokens(context.registry.read(record.outputs["answers"]))
    cost = cost_per_1000(prices, *tokens, measures.get("latency_p50"))
    return {} if cost is None else {COST: cost}
