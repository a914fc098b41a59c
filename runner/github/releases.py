"""Released versions -> tags `name/v1.2.0` and releases on GitHub. What is there already is left alone.

Both are made from what the registry says is released, not from what this run did: a run that was ended in between
leaves the rest to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from runner.errors import ConflictError, GituneError
from runner.github.connection import github_errors
from runner.registry.facts import Version

if TYPE_CHECKING:
    from github.GitRef import GitRef
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
    def tags(self) -> dict[str, GitRef]:
        """What each tag is of."""
        with github_errors("listing tags"):
            refs = self.repository.get_git_matching_refs("tags/")
            return {ref.ref.removeprefix("refs/tags/"): ref for ref in refs}

    @cached_property
    def releases(self) -> set[str]:
        """Tags that have a release."""
        with github_errors("listing releases"):
            return {release.tag_name for release in self.repository.get_releases()}

    def lacks(self, version: Version) -> bool:
        """Whether a version has no tag, or no release."""
        return tag_of(version) not in self.tags or tag_of(version) not in self.releases

    def commit_of(self, tag: str) -> str:
        """Return the commit that a tag names, annotated or not."""
        target = self.tags[tag].object
        with github_errors(f"reading the tag {tag}"):
            return self.repository.get_git_tag(target.sha).object.sha if target.type == "tag" else target.sha


@dataclass(frozen=True)
class Publication:
    """What became of versions that were to be tagged and released."""

    made: list[str] = field(default_factory=list)
    """Tags of the releases that were made."""
    faults: list[GituneError] = field(default_factory=list)
    """What kept others from it."""


def unpublished(repository: Repository, versions: Sequence[Version]) -> list[Version]:
    """Return the versions that lack a tag or a release.

    Raises:
        GituneError: when GitHub refuses.
    """
    published = Published(repository)
    return [version for version in versions if published.lacks(version)]


def publish(repository: Repository, versions: Sequence[Version], describe: Callable[[Version], str]) -> Publication:
    """Tag and release versions that are not; one that cannot be stops no other.

    Args:
        repository: where.
        versions: released versions.
        describe: writes a release's text, Markdown.

    Raises:
        GituneError: when GitHub does not tell what is there.
    """
    published, publication = Published(repository), Publication()
    _ = published.tags, published.releases  # where GitHub does not tell, nobody is asked version by version
    for version in versions:
        try:
            if _publish(published, version, describe):
                publication.made.append(tag_of(version))
        except GituneError as error:
            publication.faults.append(error)
    return publication


def _publish(published: Published, version: Version, describe: Callable[[Version], str]) -> bool:
    """Tag and release one version; return whether a release was made."""
    tag = tag_of(version)
    if tag not in published.tags:
        _tag(published.repository, tag, version)
    elif (known := published.commit_of(tag)) != version.commit:
        raise ConflictError(
            f"the tag {tag} is at {known[:12]}, and {version.name} {version.version} was released from "
            f"{version.commit[:12]}",
            hint="somebody else made that tag: delete it, and dispatch the workflow `deploy`",
        )
    if tag in published.releases:
        return False
    text = describe(version)[:BODY_LIMIT]
    with github_errors(f"making the release {tag}"):
        published.repository.create_git_release(tag, f"{version.name} {version.version}", text, make_latest="false")
    return True


def _tag(repository: Repository, tag: str, version: Version) -> None:
    message = f"{version.name} {version.version}, released {version.released:%Y-%m-%d}: {version.verdict}"
    with github_errors(f"tagging {tag}"):
        made = repository.create_git_tag(tag, message, version.commit, "commit")
        repository.create_git_ref(f"refs/tags/{tag}", made.sha)
