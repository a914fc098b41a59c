"""A GitHub on loopback, over a real bare git repository: for tests of everything that speaks to GitHub.

    with GitHubServer(remote) as hub:                         # remote: a bare repository, `git clone --bare`
        token = hub.token({"pull-requests": "write", "checks": "write"})      # a job's GITHUB_TOKEN
        app = hub.token({"checks": "write"}, app="gitune")                    # an App's installation token
        person = hub.token(user="ada")                                        # may what ada may
        number = hub.open_pull_request("change", "New data", "bob")           # bob pushed branch `change`
        environ = hub.environ("pull_request", hub.pull_request_event(number), token)
        ... run the verb with `environ` ...
        hub.comments(number), hub.checks(sha), hub.issues, hub.releases, hub.dispatches, hub.requests

People and their roles are `hub.people` (`{"ada": "write"}`; admin, maintain, write, triage, read), teams are `hub.teams`
(`{"org/data": {"ada": "member"}}`). Push to the bare repository with git as usual: branches, pull requests' heads
(`refs/pull/N/head`) and files are read from it, and merges, tags and refs are written into it. A fork's branch is one
that was pushed and taken away: `open_pull_request(..., fork=True)`, and again after each further push of it.

As GitHub, it answers 401 to an unknown token, 403 "Resource not accessible by integration" where a scope lacks, 404 for
what is not there, 422 with its own JSON for what is too long or wrong, at most 100 things per page with `Link`. A check
run can only be made by an App and changed by the one that made it. `GITHUB_TOKEN` opens no pull request unless
`hub.actions_may_open_pull_requests`. `hub.require("gitune", app="gitune")` protects the default branch.

Trouble comes by `hub.faults`: `hub.faults += [Fault(502)] * 2`, `Fault.secondary_limit(1)`, `Fault.primary_limit(2)`, each
for one request, and for those alone that match its `method` and `path` (a regular expression) if told.
"""

from github_server.server import GitHubServer
from github_server.state import Fault, PullRequest, Token, WorkflowRun

__all__ = ["Fault", "GitHubServer", "PullRequest", "Token", "WorkflowRun"]
