"""Released versions -> tags `name/v1.2.0` and releases on GitHub. What is there already is left alone.

Both are made from what the registry says is released, not from what this run did: a run that was ended in between
leaves the rest to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from runner.errors import ConflictError
from runner.github.connection import github_errors
from runner.registry.facts import Version

if TYPE_CHECKING:
    from github.Repository import Repository

BODY_LIMIT = 120_000
"""Characters of a release's text; GitHub takes 125,000."""


def tag_of(version: Version) -> str:
    """Return the name of a version's tag."""
    return f"{version.name}/v{version.version}"


@dataclass(frozen=True)
class Published:
    """Tags and releases of a repository, read once."""

    repository: Repository

    @cached_property
    def tags(self) -> dict[str, tuple[str, str]]:
        """Kind and name of the object that each tag names."""
        with github_errors("listing tags"):
            refs = self.repository.get_git_matching_refs("tags/")
            return {ref.ref.removeprefix("refs/tags/"): (ref.object.type, ref.object.sha) for ref in refs}

    @cached_property
    def releases(self) -> set[str]:
        """Tags that have a release."""
        with github_errors("listing releases"):
            return {release.tag_name for release in self.repository.get_releases()}

    def commit(self, tag: str) -> str | None:
        """Return the commit that a tag names. An annotated one costs a request, so only those that matter are asked."""
        kind, sha = self.tags.get(tag, ("", None))
        with github_errors(f"reading the tag {tag}"):
            return self.repository.get_git_tag(sha).object.sha if kind == "tag" and sha else sha


def unpublished(repository: Repository, versions: Sequence[Version]) -> list[Version]:
    """Return the versions that lack a tag or a release.

    Raises:
        GituneError: when GitHub refuses.
    """
    published = Published(repository)
    return [one for one in versions if tag_of(one) not in published.tags or tag_of(one) not in published.releases]


def publish(repository: Repository, versions: Sequence[Version], describe: Callable[[Version], str]) -> list[str]:
    """Tag and release versions that are not; return the tags of the releases that were made.

    Args:
        repository: where.
        versions: released versions.
        describe: writes a release's text, Markdown.

    Raises:
        ConflictError: when a tag is there and names another commit.
        GituneError: when GitHub refuses.
    """
    published, made = Published(repository), []
    for version in versions:
        tag = tag_of(version)
        if (known := published.commit(tag)) is None:
            _tag(repository, tag, version)
        elif known != version.commit:
            raise ConflictError(
                f"the tag {tag} is at {known[:12]}, and {version.name} {version.version} was released from "
                f"{version.commit[:12]}",
                hint="somebody else made that tag: delete it, and deploy again",
            )
        if tag not in published.releases:
            with github_errors(f"making the release {tag}"):
                text = describe(version)[:BODY_LIMIT]
                repository.create_git_release(tag, f"{version.name} {version.version}", text, make_latest="false")
            made.append(tag)
    return made


def _tag(repository: Repository, tag: str, version: Version) -> None:
    message = f"{version.name} {version.version}, released {version.released:%Y-%m-%d}: {version.verdict}"
    with github_errors(f"tagging {tag}"):
        made = repository.create_git_tag(tag, message, version.commit, "commit")
        repository.create_git_ref(f"refs/tags/{tag}", made.sha)
