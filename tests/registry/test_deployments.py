"""The log of what is live is linear, whoever writes to it, and its last entry counts."""

import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import ConflictError, RegistryError
from runner.registry.deployments import moves
from runner.registry.registry import open_registry

WRITERS, TURNS = 8, 10


def test_the_last_entry_is_live(registry, make_deployment):
    assert registry.live("support", "production") is None
    assert registry.deployments("support", "production") == []
    entries = [registry.append_deployment(make_deployment(n, version=f"1.{n}.0")) for n in range(1, 13)]
    assert [entry.version for entry in entries] == [f"1.{n}.0" for n in range(1, 13)]
    assert registry.live("support", "production") == entries[-1]
    assert registry.deployments("support", "production") == entries
    assert registry.live("support", "staging") is None


def test_a_number_is_given_once(registry, make_deployment):
    registry.append_deployment(make_deployment(1))
    with pytest.raises(ConflictError, match="entry 1 of support/production is taken"):
        registry.append_deployment(make_deployment(1, version="2.0.0"))
    assert registry.live("support", "production").version == "1.0.0"


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_log_has_no_gap(registry, make_deployment, number):
    with pytest.raises(ConflictError, match="does not follow"):
        registry.append_deployment(make_deployment(number))
    assert registry.deployments("support", "production") == []


def test_what_is_live_everywhere(registry, make_deployment):
    assert registry.deployed() == []
    for entry in (make_deployment(1), make_deployment(2, version="1.1.0"), make_deployment(1, alias="staging")):
        registry.append_deployment(entry)
    registry.append_deployment(make_deployment(1, name="billing"))
    live = [(entry.name, entry.alias, entry.number) for entry in registry.deployed()]
    assert live == [("billing", "production", 1), ("support", "production", 2), ("support", "staging", 1)]


def test_an_undeployment_is_the_last_entry_and_says_nothing_is_live(registry, make_deployment):
    registry.append_deployment(make_deployment(1))
    gone = make_deployment(2).model_copy(update={"version": None, "previous": "1.0.0"})
    gone = registry.append_deployment(gone)
    assert registry.live("support", "production") == gone
    assert registry.deployed() == [gone]
    registry.append_deployment(make_deployment(1, alias="staging"))
    assert registry.logs() == [("support", "production"), ("support", "staging")]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], []),
        (["1.0.0", "1.1.0"], ["deploy", "deploy"]),
        (["1.0.0", "1.1.0", "1.0.0"], ["deploy", "deploy", "rollback"]),
        (["1.0.0", "1.1.0", "1.0.0", "1.1.0"], ["deploy", "deploy", "rollback", "redeploy"]),
        (["1.0.0", "1.10.0", "1.9.0"], ["deploy", "deploy", "deploy"]),  # a lower number, live for the first time
        (["1.9.0", "1.10.0", "1.9.0"], ["deploy", "deploy", "rollback"]),
        (["1.0.0", None, "1.0.0"], ["deploy", "undeploy", "redeploy"]),
        (["1.0.0", "1.1.0", None, "1.0.0"], ["deploy", "deploy", "undeploy", "rollback"]),
        (["1.0.0", "1.0.0"], ["deploy", "redeploy"]),  # another target
    ],
)
def test_what_each_entry_did(make_deployment, versions, expected):
    log = [make_deployment(n).model_copy(update={"version": version}) for n, version in enumerate(versions, 1)]
    assert moves(log) == expected


def test_an_entry_that_cannot_be_read_is_not_skipped(local, make_deployment, tmp_path):
    for number in (1, 2):
        local.append_deployment(make_deployment(number, version=f"1.{number}.0"))
    path = tmp_path / "store" / "deployments" / "support" / "production" / "00000002.json"
    path.unlink()
    path.write_bytes(b"{")
    looks = (
        lambda: local.live("support", "production"),
        lambda: local.deployments("support", "production"),
        local.deployed,
    )
    for look in looks:
        with pytest.raises(RegistryError, match=r"00000002\.json .* cannot be read"):
            look()


@pytest.mark.parametrize(("name", "alias"), [("..", "production"), ("support", "../../x"), ("support", "")])
def test_names_that_could_lead_elsewhere_are_refused(registry, make_deployment, name, alias):
    with pytest.raises(RegistryError, match="cannot be a name"):
        registry.live(name, alias)
    with pytest.raises(RegistryError, match="cannot be a name"):
        registry.append_deployment(make_deployment(1, name=name, alias=alias))


def test_processes_that_deploy_at_once_make_one_chain(tmp_path):
    program, store = Path(__file__).with_name("writers.py"), str(tmp_path / "store")
    commands = [[sys.executable, program, "append", store, str(who), str(TURNS)] for who in range(WRITERS)]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in running] == [0] * WRITERS

    registry = open_registry(store, tmp_path, tmp_path / "cache")
    log = registry.deployments("support", "production")
    assert registry.broken_links("support", "production") == {}
    assert [entry.number for entry in log] == list(range(1, WRITERS * TURNS + 1))
    assert [entry.previous for entry in log] == [None, *(entry.version for entry in log[:-1])]
    assert {entry.version for entry in log} == {f"1.{who}.{turn}" for who in range(WRITERS) for turn in range(TURNS)}
