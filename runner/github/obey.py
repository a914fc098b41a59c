"""A comment with a command -> what it asks for, by whom it may be asked: dispatch a workflow, or write an approval.

    obey(desk, event) -> what was done, in words

Who has no write permission gets no answer at all. Everybody else sees at once that the command was read, and in the end
whether it was done; only a refusal takes words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner import git
from runner.errors import ConflictError, GituneError, UsageError
from runner.github.commands import Command, Misread, Target, read_command
from runner.github.connection import github_errors
from runner.github.event import Event
from runner.github.permissions import may_write
from runner.github.pull_requests import REPORT, RETRAIN, PullRequestRef, pull_request
from runner.github.report import Desk, judge_pull_request
from runner.github.reviews import Approvals
from runner.proposals.model import ProposedSpec
from runner.proposals.owners import owners_at
from runner.registry.facts import Ruling
from runner.registry.registry import Registry, open_registry
from runner.report.escape import sentence
from runner.report.model import Report

if TYPE_CHECKING:
    from github.IssueComment import IssueComment

HELP = """\
A line of a comment by somebody with write permission; `SHA` is the commit you looked at, the head still.

| command | does |
| --- | --- |
| `/gitune plan` | judges this pull request again |
| `/gitune retrain SPEC@SHA …` | trains and answers these specs, also of a fork |
| `/gitune approve SPEC@SHA why` | a code owner lets an INCONCLUSIVE verdict through; never a FAIL |"""


class RefusalError(UsageError):
    """What is told to whoever gave the command; any other error is for the log of the run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, and who gave it where."""

    command: Command
    pull: PullRequestRef
    who: str
    """Login of a person who may write."""


def obey(desk: Desk, event: Event) -> str:
    """Do what a new comment asks for, answer in reactions, and say what was done.

    Raises:
        GituneError: when the machinery failed; a refusal is an answer.
    """
    number, who = event.number("issue", "number"), event.text("comment", "user", "login")
    said, comment_id = read_command(event.text("comment", "body")), event.number("comment", "id")
    is_new = event.name == "issue_comment" and event.at("action") == "created" and event.at("issue", "pull_request")
    if not (is_new and number and comment_id) or said is None or event.text("comment", "user", "type") == "Bot":
        return "no command for us"
    if not may_write(desk.connection.repository, who):
        return "the comment is by somebody without write permission: nothing was done"
    with github_errors("answering a command"):
        comment = desk.connection.repository.get_issue(number).get_comment(comment_id)
        comment.create_reaction("eyes")
    try:
        done = _done(desk, said, number, who)
    except RefusalError as error:
        _refuse(desk, comment, number, error)
        return f"refused: {error}"
    except GituneError:
        # What failed may name stores and hosts: that is for the log of the run, and not for a comment.
        run = f" ([run]({desk.run_url}))" if desk.run_url else ""
        _answer(desk, comment, number, f"It could not be done: the log says why{run}.", "confused")
        raise
    _answer(desk, comment, number, HELP if said == Command("help") else "", "+1")
    return done


def _done(desk: Desk, said: Command | Misread, number: int, who: str) -> str:
    if isinstance(said, Misread):
        raise RefusalError(said.why)
    if said.verb == "help":
        return "help"
    pull = pull_request(desk.connection.repository, number)
    if not pull.open:
        raise RefusalError("this pull request is not open")
    for target in said.targets:
        _require_head(target, pull)
    asked = Asked(said, pull, who)
    match said.verb:
        case "retrain":
            return _retrain(desk, asked)
        case "approve":
            told = _approve(desk, asked)
            _dispatch(desk, REPORT, number=str(number))
            return told
        case _:
            _dispatch(desk, REPORT, number=str(number))
            return f"judging #{number} again"


def _require_head(target: Target, pull: PullRequestRef) -> None:
    if not pull.head_sha.startswith(target.sha):
        raise RefusalError(f"the head is {pull.head_sha[:12]} by now", hint="look at what was pushed, then name that")


def _retrain(desk: Desk, asked: Asked) -> str:
    pull, names = asked.pull, list(dict.fromkeys(target.spec for target in asked.command.targets))
    for name in names:
        if not _has_spec(desk, name, pull.head_sha):
            raise RefusalError(f"there is no spec {name} at {pull.head_sha[:12]}")
    _dispatch(desk, RETRAIN, number=str(pull.number), sha=pull.head_sha, specs=" ".join(names))
    return f"training {', '.join(names)} of #{pull.number} at {pull.head_sha}"


def _has_spec(desk: Desk, name: str, sha: str) -> bool:
    from github import UnknownObjectException

    with github_errors(f"looking for the spec {name}"):
        try:
            desk.connection.repository.get_contents(f"specs/{name}/spec.yaml", ref=sha)
        except UnknownObjectException:
            return False
    return True


def _approve(desk: Desk, asked: Asked) -> str:
    """Write an approval, bound to the scores as they are made here and now."""
    pull, (target,) = asked.pull, asked.command.targets
    if asked.who == pull.author:
        raise RefusalError("the author of a pull request does not approve it", hint="ask another code owner")
    proposal, config = judge_pull_request(desk, pull)
    spec = next((one for one in proposal.specs if one.name == target.spec and one.state != "removed"), None)
    if spec is None:
        raise RefusalError(f"this pull request changes no spec {target.spec}")
    report = _approvable(spec)
    _require_owner(desk, asked, spec)
    registry = open_registry(config.store, desk.clone, desk.cache, config.cache.max_bytes)
    _write(registry, asked, report)
    return f"approved {spec.name} {spec.version} with the scores {report.provenance.digests['scores'][:12]}"


def _approvable(spec: ProposedSpec) -> Report:
    """Return the report of what may be approved: thin evidence, and nothing worse.

    Raises:
        RefusalError: for anything else.
    """
    report, name = spec.report, f"{spec.name} {spec.version}"
    if spec.state != "judged" or report is None:
        raise RefusalError(f"{name} is not judged: it is {spec.state}", hint="the comment above says why")
    if report.outcome == "FAIL" or any(verdict.outcome == "FAIL" for verdict in report.verdicts):
        hint = "change the gate in the spec, where everybody sees it"
        raise RefusalError(f"the gates of {name} say FAIL, which nobody approves", hint=hint)
    if spec.floors:
        said = "; ".join(spec.floors)
        raise RefusalError(f"policy.floors asks for {said}, which nobody approves", hint="add test rows")
    if report.outcome != "INCONCLUSIVE" or report.releasable:
        raise RefusalError(f"{name} needs no approval")
    return report


def _require_owner(desk: Desk, asked: Asked, spec: ProposedSpec) -> None:
    """Hold the person against CODEOWNERS of the base branch as it is now; nobody named there: who may write is enough.

    Raises:
        RefusalError: for somebody else.
    """
    path = spec.plan.file if spec.plan else f"specs/{spec.name}/spec.yaml"
    base = git.resolve_commit(desk.clone, f"refs/remotes/origin/{asked.pull.base_ref}")
    owners = owners_at(desk.clone, str(base)).of(path)
    if owners and not Approvals(desk.connection, asked.pull).owns(asked.who, owners):
        raise RefusalError(
            f"only a code owner of {path} approves {spec.name}",
            hint=f"CODEOWNERS names {' '.join(owners)}; members of teams are known only with an App's token",
        )


def _write(registry: Registry, asked: Asked, report: Report) -> None:
    rulings = registry.rulings(report.name)
    ruling = Ruling(
        number=len(rulings) + 1,
        name=report.name,
        kind="approve",
        version=report.version,
        scores=report.provenance.digests["scores"],
        who=asked.who,
        reason=f"{asked.command.reason} (#{asked.pull.number})",
        at=datetime.now(UTC),
    )
    try:
        registry.add_ruling(ruling)
    except ConflictError as error:
        raise RefusalError("somebody else decided at the same moment", hint="say it again") from error


def _dispatch(desk: Desk, workflow: str, **inputs: str) -> None:
    repository, file = desk.connection.repository, workflow.rpartition("/")[2]
    with github_errors(f"starting {file}"):
        repository.get_workflow(file).create_dispatch(repository.default_branch, inputs, throw=True)


def _refuse(desk: Desk, comment: IssueComment, number: int, error: RefusalError) -> None:
    words = f"{error.message[:1].upper()}{error.message[1:]}." + (f" {error.hint}." if error.hint else "")
    _answer(desk, comment, number, f"{sentence(words, 600)}\n\n{HELP}", "confused")


def _answer(desk: Desk, comment: IssueComment, number: int, words: str, reaction: str) -> None:
    with github_errors("answering a command"):
        if words:
            desk.connection.repository.get_issue(number).create_comment(words)
        comment.create_reaction(reaction)
