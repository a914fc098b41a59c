"""A proposed change of specs (a pull request's tree) -> its plan, verdicts made anew, and what people read of both."""
