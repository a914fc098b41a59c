"""`gitune registry unlock KEY`: end another run's claim on a step, when that run is known to be dead."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.project import open_project
from runner.errors import ConflictError, GituneError, UsageError
from runner.registry.facts import Lease
from runner.registry.views import RegistryWriter


@click.command("unlock")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def unlock_(directory: Path, key: str, yes: bool) -> None:
    """End the claim on KEY: STEP/KEY, or the beginning of a key as far as it is the only one.

    Nothing is lost when the other run is alive after all: both work, and the first to finish counts.
    """
    registry = open_project(directory).registry
    lease = find(registry, key)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("unlock asks before it acts, and stdin is no terminal", hint="pass --yes")
        click.echo(f"{lease.step}/{lease.key} is held by {lease.holder} for {lease.spec}", err=True)
        if not click.confirm("End its claim?", err=True):
            raise GituneError("not unlocked: nothing was changed")
    end(registry, lease)
    click.echo(
        f"unlocked {lease.step}/{lease.key}, held by {lease.holder} for {lease.spec} since {lease.started:%F %T} UTC"
    )


def find(registry: RegistryWriter, key: str) -> Lease:
    """Return the lease that a person names.

    Raises:
        GituneError: when there is none, or more than one.
    """
    step, _, start = key.rpartition("/")
    held = registry.leases()
    found = [lease for lease in held if lease.key.startswith(start) and step in ("", lease.step)]
    if len(found) == 1:
        return found[0]
    known = "; ".join(f"{lease.step}/{lease.key[:12]} by {lease.holder}" for lease in found or held)
    if found:
        raise GituneError(f"{key} is the beginning of {len(found)} keys that are held", hint=f"give more: {known}")
    raise GituneError(f"{key} is not held by anybody", hint=f"held: {known}" if held else "nothing is held")


def end(registry: RegistryWriter, lease: Lease) -> None:
    """End a lease; its holder may be alive and show it meanwhile.

    Raises:
        ConflictError: when somebody else claimed the key meanwhile.
    """
    last: Lease | None = lease
    while last is not None and last.owner == lease.owner and not last.released:
        if registry.add_lease(last.model_copy(update={"number": last.number + 1, "released": True})):
            return
        last = registry.last_lease(lease.step, lease.key)
    if last is not None and not last.released:
        raise ConflictError(f"{lease.step}/{lease.key[:12]} was claimed by another run meanwhile: {last.holder}")
