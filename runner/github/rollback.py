"""A rollback on its branch -> a pull request that only needs to be merged.

`proposer(root, "main", environ).open(done) -> URL`; the branch is pushed with the token that asks the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner import git_branch
from runner.github.connection import Connection, connect, github_errors
from runner.github.trees import credentials
from runner.report.duration import duration
from runner.report.escape import inline, sentence
from runner.report.facts import size_words
from runner.rollback.restore import require_ours
from runner.rollback.roll_back import Rollback


@dataclass(frozen=True, slots=True)
class Proposer:
    """Opens the pull request of a rollback, by what was found out before the rollback was made."""

    connection: Connection
    root: Path
    """The repository here."""
    access: Mapping[str, str]
    """Variables with which git pushes."""

    def open(self, done: Rollback) -> str:
        """Push a rollback's branch, open its pull request or bring the open one up to date, and return its URL.

        Raises:
            GituneError: when the branch is somebody else's, or GitHub refuses.
        """
        seen = git_branch.fetch_branch(self.root, done.branch, self.access)
        if seen != done.commit:
            if seen is not None:
                require_ours(self.root, done.branch, seen)
            git_branch.push_branch(self.root, done.branch, done.commit, seen, self.access)
        repository, base = self.connection.repository, done.start.name.removeprefix(f"{git_branch.REMOTE}/")
        title, body = done.title, render_body(done)
        with github_errors(f"opening the pull request of {done.branch}"):
            head = f"{repository.owner.login}:{done.branch}"
            pull = next(iter(repository.get_pulls(state="open", head=head, base=base)), None)
            if pull is None:
                pull = repository.create_pull(base=base, head=done.branch, title=title, body=body)
            elif (pull.title, pull.body) != (title, body):
                pull.edit(title=title, body=body)
            return str(pull.html_url)


def proposer(root: Path, deploy_branch: str, environ: Mapping[str, str]) -> Proposer:
    """Connect, and fetch what the deploy branch is by now.

    Raises:
        GituneError: when GitHub or the remote cannot be reached.
    """
    connection = connect(environ)
    access = credentials(environ, connection.token)
    git_branch.fetch_branch(root, deploy_branch, access)
    return Proposer(connection, root, access)


def render_body(done: Rollback) -> str:
    """Say what a rollback does, why, what was verified and what merging it costs."""
    target, verified, hold = done.target, done.verified, done.hold
    source, engine = target.entry.commit, inline(target.version.content.engine)
    back = f"{inline(target.name)} {target.version.version} as {inline(target.alias)}"
    weights = f"{size_words(verified.size)} of weights, `sha256:{verified.digest[:12]}`"
    lines = [
        sentence(done.reason, 2000),
        "",
        f"Restores `specs/{target.name}/` as in {source}, which deployed {back}.",
        "",
        f"- verified: {weights}, read in {verified.verifying:.1f} s, loaded in {verified.loading:.1f} s by {engine}",
        f"- plan: train steps: 0; deploy: {inline(done.plan.step('deploy').reason)}",
        f"- seconds to restore: about {duration(done.seconds)} of the apply after the merge",
    ]
    if hold is not None:
        ends = f"`gitune release --unhold {hold.name}@{hold.version} --reason …` ends that"
        lines.append(f"- {hold.version} is on hold, so that no apply takes it back; {ends}")
    return "\n".join(lines) + "\n"
