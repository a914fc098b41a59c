"""A version's commit -> a commit and a branch that restore its spec, and the plan that proves what merging them does.

Everything happens beside the working tree: the spec's whole folder comes from the commit that deployed the version, the
rest from the tip of the deploy branch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner import git, git_branch
from runner.errors import ConflictError, GituneError
from runner.evaluation.outside import command_paths
from runner.file_index import FileIndex
from runner.git_history import check_out, ids, place_of
from runner.plan.build import build_plan
from runner.plan.delivery import Delivery
from runner.plan.model import SpecPlan
from runner.plan.revision import local_base, read_subject
from runner.registry.views import RegistryReader
from runner.rollback.target import Target
from runner.spec.config import Config
from runner.spec.load import FILE_NAME, load_spec
from runner.spec.services import is_repository_path

TRAILER = "Gitune-Rollback"
"""Marks commits of ours: a branch that ends with one may be made anew."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the rollback is made on."""

    name: str
    """Such as `origin/main`."""
    commit: str
    """Its tip."""


def branch_of(target: Target) -> str:
    """Return the branch of a rollback."""
    return f"gitune/rollback-{target.name}-{target.version.version}"


def find_start(root: Path, deploy_branch: str, target: Target) -> Start:
    """Find the tip of the deploy branch, the remote's where there is one, and that it can be built on.

    Raises:
        GituneError: when a commit is not in this clone, or the branch holds the old spec already.
    """
    name = deploy_branch
    commit = git_branch.remote_tip(root, deploy_branch) if git_branch.remote_url(root) else None
    if commit is not None:
        name = f"{git_branch.REMOTE}/{deploy_branch}"
    commit = commit or git.resolve_commit(root, f"refs/heads/{deploy_branch}")
    if commit is None:
        raise GituneError(f"there is no branch {deploy_branch} here to go back on", hint=f"git fetch, or see {_POLICY}")
    if not git.is_ancestor(root, target.live.commit, commit):
        live = f"{target.live.version or 'nothing'} went live by {target.live.commit[:12]}"
        raise GituneError(f"{live}, which is not in the history of {name} here", hint=_FETCH)
    folder, source = f"specs/{target.name}", target.entry.commit
    now, then = ids(root, [commit, source], folder)
    if then is None:
        what = f"commit {source[:12]}, which deployed {target.version.version}, has no {folder} here"
        raise GituneError(what, hint=_FETCH)
    if now == then:
        what = f"{folder} on {name} is that of {target.version.version} already"
        raise GituneError(what, hint=f"an apply on {deploy_branch} deploys it")
    return Start(name, commit)


_FETCH = "`git fetch` first; a shallow clone needs `git fetch --unshallow`"
_POLICY = "policy.deploy_branch in registry/config.yaml"


def make_commit(root: Path, start: Start, target: Target, who: str, reason: str) -> str:
    """Make the commit that restores the spec; no branch leads to it yet."""
    name, was, back = target.name, target.live.version, target.version.version
    source, folder = target.entry.commit, f"specs/{target.name}"
    message = (
        f"Roll back {name} to {back}" + (f", from {was}" if was else "") + f"\n\n{reason}\n\n"
        f"{folder}/ is as in {source[:12]}, which deployed {back} as {target.alias}.\n"
        f"Nothing is trained: only the pointer moves.\n\n{TRAILER}: {name} {was or 'nothing'} -> {back}\n"
    )
    return git_branch.restore_folder(root, start.commit, source, folder, message, who)


def plan_of(root: Path, commit: str, target: Target, registry: RegistryReader, config: Config) -> SpecPlan:
    """Plan the restored spec as an apply on the deploy branch will, from the commit's files as data.

    Raises:
        GituneError: when that would train, or not deploy the version.
    """
    with tempfile.TemporaryDirectory(prefix="gitune-rollback-") as folder:
        plan = _plan_at(root, commit, Path(folder).resolve(), target, registry, config)
    train, deploy = plan.step("train"), plan.step("deploy")
    wrong = ""
    if plan.version != target.version.version:
        wrong = f"the restored spec asks for {plan.version}"
    elif train.action in ("RUN", "DEPENDS", "WAIT"):
        wrong = f"it would train: {train.reason}"
    elif deploy.action != "RUN":
        wrong = next((f"{s.step}: {s.reason}" for s in plan.steps if s.action not in ("REUSE", "NONE")), deploy.reason)
    if wrong:
        hint = "go back to another version with --to, or make a new one from the old spec"
        raise GituneError(f"{target.name} {target.version.version} would not come back for free: {wrong}", hint=hint)
    return plan


def _plan_at(
    root: Path, commit: str, folder: Path, target: Target, registry: RegistryReader, config: Config
) -> SpecPlan:
    check_out(root, commit, [f"specs/{target.name}"], folder, filters=True)
    place = place_of(root, folder)
    loaded = load_spec(place / "specs" / target.name / FILE_NAME, place)
    # What the spec leans on beside its folder: programs, and a base model that is in git; others lie where they lie.
    base = local_base(loaded.spec.base_model)
    base = base if base and is_repository_path(base) else None
    wanted = [*command_paths(config), *([base] if base else [])]
    if found := sorted(git.list_blobs(root, commit, wanted)):
        check_out(root, commit, found, folder, filters=True)
    bases = place if base and (place / base).exists() else root
    subject = read_subject(loaded, config, FileIndex(folder / "index"), bases)
    delivery = Delivery(
        checkout=git.Checkout(place, commit, config.policy.deploy_branch),
        deploy_branch=config.policy.deploy_branch,
        dirty=[],
        descends=lambda older: git.is_ancestor(root, older, commit),
    )
    (plan,) = build_plan([subject], registry, delivery, config=config).specs
    return plan


def choose_commit(root: Path, branch: str, made: str, tips: Sequence[str | None]) -> str:
    """Return the commit for a branch: one that is there and says the same, else the one that was just made.

    Raises:
        ConflictError: when somebody else has committed to it.
    """
    there = [tip for tip in tips if tip is not None]
    parents, tree = git_branch.parents_of(root, made), ids(root, [made], "")
    for tip in there:
        if git_branch.parents_of(root, tip) == parents and ids(root, [tip], "") == tree:
            return tip
    for tip in there:
        require_ours(root, branch, tip)
    return made


def require_ours(root: Path, branch: str, tip: str) -> None:
    """Refuse to make a branch anew that somebody else has committed to.

    Raises:
        ConflictError: when its last commit is none of ours.
    """
    if not any(line.startswith(f"{TRAILER}: ") for line in git_branch.message_of(root, tip).splitlines()):
        raise ConflictError(
            f"the branch {branch} ends with {tip[:12]}, a commit of somebody else",
            hint=f"merge it, or delete it: git branch -D {branch}; git push {git_branch.REMOTE} --delete {branch}",
        )
