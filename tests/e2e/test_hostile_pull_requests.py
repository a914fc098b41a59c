"""Pull requests of somebody who wants secrets, a lower bar, or a green check: each is refused or harmless, and shows nothing.

The repository is private, so that reports show rows as they are, and every read of the API needs its scope.
"""

from __future__ import annotations

import copy
import json
import re

import pytest
import yaml
from forge import APP, SECRET, SPEC, Forge, rows
from github_server.http import Refused

pytestmark = pytest.mark.slow

COMMAND = re.compile(r"^\s*::([a-z-]+)[ :]|##\[([a-z-]+)", re.MULTILINE)
"""What a runner takes for a command where it reads it in a log: at the beginning of a line, or in the old form anywhere."""
TRICKS = "\n::set-output name=matrix::{}\n##[set-output name=number]1\n@everyone <img src=x onerror=alert(1)></details>"


@pytest.fixture(scope="module")
def forge(tmp_path_factory):
    """One release is live; every test opens pull requests of its own."""
    with Forge(tmp_path_factory.mktemp("hostile"), private=True) as made:
        done = made.gitune(made.base(), "apply", "--yes", environ={})
        assert made.live() == "1.0.0", done.text
        yield made


@pytest.fixture(autouse=True)
def nothing_leaks(forge):
    before = live_files(forge)
    forge.jobs.clear()
    yield
    for number in forge.hub.pulls:
        forge.hub.close(number)
    forge.assert_nothing_leaked()
    for job in forge.jobs:
        assert commands_in(job) == [], job.text
        assert "Traceback" not in job.err, job.err
        assert set(job.outputs) <= {"number", "sha", "base", "base_sha", "trusted"}, job.outputs
    assert live_files(forge) == before


def commands_in(job):
    """What GitHub's runner would do of what a job prints: nothing once it is told to stop, and with which word to go on."""
    stopped = re.match(r"::stop-commands::([0-9a-f]{32})\n", job.err)
    if stopped:
        return [line for line in (job.out + job.err).splitlines() if line.strip() == f"::{stopped[1]}::"]
    return COMMAND.findall(job.out) + COMMAND.findall(job.err)


def live_files(forge):
    """What decides about releases, and what main takes for done: no pull request may touch it."""
    found = (file for file in forge.store.rglob("*.json") if "/pr/" not in str(file.relative_to(forge.store.parent)))
    return sorted((str(file), file.read_text()) for file in found)


def variant(**changes):
    spec = copy.deepcopy(SPEC) | {"version": "1.0.1"}
    for field, values in changes.items():
        spec[field] = {**spec[field], **values} if isinstance(values, dict) else values
    return spec


def link(forge, path, target):
    file = forge.clone / path
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(target)


def run_all(forge, number, event=None, payload=None):
    """Everything that GitHub starts for a pull request; return what our check says in the end, and the jobs."""
    planned = forge.plan(number)
    trained = forge.retrain(number, event, payload)
    run = forge.retrain_run(forge.head(number))
    run.status, run.conclusion = "completed", "success"
    reported = forge.report(run)
    assert reported.code == 0, reported.text
    return forge.check(forge.head(number)), [planned, *trained, reported]


DATA = "specs/router/data"
READS = {
    "an absolute path": lambda it: it.write_spec(variant(dataset={"train": ["/etc/passwd"]})),
    "a path that leaves": lambda it: it.write_spec(variant(dataset={"train": ["../../../private.txt"]})),
    "a path of the home folder": lambda it: it.write_spec(variant(dataset={"train": ["~/.aws/credentials"]})),
    "a pattern that leaves": lambda it: it.write_spec(variant(dataset={"train": ["../../../*.txt"]})),
    "data as a link": lambda it: link(it, f"{DATA}/train.jsonl", "/etc/passwd"),
    "a link to a secret": lambda it: (
        link(it, f"{DATA}/more.jsonl", it.root / "private.txt")
        or it.write_spec(variant(dataset={"train": ["data/*.jsonl"]}))
    ),
    "a folder as a link": lambda it: (
        link(it, "specs/router/more", it.root) or it.write_spec(variant(dataset={"train": ["more/*.txt"]}))
    ),
    "the spec as a link": lambda it: link(it, "specs/router/spec.yaml", it.home / ".aws" / "credentials"),
    "a new spec as a link": lambda it: link(it, "specs/other/spec.yaml", it.root / "private.txt"),
    "a schema as a link": lambda it: link(it, "specs/router/output.schema.json", it.root / "private.txt"),
    "a schema elsewhere": lambda it: it.write_spec(
        variant(evaluation={"output_format": {"json_schema": "../../../private.txt"}})
    ),
    "a template elsewhere": lambda it: it.write_spec(variant(chat_template="../../../private.txt")),
    "a base model elsewhere": lambda it: it.write_spec(variant(base_model="file:///etc")),
    "a base model next door": lambda it: it.write_spec(variant(base_model="file://../home")),
    "a link in the base model": lambda it: link(it, "base/generation_config.json", it.root / "private.txt"),
    "an address as data": lambda it: it.write_spec(variant(dataset={"train": ["https://evil.invalid/data.jsonl"]})),
    "a bucket as data": lambda it: it.write_spec(variant(dataset={"train": ["s3://evil/data.jsonl"]})),
}


