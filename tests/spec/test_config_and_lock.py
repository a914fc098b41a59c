from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.errors import SpecError
from runner.spec.config import Config, load_config
from runner.spec.lock import Pin, load_lock, write_lock

pins = st.builds(
    Pin,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    size=st.integers(0, 2**50),
    rows=st.none() | st.integers(0, 10**9),
)
uris = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(lambda tail: f"hf://{tail}")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "specs" / "x"
    folder.mkdir(parents=True)
    return folder


def write_config(root, text):
    (root / "registry").mkdir(exist_ok=True)
    (root / "registry" / "config.yaml").write_text(text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_a_config_that_says_nothing_is_the_default(tmp_path, text):
    assert load_config(tmp_path) == Config()
    write_config(tmp_path, text)
    assert load_config(tmp_path) == Config()


def test_a_config_is_read(tmp_path):
    write_config(tmp_path, "store: s3://bucket/prefix\npolicy:\n  deploy_branch: release\n  file_roots: [models]\n")
    config = load_config(tmp_path)
    assert (config.store, config.policy.deploy_branch, config.policy.file_roots) == (
        "s3://bucket/prefix",
        "release",
        ["models"],
    )


@pytest.mark.parametrize(
    ("text", "size"), [("", 50 * 10**9), ("500MB", 5 * 10**8), ("1.5 GB", 15 * 10**8), ("2TB", 2 * 10**12)]
)
def test_the_size_of_the_cache_is_read(tmp_path, text, size):
    write_config(tmp_path, f"cache: {{max_size: {text}}}\n" if text else "")
    assert load_config(tmp_path).cache.max_bytes == size


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("stor: x\n", 1, "did you mean `store`?"),
        ("cache: {max_size: 50}\n", 1, "must be text"),
        ("cache: {max_size: 50 gigs}\n", 1, "MB, GB or TB"),
        ("cache:\n  max_size: 50GiB\n", 2, "MB, GB or TB"),
        ("store: 3\n", 1, "must be text"),
        ("policy:\n  deploy_branch: main\n  file_root: [x]\n", 3, "did you mean `file_roots`?"),
        ("policy: {file_roots: models}\n", 1, "write a list: [models]"),
        ("- store\n", 1, "the file is a list"),
        ("store: no\n", 1, "disagree about `no`"),
        ('store: ""\n', 1, "name a folder or a URL"),
        ("store: ~/gitune\n", 1, "`~` is not expanded"),
        ("store: s3:/bucket/prefix\n", 1, "write s3://"),
        ("store: memory:///\n", 1, "forgets everything"),
        ('store: "a\\0b"\n', 1, "control character"),
        ("store: .\n", 1, "a folder of their own"),
        ("store: specs/store\n", 1, "a folder of their own"),
        ("store: x/../.git/store\n", 1, "a folder of their own"),
        ('policy: {deploy_branch: ""}\n', 1, "name a branch"),
    ],
)
def test_a_wrong_config_is_told_at_its_line(tmp_path, text, line, fragment):
    write_config(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_config(tmp_path)
    [problem] = caught.value.problems
    assert (problem.where.file, problem.where.line) == ("registry/config.yaml", line)
    assert fragment in str(problem)


def test_a_config_behind_a_broken_link_is_not_the_default(tmp_path):
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "config.yaml").symlink_to("nowhere")
    with pytest.raises(SpecError, match="cannot be read"):
        load_config(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.dictionaries(uris, pins, max_size=4))
@example(written={"hf://a": Pin(sha256="1" * 30 + "e" + "2" * 33, size=1), "hf://b": Pin(sha256="0" * 64, size=0)})
@example(written={"hf://\x85": Pin(sha256="a" * 64, size=5)})
@example(written={"hf://\x85 \u2028\ufeff\U0001f600'\"#: ": Pin(sha256="a" * 64, size=5, rows=2)})
def test_a_lock_reads_back_as_it_was_written(folder, written):
    write_lock(folder, written)
    assert load_lock(folder) == written


def test_a_lock_is_sorted_and_leaves_nothing_behind(folder):
    pin = Pin(sha256="ab" * 32, size=12, rows=3)
    write_lock(folder, {"pkg://b/x.gguf": pin, "hf://a": pin.model_copy(update={"rows": None})})
    assert (folder / "data.lock").read_text() == (
        "# Written by `gitune data lock`: what each input was. Commit it.\n"
        f"hf://a:\n  sha256: {'ab' * 32}\n  size: 12\n"
        f"pkg://b/x.gguf:\n  rows: 3\n  sha256: {'ab' * 32}\n  size: 12\n"
    )
    assert [file.name for file in folder.iterdir()] == ["data.lock"]


