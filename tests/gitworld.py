"""A World under git whose commits and objects can be made as old as a test needs."""

from __future__ import annotations

import os
import subprocess
import time

from world import World

from runner.git import Checkout, read_checkout
from runner.git_history import read_history
from runner.plan.delivery import Delivery
from runner.plan.reach import reach
from runner.registry.gc import find_garbage
from runner.registry.marks import Roots
from runner.registry.store import open_store
from runner.spec.config import load_config

DAY = 86400


class GitWorld(World):
    """One repository with real commits; everything happens `self.days` ago."""

    def __init__(self, root):
        super().__init__(root)
        self.days = 0.0
        self.store = open_store("registry/store", root)
        (root / ".gitignore").write_text("registry/store/\ncache/\n")
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments):
        when = f"{int(time.time() - self.days * DAY)} +0000"
        environment = {**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.invalid", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=environment, check=True, capture_output=True, text=True
        ).stdout

    def commit(self):
        self.write()
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD").strip()

    def delivery(self):
        checkout = read_checkout(self.root)
        return Delivery(Checkout(self.root, checkout.commit, checkout.branch), "main", [], lambda _: True)

    def run(self, days=0.0, **spec):
        """Edit the spec, commit and apply, some days ago."""
        self.days = days
        self.spec |= spec
        commit = self.commit()
        before = {entry.key for entry in self.objects()}
        _, outcome = self.apply()
        assert outcome.error is None, outcome.error
        # Leases that have ended are swept as everything else; here they would only be counted along.
        for lease in list(self.store.list("leases")):
            self.store.delete(lease)
        for entry in self.objects():
            if entry.key not in before:
                self.age(entry.key, days)
        return commit

    def age(self, key, days):
        os.utime(self.store.local_path(key), (time.time() - days * DAY,) * 2)

    def objects(self):
        return [entry for prefix in ("records", "blobs", "failures", "leases") for entry in self.store.entries(prefix)]

    def roots(self, keep=90, grace=14):
        history = read_history(self.root, time.time() - keep * DAY)
        found = reach(history, self.root, load_config(self.root), self.registry)
        assert not found.unreadable
        return Roots(found.keys, set(history.recent), found.names, time.time() - grace * DAY)

    def garbage(self, **windows):
        return find_garbage(self.store, self.roots(**windows))