@pytest.mark.parametrize("edit", READS.values(), ids=READS.keys())
def test_nothing_outside_the_repository_is_read(forge, edit):
    number = forge.propose("read", edit)
    (status, conclusion), _ = run_all(forge, number)
    assert (status, conclusion) == ("completed", "failure")
    assert len(forge.comment(number)) < 65_536


def bomb():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    return "\n".join(lines) + "\n"


BROKEN = {
    "10 MB of YAML": lambda it: it.write("specs/router/spec.yaml", yaml.safe_dump(SPEC) + "# x\n" * 2_500_000),
    "a bomb": lambda it: it.write("specs/router/spec.yaml", bomb() + yaml.safe_dump(SPEC)),
    "depth": lambda it: it.write("specs/router/spec.yaml", "[" * 100_000),
    "a tag": lambda it: it.write(
        "specs/router/spec.yaml", yaml.safe_dump(SPEC) + "owner: !!python/object/apply:os.system ['touch /tmp/owned']\n"
    ),
    "a name of tricks": lambda it: it.write("specs/router/spec.yaml", yaml.safe_dump({**SPEC, "name": TRICKS})),
    "a key of tricks": lambda it: it.write("specs/router/spec.yaml", yaml.safe_dump({**SPEC, "x" + TRICKS: 1})),
    "a value of tricks": lambda it: it.write_spec(variant(evaluation={"task": TRICKS})),
    "a file name of tricks": lambda it: it.write_spec(variant(dataset={"train": ["data/x" + TRICKS]})),
    "rows of tricks": lambda it: it.write(f"{DATA}/train.jsonl", json.dumps({TRICKS: TRICKS}) + "\n" + TRICKS + "\n"),
    "a pattern that never ends": lambda it: it.write(
        "specs/router/output.schema.json",
        json.dumps({"type": "object", "properties": {"queue": {"type": "string", "pattern": "(a|a)*(b|b)*(a|a)*$$["}}}),
    ),
}


