"""A pull request or merge group -> judged anew, and told: the check first, then the comment, then the job's summary.

Whatever event asks for it, the same is done from the same facts, so that events may come late, twice or in any order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from runner import git
from runner.errors import GituneError, UsageError
from runner.github.check import SUMMARY_LIMIT, publish_check, withdraw_check
from runner.github.comment import find_comment, publish_comment
from runner.github.connection import Connection
from runner.github.outputs import write_summary
from runner.github.pull_requests import MergeGroup, PullRequestRef, pull_request
from runner.github.reviews import Approvals
from runner.github.runs import training_of
from runner.github.trees import credentials, fetch, proposed_tree
from runner.plan.base_config import config_of
from runner.progress import Report, silent
from runner.proposals.context import CommentContext, Examples
from runner.proposals.ground import EVERY_SPEC, Agreed, Ground
from runner.proposals.history import read_history
from runner.proposals.judge import judge
from runner.proposals.markdown import MARKER, out_of_date, render_comment
from runner.proposals.model import Proposal
from runner.proposals.summary import render_summary
from runner.proposals.words import headline
from runner.report.escape import fence
from runner.spec.config import Config

WEAKER = (
    "This check was written with the job's own token: any workflow of this repository that may write checks could have "
    "written it. A GitHub App of its own closes that (docs/github.md)."
)


@dataclass(frozen=True)
class Desk:
    """Where proposals are judged, and who tells what came of it."""

    connection: Connection
    """The repository on GitHub."""
    clone: Path
    """A clone of it, on the base branch."""
    cache: Path
    """Machine-wide cache."""
    environ: Mapping[str, str] = field(repr=False)
    """The job's environment."""
    progress: Report = silent
    """Told about progress."""

    @cached_property
    def run_url(self) -> str | None:
        """Where this run can be read."""
        server, run = self.environ.get("GITHUB_SERVER_URL"), self.environ.get("GITHUB_RUN_ID", "")
        name = self.connection.repository.full_name
        return f"{server}/{name}/actions/runs/{run}" if server and run.isdigit() else None

    @cached_property
    def variables(self) -> dict[str, str]:
        """What git needs to fetch."""
        return credentials(self.environ, self.connection.token)

    def config(self, base_ref: str) -> Config:
        """Fetch a base branch and read its configuration: never that of a proposal.

        Raises:
            GituneError: when it cannot be fetched or read.
        """
        fetch(self.clone, [f"+refs/heads/{base_ref}:refs/remotes/origin/{base_ref}"], self.variables)
        commit = git.resolve_commit(self.clone, f"refs/remotes/origin/{base_ref}")
        return config_of(self.clone, str(commit), base_ref)

    def examples(self, config: Config) -> Examples:
        """Return how rows are shown: as the configuration says, else masked where anybody may read."""
        return config.report.examples or ("full" if self.connection.repository.private else "masked")


def mark_stale(desk: Desk, pull: PullRequestRef) -> None:
    """Say in the comment that a newer commit was pushed, before anything about that commit is known.

    Raises:
        GituneError: when GitHub refuses.
    """
    known = find_comment(desk.connection, pull.number, MARKER)
    past = read_history(known.body) if known else []
    if known is None or not past or past[0].sha == pull.head_sha:
        return
    stale = out_of_date(known.body, pull.head_sha)
    publish_comment(desk.connection, pull.number, known, lambda _: stale)


def withdraw(desk: Desk, pulls: Sequence[PullRequestRef]) -> None:
    """Take back every green check, since what is live has moved: should this job be ended, none is left to be believed.

    Raises:
        GituneError: when GitHub refuses.
    """
    for pull in pulls:
        withdraw_check(desk.connection, pull.head_sha, "Judging again: what is live has moved", desk.run_url)


def report_pull_request(desk: Desk, pull: PullRequestRef) -> Proposal:
    """Judge a pull request's head, and publish what came of it.

    Raises:
        GituneError: when it could not be judged or told; the check says so where that was possible.
    """
    with _told_if_not_judged(desk, pull.head_sha):
        proposal, config = judge_pull_request(desk, pull)
        known = find_comment(desk.connection, pull.number, MARKER)
        history = read_history(known.body) if known else []
        now = pull_request(desk.connection.repository, pull.number)
        context = CommentContext(
            run_url=desk.run_url,
            history=history,
            stale=now.head_sha if now.head_sha != pull.head_sha else None,
            examples=desk.examples(config),
            commands=True,
            at=datetime.now(UTC),
        )
        _check(desk, proposal, context)
    # A newer commit that was told while this one was judged keeps its place.
    if now.open and not (context.stale and history and history[0].sha == context.stale):
        publish_comment(
            desk.connection, pull.number, known, lambda limit: render_comment(proposal, replace(context, limit=limit))
        )
    write_summary(desk.environ, f"## #{pull.number}\n\n{render_summary(proposal, context)}")
    return proposal


