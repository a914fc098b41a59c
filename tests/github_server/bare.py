"""The bare git repository behind this GitHub: all of its history is real."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHA = re.compile(r"[0-9a-f]{40}")
BOT = {"name": "github-actions[bot]", "email": "41898282+github-actions[bot]@users.noreply.github.com"}


class GitError(Exception):
    """git refused."""


@dataclass(frozen=True)
class Bare:
    """A bare repository on disk."""

    path: Path

    def git(self, *arguments: str, data: bytes | None = None, environ: dict[str, str] | None = None) -> str:
        """Run git here and return what it printed."""
        return self.read(*arguments, data=data, environ=environ).decode().strip("\n")

    def read(self, *arguments: str, data: bytes | None = None, environ: dict[str, str] | None = None) -> bytes:
        """Run git here and return the bytes that it printed."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", "-C", str(self.path), *arguments]
        done = subprocess.run(
            command, input=data, capture_output=True, env={**clean, **(environ or {})}, check=False, timeout=60
        )
        if done.returncode:
            raise GitError(done.stderr.decode(errors="replace"))
        return done.stdout

    def commit(self, name: str) -> str | None:
        """The commit that a branch, tag or SHA stands for, or None."""
        if name.startswith("-") or not name:
            return None
        for full in (name,) if SHA.fullmatch(name) else (f"refs/heads/{name}", f"refs/tags/{name}", name):
            try:
                return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{full}^{{commit}}")
            except GitError:
                continue
        return None

    def object_of(self, ref: str) -> tuple[str, str] | None:
        """Kind and SHA of what a full ref names."""
        try:
            sha = self.git("rev-parse", "--verify", "--quiet", ref)
            return self.git("cat-file", "-t", sha), sha
        except GitError:
            return None

    def refs(self, prefix: str) -> dict[str, tuple[str, str]]:
        """Kind and SHA of each ref below `prefix`."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objecttype) %(objectname)", prefix).splitlines()
        return {name: (kind, sha) for name, kind, sha in (line.split() for line in lines)}

    def merge_base(self, first: str, second: str) -> str | None:
        """Where two histories left each other."""
        try:
            return self.git("merge-base", first, second)
        except GitError:
            return None

    def between(self, base: str, head: str) -> list[str]:
        """Commits of `head` that `base` lacks, oldest first."""
        return self.git("rev-list", "--reverse", "--topo-order", f"{base}..{head}").split()

    def files(self, base: str, head: str) -> list[dict[str, Any]]:
        """What differs, as GitHub lists the files of a pull request."""
        names = self.git("diff", "--name-status", "-M", "-z", base, head).split("\0")[:-1]
        counts = self._counts(base, head)
        found = []
        while names:
            kind, path = names.pop(0), names.pop(0)
            entry: dict[str, Any] = {"filename": path, "status": _STATUS[kind[0]]}
            if kind[0] in "RC":
                entry |= {"previous_filename": path, "filename": names.pop(0)}
            added, deleted = counts.get(entry["filename"], (0, 0))
            blob = self.object_of(f"{head}:{entry['filename']}")
            entry |= {"additions": added, "deletions": deleted, "changes": added + deleted}
            found.append({"sha": blob[1] if blob else "0" * 40, **entry})
        return found

    def _counts(self, base: str, head: str) -> dict[str, tuple[int, int]]:
        lines = self.git("diff", "--numstat", "--no-renames", "-z", base, head).split("\0")[:-1]
        rows = (line.split("\t", 2) for line in lines)
        return {path: (int(a) if a != "-" else 0, int(d) if d != "-" else 0) for a, d, path in rows}

    def describe(self, sha: str) -> dict[str, Any]:
        """A commit's own fields."""
        form = "%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
        tree, parents, *rest = self.git("log", "-1", f"--format={form}", sha).split("\0")
        author, committer = (
            dict(zip(("name", "email", "date"), rest[start : start + 3], strict=True)) for start in (0, 3)
        )
        return {
            "tree": tree,
            "parents": parents.split(),
            "author": author,
            "committer": committer,
            "message": rest[6].rstrip("\n"),
        }

    def write_commit(self, tree: str, parents: list[str], message: str, who: dict[str, str] | None = None) -> str:
        """Make a commit."""
        who = who or BOT
        environ = {
            f"GIT_{role}_{key.upper()}": who[key] for role in ("AUTHOR", "COMMITTER") for key in ("name", "email")
        }
        options = [option for parent in parents for option in ("-p", parent)]
        return self.git("commit-tree", tree, *options, "-F", "-", data=message.encode(), environ=environ)

    def merge(self, base: str, head: str, message: str) -> str | None:
        """Make a merge commit of two; None where they conflict."""
        try:
            tree = self.git("merge-tree", "--write-tree", base, head).splitlines()[0]
        except GitError:
            return None
        return self.write_commit(tree, [base, head], message)

    def rebase(self, onto: str, commits: list[str]) -> list[str]:
        """Write commits anew, one upon the other, on top of a branch."""
        with tempfile.TemporaryDirectory() as folder:
            tree = Bare(Path(folder) / "tree")
            self.git("worktree", "add", "--quiet", "--detach", str(tree.path), onto)
            who = ("-c", f"user.name={BOT['name']}", "-c", f"user.email={BOT['email']}")
            tree.git(*who, "cherry-pick", *commits)
            made = tree.between(onto, "HEAD")
            self.git("worktree", "remove", "--force", str(tree.path))
        return made

    def write_file(self, parent: str, path: str, content: bytes | None, message: str) -> str:
        """Make a commit that differs from `parent` in one file; None takes it away."""
        index = {"GIT_INDEX_FILE": str(self.path / f"index-{os.getpid()}")}
        self.git("read-tree", parent, environ=index)
        if content is None:
            self.git("update-index", "--index-info", data=f"0 {'0' * 40}\t{path}\n".encode(), environ=index)
        else:
            blob = self.git("hash-object", "-w", "--stdin", data=content)
            self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", environ=index)
        tree = self.git("write-tree", environ=index)
        Path(index["GIT_INDEX_FILE"]).unlink()
        return self.write_commit(tree, [parent], message)


_STATUS = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "C": "copied", "T": "changed"}
