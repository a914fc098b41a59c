"""How many threads a container may start."""

import pytest

from runner.models import cores


@pytest.mark.parametrize(
    ("content", "limit"),
    [("max 100000\n", None), ("200000 100000\n", 2), ("250000 100000\n", 2), ("50000 100000\n", 0), ("", None)],
)
def test_a_containers_limit_is_read(tmp_path, content, limit):
    (tmp_path / "cpu.max").write_text(content)
    assert cores._container_limit(tmp_path / "cpu.max") == limit


def test_without_cgroups_there_is_no_limit(tmp_path):
    assert cores._container_limit(tmp_path / "cpu.max") is None


def test_at_least_one_thread_and_never_more_than_cores():
    assert cores.bounded_threads(10_000) == cores.bounded_threads(None) == cores.available_cores() >= 1
    assert cores.bounded_threads(1) == 1


def test_a_users_own_waiting_policy_is_kept(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    cores.wait_politely()
    assert "GOMP_SPINCOUNT" not in cores.os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    cores.wait_politely(77)
    assert cores.os.environ["GOMP_SPINCOUNT"] == "77"
    cores.wait_politely()
    assert cores.os.environ["GOMP_SPINCOUNT"] == "77"
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    cores.wait_politely()
    assert cores.os.environ["GOMP_SPINCOUNT"] == "5"
