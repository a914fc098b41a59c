"""CODEOWNERS as GitHub reads it: who must agree to a change of the bar."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import GituneError
from runner.proposals.owners import FILES, Owners, owners_at

# The examples of GitHub's own documentation, and what else decides who must agree.
CASES = [
    ("* @global", "any/file.py", ["@global"]),
    ("* @global\n*.js @js", "src/app.js", ["@js"]),
    ("*.js @js\n* @global", "src/app.js", ["@global"]),
    ("*.js @js #This is an inline comment.", "app.js", ["@js"]),
    ("* @ada # was @bob", "app.js", ["@ada"]),
    ("*.go docs@example.com", "a/b.go", ["docs@example.com"]),
    ("*.txt @octo-org/octocats @ada", "a.txt", ["@octo-org/octocats", "@ada"]),
    ("/build/logs/ @doctocat", "build/logs/a/b", ["@doctocat"]),
    ("/build/logs/ @doctocat", "x/build/logs/a", []),
    ("docs/* docs@example.com", "docs/getting-started.md", ["docs@example.com"]),
    ("docs/* docs@example.com", "docs/build-app/troubleshooting.md", []),
    ("apps/ @octocat", "x/apps/y.py", ["@octocat"]),
    ("/docs/ @doctocat", "docs/deep/down.md", ["@doctocat"]),
    ("/scripts/ @doctocat @octocat", "scripts/x", ["@doctocat", "@octocat"]),
    ("**/logs @octocat", "deeply/nested/logs/x", ["@octocat"]),
    ("/apps/ @octocat\n/apps/github", "apps/github/x", []),
    ("/apps/ @octocat\n/apps/github", "apps/other/x", ["@octocat"]),
    ("/specs/**/spec.yaml @ml", "specs/a/spec.yaml", ["@ml"]),
    ("/my\\ specs/ @ada", "my specs/x", ["@ada"]),
    ("# * @nobody\n\n   \n", "x", []),
    ("/specs @ada", "specs/a/spec.yaml", ["@ada"]),
    ("/spec @ada", "specs/a/spec.yaml", []),
    ("/C#/ @ada", "C#/x", ["@ada"]),
    # No rules there: GitHub skips these lines, so the rule before them counts.
    ("* @ada\n!specs/ @bob", "specs/x", ["@ada"]),
    ("* @ada\n[st]pecs/ @bob", "specs/x", ["@ada"]),
    ("* @ada\nspecs[ @bob", "specs/x", ["@ada"]),
    ("[Section][2] @bob\n* @ada", "specs/x", ["@ada"]),
    ("^[Optional section] @bob\n* @ada", "specs/x", ["@ada"]),
]


@pytest.mark.parametrize(("text", "path", "owners"), CASES)
def test_who_owns_a_path(text, path, owners):
    assert list(Owners(text).of(path)) == owners


NAMES = st.text("ab.-_", min_size=1, max_size=4).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(st.text(max_size=60), PATHS)
def test_nothing_that_a_file_says_breaks_it(text, path):
    assert all("@" in owner for owner in Owners(text).of(path))


@given(st.text("*?/[]!# @ab\\\n", max_size=40), PATHS, PATHS)
def test_the_last_rule_that_matches_decides(before, folder, path):
    assert list(Owners(f"{before}\n/{folder}/ @last").of(f"{folder}/{path}")) == ["@last"]


@given(st.lists(st.tuples(PATHS, st.sampled_from(["@ada", "@bob"])), max_size=6), PATHS)
def test_plain_folders_are_those_above_a_path(rules, path):
    text = "\n".join(f"/{folder} {owner}" for folder, owner in rules)
    above = [owner for folder, owner in rules if f"{path}/".startswith(f"{folder}/")]
    assert list(Owners(text).of(path)) == above[-1:]


def run(root, *arguments):
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.invalid", *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


@pytest.mark.parametrize("present", range(len(FILES)))
def test_the_first_place_that_has_it_counts(tmp_path, present):
    run(tmp_path, "init", "--quiet")
    for file in FILES[present:]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(f"* @{FILES.index(file)}\n")
    run(tmp_path, "add", ".")
    run(tmp_path, "commit", "--quiet", "--message", "owners")
    (tmp_path / "CODEOWNERS").write_text("* @not-committed\n")
    assert list(owners_at(tmp_path, "HEAD").of("x")) == [f"@{present}"]


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "codeowners", None)
    with pytest.raises(GituneError) as caught:
        Owners("* @ada").of("x")
    assert caught.value.hint == "pip install 'gitune[github]'"
