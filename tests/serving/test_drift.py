"""What the drift check makes of a real server: one that follows, one that cannot load what was deployed, one that stopped."""

from __future__ import annotations

from datetime import UTC, datetime

from runner.drift.probes import Prober
from runner.spec.services import Server


def ask(url, shelf, key=""):
    prober = Prober({"GITUNE_API_KEY": key}, sleep=lambda _: None)
    return list(prober.find_servers([Server(name="production", url=url)], shelf.deployed(), datetime.now(UTC)))


def test_a_server_follows_or_is_told(shelf, serving, eventually):
    shelf.deploy("triage", "1.0.0")
    with serving(shelf, "secret") as url:
        assert ask(url, shelf, "secret") == []
        (drift,) = ask(url, shelf)
        assert drift.what.endswith("does not say what it serves")
        shelf.broken["triage-1.1.0"] = "no space left"
        shelf.deploy("triage", "1.1.0")
        eventually(lambda: "no space left" in str(ask(url, shelf, "secret")))
        (drift,) = ask(url, shelf, "secret")
        assert (drift.code, drift.where) == ("server_behind", "triage/production")
        assert "entry 2 deployed 1.1.0" in drift.what
        assert "the server answers with 1.0.0: no space left" in drift.what
    (drift,) = ask(url, shelf, "secret")
    assert drift.code == "server_down"
