"""What a file that is no YAML document of plain data is answered with: always one clear problem."""

from __future__ import annotations

import os
import time

import pytest

from runner.errors import SpecError
from runner.spec.load import load_specs
from runner.spec.yaml_file import MAX_BYTES

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, this in zip("abcdefghi", "bcdefghij", strict=True)
)

BAD = {
    "bomb": (BOMB, 5, "more than 50,000 values"),
    "bomb of mappings": (BOMB.replace("[", "{k: [").replace("]", "]}"), 5, "more than 50,000 values"),
    "deep": ("a: " + "[" * 1_000_000, 1, "nested deeper than"),
    "deep blocks": ("- " * 400_000, 1, "nested deeper than"),
    "deep keys": ("? " * 400_000, 1, "a key must be text"),
    "wide": ("a: [" + "1," * 400_000 + "]", 1, "more than 50,000 values"),
    "long key": (f"? {'k' * 900_000}\n: 1", 1, "key path longer"),
    "tab": ("a:\n\tb: 1\n", 2, "a tab in the indentation"),
    "tab after spaces": ("a:\n  b: 1\n  \tc: 1\n", 3, "a tab in the indentation"),
    "unknown anchor": ("a: 1\nb: *x\n", 2, "unknown anchor `x`"),
    "recursive": ("a: &x [*x]\n", 1, "unknown anchor `x`"),
    "star": ("train: *.jsonl\n", 1, "quote the text"),
    "two documents": ("a: 1\n---\nb: 1\n", 2, "a second YAML document"),
    "two colons": ("a: b: c\n", 1, "a key is not expected here"),
    "no colon": ("a: 1\nb\nc: 1\n", 2, "this line is no `key: value`"),
    "open list": ("a: 1\nb: [1,\nc: 2\n", 2, "not closed with `]`"),
    "open mapping": ("a: 1\nb: {c: 1\n", 2, "not closed with `}`"),
    "open quote": ('a: 1\nb: "x\nc: 2\n', 2, "never closed"),
    "bad escape": ('a: "\\d"\n', 1, "unknown `\\` escape"),
    "surrogate": ('a: "\\ud800"\n', 1, "not valid YAML"),
    "indentation": ("a:\n  b: 1\n c: 2\n", 3, "does not fit the indentation"),
    "at sign": ("a: @x\n", 1, "cannot start with this character"),
    "backtick": ("a: `x`\n", 1, "cannot start with this character"),
    "merge conflict": ("a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> x\n", 2, "an unresolved merge conflict"),
    "other version": ("%YAML 3.0\n---\na: 1\n", 1, "not valid YAML"),
    "control character": ("a: 1\nb: x\x07\n", 2, "control character U+0007"),
    "zero": ("a: \x00\n", 1, "control character U+0000"),
    "list as key": ("? [a]\n: 1\n", 1, "a key must be text"),
    "empty": ("", None, "the file is empty"),
    "only comments": ("# nothing\n", None, "the file is empty"),
    "only a marker": ("---\n", 2, "the file is empty"),
    "a list": ("- a\n", 1, "the file is a list"),
    "a word": ("hello\n", 1, "the file is a single value"),
    "a switch": ("yes\n", 1, "disagree about `yes`"),
    "binary": (b"a: 1\nb: \xff\xfe\n", 2, "not UTF-8: byte 0xff at position 8"),
    "latin-1": ("a: caf\u00e9".encode("latin-1"), 1, "not UTF-8: byte 0xe9 at position 6"),
    "utf-16": ("a: 1".encode("utf-16"), 1, "not UTF-8: byte 0xff at position 0"),
}


@pytest.mark.parametrize(("text", "line", "fragment"), BAD.values(), ids=BAD.keys())
def test_one_clear_problem(repository, text, line, fragment):
    started = time.process_time()
    problems = repository.problems(text)
    assert time.process_time() - started < 2
    assert len(problems) == 1, problems
    assert problems[0][0] == line
    assert fragment in problems[0][1]


def test_a_large_file_is_not_read(repository):
    with repository.file.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(SpecError) as caught:
        load_specs(repository.root)
    [problem] = caught.value.problems
    assert "50,000,000 bytes are too much: at most 1,048,576" in problem.message


def test_the_largest_file_is_read(repository, design):
    text = design.encode()
    filled = text + b"#" * (MAX_BYTES - len(text))
    assert repository.load(filled).spec == repository.load(design).spec
    assert "bytes are too much" in repository.problems(filled + b"#")[0][1]


def link_file(repository, outside):
    repository.file.symlink_to(outside / "spec.yaml")


def link_folder(repository, outside):
    (repository.folder / "output.schema.json").unlink()
    repository.folder.rmdir()
    repository.folder.symlink_to(outside)


def link_into_git(repository, outside):
    (repository.root / ".git").mkdir()
    (repository.root / ".git" / "config").write_text("[remote]\n")
    repository.file.symlink_to("../../.git/config")


@pytest.mark.parametrize("link", [link_file, link_folder, link_into_git])
def test_a_link_out_of_the_repository_is_refused(repository, tmp_path_factory, design, link):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "spec.yaml").write_text(design)
    link(repository, outside)
    with pytest.raises(SpecError) as caught:
        load_specs(repository.root)
    [problem] = caught.value.problems
    assert problem.message == "this path leads out of the repository"


def test_a_link_inside_the_repository_is_followed(repository, design):
    (repository.root / "shared.yaml").write_text(design)
    repository.file.symlink_to("../../shared.yaml")
    assert load_specs(repository.root)[0].spec.name == "support-triage"


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda file: file.symlink_to("nowhere"), "cannot be read: No such file"),
        (lambda file: file.symlink_to("spec.yaml"), "cannot be read: Too many levels"),
        (lambda file: file.mkdir(), "not a regular file"),
        (os.mkfifo, "not a regular file"),
    ],
)
def test_what_is_no_file_is_told_and_does_not_hang(repository, make, fragment):
    make(repository.file)
    with pytest.raises(SpecError) as caught:
        load_specs(repository.root)
    [problem] = caught.value.problems
    assert fragment in problem.message


def test_a_broken_link_to_a_folder_is_told(repository, design):
    repository.file.write_text(design)
    (repository.root / "specs" / "gone").symlink_to("nowhere")
    with pytest.raises(SpecError, match=r"specs/gone/spec.yaml: cannot be read"):
        load_specs(repository.root)


def test_the_pure_python_parser_does_as_well(repository, design, monkeypatch):
    import yaml

    from runner.spec import yaml_tree

    monkeypatch.setattr(yaml_tree, "_Loader", yaml.SafeLoader)
    assert repository.load(design).spec.name == "support-triage"
    for name in ("tab", "unknown anchor", "star", "two documents", "two colons", "no colon", "open list", "open mapping",
                 "open quote", "indentation", "at sign", "control character", "bad escape"):  # fmt: skip
        text, line, fragment = BAD[name]
        [(told_line, told)] = repository.problems(text)
        assert (told_line, fragment in told) == (line, True), (name, told)
