"""The text of a comment -> the command in it, if there is one. Anybody may have written it.

A command is the only thing on its line: `/gitune retrain bot@1a2b3c4d5e6f`. Quoted lines and code blocks hold none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from runner.spec.section import NAME

Verb = Literal["plan", "retrain", "approve", "help"]

PREFIX = "/gitune"
MOST_TARGETS = 20
"""Specs that one command may name."""
REASON_LIMIT = 500
"""Characters of a reason that are kept."""

_TARGET = re.compile(rf"(?P<spec>{NAME.strip('^$')})@(?P<sha>[0-9a-f]{{12,40}})", re.ASCII)
_FENCE = re.compile(r" {0,3}(```|~~~)")
_MOST_CHARACTERS = 65_536


@dataclass(frozen=True, slots=True)
class Target:
    """One spec, as it is at one commit."""

    spec: str
    """Its name; a name that a spec may have."""
    sha: str
    """The beginning of the commit's name, twelve hex digits at least: shorter ones are forged in minutes."""


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asks for."""

    verb: Verb
    """What to do."""
    targets: tuple[Target, ...] = ()
    """With which specs."""
    reason: str = ""
    """Why, in their words."""


@dataclass(frozen=True, slots=True)
class Misread:
    """A command that is none."""

    why: str
    """What is wrong with it, in our own words: nothing of the comment is repeated."""


def read_command(body: str) -> Command | Misread | None:
    """Return the command of a comment, what is wrong with it, or None for a comment without one."""
    lines = [*_lines(body)]
    if not lines:
        return None
    if len(lines) > 1:
        return Misread("a comment may hold one command")
    verb, _, rest = lines[0].removeprefix(PREFIX).strip().partition(" ")
    known: Verb | None = next((one for one in get_args(Verb) if one == verb), None)
    match known:
        case None:
            return Misread("there is no such command")
        case "help" | "plan":
            return Misread(f"`{known}` takes nothing more") if rest.strip() else Command(known)
        case "retrain":
            return _retrain(rest.split())
        case "approve":
            first, _, why = rest.strip().partition(" ")
            return _approve(first, " ".join("".join(c if c.isprintable() else " " for c in why).split()))


def _lines(body: str) -> Iterator[str]:
    fence = ""
    for line in body[:_MOST_CHARACTERS].splitlines():
        if found := _FENCE.match(line):
            fence = "" if found[1] == fence else fence or found[1]
        elif not fence and (line == PREFIX or line.startswith((f"{PREFIX} ", f"{PREFIX}\t"))):
            yield line.replace("\t", " ").rstrip()


def _retrain(words: list[str]) -> Command | Misread:
    targets = [_target(word) for word in words]
    named = tuple(target for target in targets if target is not None)
    if not targets or len(named) < len(targets):
        return Misread("`retrain` takes specs with the commit that you looked at, as `SPEC@1a2b3c4d5e6f`")
    if len(named) > MOST_TARGETS:
        return Misread(f"`retrain` takes {MOST_TARGETS} specs at most")
    return Command("retrain", named)


def _approve(word: str, reason: str) -> Command | Misread:
    target = _target(word)
    if target is None:
        return Misread(
            "`approve` takes one spec with the commit that you looked at, as `SPEC@1a2b3c4d5e6f`, and a reason"
        )
    if not reason:
        return Misread("`approve` needs its reason, in words after the commit")
    return Command("approve", (target,), reason[:REASON_LIMIT])


def _target(word: str) -> Target | None:
    name, at, sha = word.rpartition("@")
    found = _TARGET.fullmatch(f"{name}{at}{sha.lower()}")
    return Target(found["spec"], found["sha"]) if found else None
