"""One module per step, each a thin call into the package that does the work: `run(context, decision) -> StepResult`."""