def test_a_failed_write_keeps_the_old_lock(folder, monkeypatch):
    write_lock(folder, {})
    before = (folder / "data.lock").read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_lock(folder, {"hf://a": Pin(sha256="ab" * 32, size=1)})
    assert (folder / "data.lock").read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["data.lock"]


def test_no_lock_is_no_pins(folder):
    assert load_lock(folder) == {}
    (folder / "data.lock").write_text("# empty\n")
    assert load_lock(folder) == {}


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("hf://a: {sha256: abc, size: 1}\n", 1, "64 lowercase hexadecimal digits, not `abc`"),
        (f"hf://a/b.c:\n  sha256: {'a' * 64}\n  size: -1\n", 3, "of at least 0, not -1"),
        (f"hf://a/b.c:\n  sha256: {'a' * 64}\n", 1, "`hf://a/b.c.size` is missing"),
        (f"hf://a:\n  sha256: {'a' * 64}\n  size: 1\n  rws: 1\n", 4, "did you mean `rows`?"),
        ("hf://a: 3\n", 1, "must be a mapping with `sha256` and `size`"),
        ("<<<<<<< HEAD\nhf://a: 1\n=======\n", 1, "an unresolved merge conflict"),
    ],
)
def test_a_wrong_lock_is_told_at_its_line(folder, text, line, fragment):
    (folder / "data.lock").write_text(text)
    with pytest.raises(SpecError) as caught:
        load_lock(folder)
    [problem] = caught.value.problems
    assert (problem.where.file, problem.where.line) == ("specs/x/data.lock", line)
    assert fragment in str(problem)


METRIC = "metrics: [{name: scorer, command: [python, score.py]"
ENDPOINT = "endpoints: [{name: big, model: m, "


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("metrics: [{name: scorer}]\n", "`metrics.0.command` is missing"),
        ("metrics: [{name: scorer, command: []}]\n", "`metrics.0.command`"),
        ("metrics: [{name: scorer, command: python score.py}]\n", "write a list"),
        (f"{METRIC}, files: [../secret]}}]\n", "`../secret` is no path inside the repository"),
        (f"{METRIC}, files: [/etc/passwd]}}]\n", "no path inside the repository"),
        (f"{METRIC}, env: [A B]}}]\n", "the name of an environment variable"),
        (f"{METRIC}, timeout: 0}}]\n", "greater than 0"),
        (f"{METRIC}, shell: x}}]\n", "unknown key `shell`"),
        (f"{METRIC}}}, {{name: scorer, command: [x]}}]\n", "`scorer` is named twice"),
        (f"{ENDPOINT}url: api.openai.com}}]\n", "write a base URL"),
        (f"{ENDPOINT}url: 'https://me:secret@host/v1'}}]\n", "a URL holds no password"),
        (f"{ENDPOINT}url: 'http://host/v1', api_key_env: KEY}}]\n", "would send the key for everybody to read"),
        (f"{ENDPOINT}url: 'http://127.0.0.1.evil.com/v1', api_key_env: KEY}}]\n", "would send the key"),
        (f"{ENDPOINT}url: 'https://host/v1?key=1'}}]\n", "write a base URL"),
        (f"{ENDPOINT}url: 'https://host/v1', max_parallel: 0}}]\n", "from 1 to 64"),
        ("embeddings: [{name: mini, model: hf://a/b@main}]\n", "hf://ORG/NAME@COMMIT"),
        ("embeddings: [{name: mini, model: all-MiniLM}]\n", "pkg://PACKAGE/FOLDER"),
        ("prices: {tokens: {input_per_million: -1, output_per_million: 1}}\n", "at least 0"),
        ("policy: {judge_agreement: 85}\n", "from 0 to 1"),
    ],
)
def test_what_metrics_may_use_is_checked(tmp_path, text, fragment):
    write_config(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_config(tmp_path)
    assert fragment in str(caught.value)


@pytest.mark.parametrize("url", ["https://api.openai.com/v1/", "http://localhost:8000/v1", "http://[::1]:80/v1"])
def test_an_endpoint_may_have_a_key(tmp_path, url):
    write_config(tmp_path, f"{ENDPOINT}url: '{url}', api_key_env: KEY}}]\n")
    assert load_config(tmp_path).endpoints[0].url == url.rstrip("/")