@pytest.mark.parametrize("edit", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_on_purpose_is_told_and_never_echoed_raw(forge, edit):
    number = forge.propose("broken", edit)
    (status, conclusion), _ = run_all(forge, number)
    assert (status, conclusion) == ("completed", "failure")
    check_is_text(forge.comment(number))


def test_a_folder_and_files_with_newlines_in_their_names(forge):
    def edit(it):
        evil = "evil\n::set-output name=matrix::{}"
        it.write(f"specs/{evil}/spec.yaml", yaml.safe_dump({**SPEC, "name": "evil"}))
        it.write(f"{DATA}/more\n::add-mask::x.jsonl", rows(500, 4))
        it.write_spec(variant(dataset={"train": ["data/*.jsonl"]}))

    number = forge.propose("newlines", edit)
    (_, conclusion), _ = run_all(forge, number)
    assert conclusion != "success"


def test_its_own_configuration_is_not_read(forge):
    theirs = {
        "store": str(forge.root / "their-store"),
        "metrics": [{"name": "own", "command": ["touch", str(forge.root / "owned")]}],
        "runners": [{"name": "big", "runs_on": "their-machine"}],
        "policy": {"file_roots": ["/"]},
        "endpoints": [
            {"name": "spy", "url": "http://127.0.0.1:1/v1", "model": "m", "api_key_env": "AWS_SECRET_ACCESS_KEY"}
        ],
    }

    def edit(it):
        it.write("registry/config.yaml", yaml.safe_dump(theirs))
        it.write_spec({**variant(base_model="file:///etc"), "compute": {"profile": "big"}})

    number = forge.propose("config", edit)
    (_, conclusion), _ = run_all(forge, number)
    assert conclusion == "failure"
    assert not (forge.root / "their-store").exists()
    assert not (forge.root / "owned").exists()
    assert "registry/config.yaml" in forge.comment(number)


@pytest.mark.parametrize(
    "edit",
    [
        lambda it: it.write_spec({**variant(), "compute": {"profile": "their-machine"}}),
        lambda it: it.write_spec(
            variant(evaluation={"metrics": ["exact_match", {"name": "own", "command": "their-program"}]})
        ),
        lambda it: it.write_spec(
            variant(evaluation={"metrics": ["exact_match", {"name": "own", "judge": "spy", "rubric": "x"}]})
        ),
    ],
    ids=["a runner", "a program", "an endpoint"],
)
def test_what_only_the_owners_may_name_is_refused(forge, edit):
    number = forge.propose("names", edit)
    (status, conclusion), _ = run_all(forge, number)
    assert (status, conclusion) == ("completed", "failure")


def lower(it):
    gates = [{"metric": "exact_match", "at_least": 0.0}]
    it.write_spec({**copy.deepcopy(SPEC), "version": "1.0.0", "evaluation": {**SPEC["evaluation"], "gates": gates}})


def review_again(forge, number, login, state="APPROVED", commit=None):
    """A review, and the report that follows it."""
    forge.hub.review(number, login, state, commit)
    done = forge.report(forge.plan_run(number))
    assert done.code == 0, done.text
    return forge.check(forge.head(number))


def test_a_lowered_gate_waits_for_a_code_owner_of_this_very_commit(forge):
    number = forge.propose("lower", lower, author="bob")
    (_, conclusion), _ = run_all(forge, number)
    assert conclusion != "success"
    assert "gate" in forge.comment(number)
    assert "ada" in forge.comment(number)
    # Neither the author nor a stranger, nor the owner on another commit or in other words.
    assert review_again(forge, number, "bob")[1] != "success"
    assert review_again(forge, number, "mallory")[1] != "success"
    assert review_again(forge, number, "ada", "COMMENTED")[1] != "success"
    assert review_again(forge, number, "ada", commit=forge.main())[1] != "success"
    with pytest.raises(Refused, match="expected"):
        forge.hub.merge(number)
    assert review_again(forge, number, "ada")[1] == "success"
    # A newer commit is another proposal.
    forge.push("lower", lambda it: lower(it) or it.write("README.md", "more"))
    assert review_again(forge, number, "bob")[1] != "success"


def test_a_lowered_gate_in_codeowners_that_the_proposal_rewrote(forge):
    def edit(it):
        lower(it)
        it.write(".github/CODEOWNERS", "* @bob\n")

    number = forge.propose("owners", edit, author="carol")
    run_all(forge, number)
    assert review_again(forge, number, "bob")[1] != "success"
    assert "CODEOWNERS" in forge.comment(number)


def test_a_job_that_takes_the_name_of_the_check_is_not_the_check(forge):
    workflow = (
        "name: gitune\non: [pull_request]\njobs:\n  gitune:\n    runs-on: ubuntu-latest\n    steps: [{run: exit 0}]\n"
    )

    def edit(it):
        lower(it)
        it.write(".github/workflows/fake.yml", workflow)
        it.write(".github/workflows/report.yml", workflow)

    number = forge.propose("fake", edit)
    sha = forge.head(number)
    # What GitHub makes of that job: a check run of the App `github-actions`, named as ours.
    job = forge.hub.token({"checks": "write"})
    answer = post(forge, job, "check-runs", {"name": "gitune", "head_sha": sha, "conclusion": "success"})
    assert answer == 201
    (_, conclusion), _ = run_all(forge, number)
    assert conclusion != "success"
    assert ".github/workflows/report.yml" in forge.comment(number)
    with pytest.raises(Refused, match="expected"):
        forge.hub.merge(number)
    ours = [run for run in forge.hub.checks(sha) if run.app == APP]
    assert patch(forge, job, f"check-runs/{ours[0].id}", {"conclusion": "success"}) == 403


def post(forge, token, path, body, method="POST"):
    import httpx

    url = f"{forge.hub.url}/repos/{forge.hub.full_name}/{path}"
    return httpx.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"}).status_code


def patch(forge, token, path, body):
    return post(forge, token, path, body, "PATCH")


def test_a_comment_that_looks_like_ours_is_left_alone(forge):
    number = forge.propose("comment", lower)
    forge.hub.comment(
        number, "mallory", "<!-- gitune:proposal -->\n**PASS** nothing to see\n<!-- gitune:history e30= -->"
    )
    run_all(forge, number)
    theirs, ours = forge.hub.comments(number)
    assert "nothing to see" in theirs.body
    assert "nothing to see" not in ours.body


def shuffled(it):
    it.write_spec(variant(training={"learning_rate": 0.004}))
    it.write(f"{DATA}/train.jsonl", rows(0, 120, shuffled=True))


def test_forged_results_in_the_store_are_not_believed(forge):
    """Who could write to pr/N would still have to forge answers under the right key; scores and verdicts are not read."""
    number = forge.propose("forged", shuffled)
    (_, conclusion), _ = run_all(forge, number)
    assert conclusion == "failure"
    assert "FAIL" in forge.comment(number)
    theirs = forge.store / "pr" / str(number)
    # Verdicts and scores of the good release in place of those.
    for step in ("score", "gate"):
        (good,) = sorted((forge.store / "records" / step).rglob("*.json"))[:1]
        for file in (theirs / "records" / step).rglob("*.json"):
            record = json.loads(file.read_text()) | {"outputs": json.loads(good.read_text())["outputs"]}
            file.chmod(0o644)
            file.write_text(json.dumps(record))
    run = forge.plan_run(number)
    assert forge.report(run).code == 0
    assert forge.check(forge.head(number)) == ("completed", "failure")
    # The good release's answers in place of its own.
    (good,) = (forge.store / "records" / "predict_tuned").rglob("*.json")
    for file in (theirs / "records" / "predict_tuned").rglob("*.json"):
        file.chmod(0o644)
        file.write_text(good.read_text())
    assert forge.report(run).code == 0
    assert forge.check(forge.head(number))[1] != "success"


def test_an_event_cannot_speak_for_another_pull_request(forge):
    victim = forge.propose("victim", shuffled)
    attacker = forge.propose("attacker", lambda it: it.write("README.md", "harmless"))
    # A run of the attacker's that claims the victim's number, and a dispatch of one commit for another number.
    event = forge.hub.workflow_run_event(forge.plan_run(attacker))
    event["workflow_run"]["pull_requests"] = [{"number": victim, "head": {"sha": forge.head(victim)}}]
    event["workflow_run"]["display_title"] = f"retrain {forge.head(victim)}\n::error::x"
    event["workflow_run"]["head_branch"] = "$(touch owned)"
    done = forge.privileged("report.yml/report", "workflow_run", event, "github", "report")
    assert done.code == 0, done.text
    assert forge.hub.comments(victim) == []
    assert [run for run in forge.hub.checks(forge.head(victim)) if run.app == APP] == []
    dispatched = forge.hub.dispatch_event("retrain.yml", number=str(victim), sha=forge.head(attacker))
    proposal, jobs = forge.matrix("workflow_dispatch", dispatched)
    assert jobs == []
    assert proposal.outputs.get("sha", "") == ""
    for number in ("0", "-1", "1e3", "1; touch owned", "../1", str(10**30)):
        bad = forge.hub.dispatch_event("retrain.yml", number=number, sha=forge.head(attacker))
        assert forge.matrix("workflow_dispatch", bad)[1] == []


def test_an_easier_base_decides_nothing(forge):
    """A check hangs on a commit: the same one proposed where nothing differs from it must not turn it green."""
    number = forge.propose("worse", shuffled)
    forge.hub.git.git("update-ref", "refs/heads/easy", forge.head(number))
    bare = forge.hub.git
    theirs = yaml.safe_dump({"store": str(forge.root / "their-store"), "policy": {"file_roots": ["/"]}}).encode()
    bare.git("update-ref", "refs/heads/easy", bare.write_file(forge.main(), "registry/config.yaml", theirs, "easy"))
    easy = forge.hub.open_pull_request("worse", "The same, elsewhere", "bob", base="easy")
    assert forge.head(easy) == forge.head(number)
    forge.retrain(number)
    run = forge.retrain_run(forge.head(number))
    run.status, run.conclusion = "completed", "success"
    for event in (forge.plan_run(number), run):
        assert forge.report(event).code == 0
    dispatched = forge.hub.dispatch_event("report.yml", number=str(easy))
    assert forge.privileged("report.yml/report", "workflow_dispatch", dispatched, "github", "report").code == 0
    assert forge.check(forge.head(number)) == ("completed", "failure")
    assert forge.hub.comments(easy) == []
    assert not (forge.root / "their-store").exists()
    with pytest.raises(Refused, match="expected"):
        forge.hub.merge(number)


def test_a_fork_is_trained_only_when_a_person_names_its_commit(forge):
    number = forge.propose("theirs", shuffled, author="mallory", fork=True)
    forge.hub.issues_by_number[number].labels.append("safe-to-train")
    first = forge.head(number)
    assert forge.retrain(number) == []
    assert not (forge.store / "pr" / str(number)).exists()
    # They push once more: neither the label nor the word for the first commit is for this one.
    forge.push("theirs", lambda it: shuffled(it) or it.write("README.md", "now the attack"))
    second = forge.head(number)
    assert second != first
    assert forge.retrain(number) == []
    stale = forge.hub.dispatch_event("retrain.yml", number=str(number), sha=first)
    assert forge.matrix("workflow_dispatch", stale)[1] == []
    named = forge.hub.dispatch_event("retrain.yml", number=str(number), sha=second)
    _, jobs = forge.matrix("workflow_dispatch", named)
    assert [job["spec"] for job in jobs] == ["router"]
    run = forge.plan_run(number)
    assert forge.report(run).code == 0
    assert forge.check(second)[1] != "success"


def test_what_a_model_says_is_text(forge):
    evil = "@ada </details><!-- gitune:proposal --> <script>alert(1)</script> ``` ![x](http://evil.invalid/?q) #1"

    def edit(it):
        spec = variant(version="1.0.0", name="evil", training={"num_epochs": 1})
        it.write_spec(spec)
        it.write("specs/evil/output.schema.json", json.dumps({"type": "object"}))
        lines = [json.dumps({"input": f"{evil} {n}", "output": {"queue": evil}}) for n in range(80)]
        it.write("specs/evil/data/train.jsonl", "\n".join(lines) + "\n")
        it.write("specs/evil/data/test.jsonl", "\n".join(lines[:20]).replace(" 1", " one") + "\n")

    number = forge.propose("evil", edit)
    run_all(forge, number)
    comment = forge.comment(number)
    assert "evil" in comment
    check_is_text(comment)
    check_is_text(forge.jobs[-1].summary)


def check_is_text(markdown):
    """Rendered as GitHub does, nothing of it is a tag, a mention, a link or a picture of theirs."""
    from markdown_it import MarkdownIt

    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown)
    assert "<script" not in html
    assert "<img" not in html
    outside_code = re.sub(r"<(pre|code)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert re.search(r"(?<!\w)@(ada|everyone)\b", outside_code) is None
    assert "evil.invalid" not in " ".join(re.findall(r'(?:src|href)="([^"]*)"', html))
    assert markdown.count("<!-- gitune:proposal -->") <= 1
    assert html.count("<details") == html.count("</details>")


def test_what_git_could_run_does_not_run(forge):
    mark = forge.root / "owned"

    def edit(it):
        it.write(".lfsconfig", f"[lfs]\n\turl = file://{it.root}\n")
        for hook in ("post-checkout", "pre-commit", "post-merge"):
            it.write(f"hooks/{hook}", f"#!/bin/sh\ntouch {mark}\n")
            it.write(f".githooks/{hook}", f"#!/bin/sh\ntouch {mark}\n")
        for name in ("sitecustomize.py", "runner/__init__.py", "conftest.py", "yaml.py", "torch.py", "github.py"):
            it.write(name, f"open({str(mark)!r}, 'w')\n")
        it.write_spec(variant(training={"learning_rate": 0.0045}))

    number = forge.propose("git", edit)
    # Not by a git that would look at them first.
    bare = forge.hub.git
    for path, text in (
        (".gitattributes", "*.jsonl filter=lfs diff=evil\n*.yaml filter=evil ident working-tree-encoding=UTF-16\n"),
        (".gitmodules", f'[submodule "x"]\n\tpath = x\n\turl = {forge.root}/private\n\tupdate = !touch {mark}\n'),
    ):
        head = bare.write_file(forge.head(number), path, text.encode(), path)
        bare.git("update-ref", "refs/heads/git", head)
    (_, conclusion), _ = run_all(forge, number)
    assert not mark.exists()
    assert conclusion in ("success", "failure", None)


def test_secrets_in_the_environment_are_nowhere(forge):
    """The names of variables in a spec are text."""
    number = forge.propose(
        "vars", lambda it: it.write_spec(variant(description=f"${{AWS_SECRET_ACCESS_KEY}} {SECRET[:4]}"))
    )
    run_all(forge, number)