def report_group(desk: Desk, group: MergeGroup) -> Proposal:
    """Judge pull requests that are tried together against what is live now, and publish the check of their commit.

    Raises:
        GituneError: when it could not be judged or told; the check says so where that was possible.
    """
    with _told_if_not_judged(desk, group.head_sha):
        pulls = [pull_request(desk.connection.repository, number) for number in group.numbers]
        config = desk.config(group.base_ref)
        namespaces = [f"pr/{number}" for number in group.numbers]
        with proposed_tree(desk.clone, group.head_sha, group.head_sha, desk.variables) as tree:
            proposal = _judge(desk, tree, group.base_ref, config, namespaces, _any_of(desk, pulls), ended=True)
        context = CommentContext(run_url=desk.run_url, examples=desk.examples(config), at=datetime.now(UTC))
        _check(desk, proposal, context)
    write_summary(
        desk.environ, f"## {', '.join(f'#{n}' for n in group.numbers)}\n\n{render_summary(proposal, context)}"
    )
    return proposal


def judge_pull_request(desk: Desk, pull: PullRequestRef) -> tuple[Proposal, Config]:
    """Judge a pull request's head from stored answers, and return the configuration that it was judged by.

    Raises:
        UsageError: for one into another branch than the default one: whoever may push could make a branch whose
            configuration and code owners let everything through, or name a store and programs of his own.
        GituneError: when nobody can tell.
    """
    if pull.base_ref != (default := desk.connection.repository.default_branch):
        raise UsageError(f"#{pull.number} is to be merged into {pull.base_ref}", hint=f"only {default} is judged for")
    config = desk.config(pull.base_ref)
    with proposed_tree(desk.clone, f"refs/pull/{pull.number}/head", pull.head_sha, desk.variables) as tree:
        agreed, namespaces = Approvals(desk.connection, pull).of, [f"pr/{pull.number}"]
        return _judge(desk, tree, pull.base_ref, config, namespaces, agreed, sha=pull.head_sha), config


def _judge(
    desk: Desk,
    tree: Path,
    base_ref: str,
    config: Config,
    namespaces: Sequence[str],
    agreed: Agreed,
    *,
    sha: str | None = None,
    ended: bool = False,
) -> Proposal:
    training = training_of(desk.connection.repository, sha) if sha else None
    running = {EVERY_SPEC: training.running} if training and training.running else {}
    with tempfile.TemporaryDirectory(prefix="gitune-judge-") as scratch:
        ground = Ground(
            root=tree,
            base_ref=f"refs/remotes/origin/{base_ref}",
            config=config,
            cache=desk.cache,
            scratch=Path(scratch),
            namespaces=namespaces,
            running=running,
            ended=ended or bool(training and training.ended),
            agreed=agreed,
            report=desk.progress,
        )
        # The branch by the name that people know it by.
        return judge(ground).model_copy(update={"base_ref": base_ref})


def _any_of(desk: Desk, pulls: Sequence[PullRequestRef]) -> Agreed:
    approvals = [Approvals(desk.connection, pull) for pull in pulls]
    return lambda path, owners: next((who for one in approvals if (who := one.of(path, owners))), None)


def _check(desk: Desk, proposal: Proposal, context: CommentContext) -> None:
    summary = render_summary(proposal, context, SUMMARY_LIMIT - 500)
    if not desk.connection.is_own_app:
        summary = f"{WEAKER}\n\n{summary}"
    publish_check(desk.connection, proposal.head, proposal.conclusion, headline(proposal), summary, context.run_url)


@contextmanager
def _told_if_not_judged(desk: Desk, sha: str) -> Iterator[None]:
    """Turn the check red where the block fails, whatever the reason: a green one of before would be a lie by now."""
    try:
        yield
    except Exception as error:
        # What is no error of ours may say anything, so only its kind is published; the job's log has the rest.
        said = str(error) if isinstance(error, GituneError) else f"gitune failed: {type(error).__name__}"
        publish_check(desk.connection, sha, "failure", "It could not be judged", fence(said[:4000]), desk.run_url)
        raise
