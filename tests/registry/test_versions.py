"""A version is released once and never changes."""

import pytest

from runner.errors import ConflictError, RegistryError


def test_a_version_comes_back(registry, make_version):
    assert registry.version("support", "1.0.0") is None
    registry.release(make_version())
    assert registry.version("support", "1.0.0") == make_version()
    assert registry.version("support", "1.1.0") is None
    assert registry.version("other", "1.0.0") is None


def test_releasing_the_same_content_again_changes_nothing(registry, make_version):
    registry.release(make_version())
    registry.release(make_version(commit="f" * 40))
    assert registry.version("support", "1.0.0").commit == "e" * 40


def test_other_content_under_the_same_number_is_a_conflict(registry, make_version):
    registry.release(make_version())
    with pytest.raises(ConflictError, match=r"support@1\.0\.0 is already released"):
        registry.release(make_version(train_key="f" * 64))
    assert registry.version("support", "1.0.0") == make_version()


def test_versions_are_ordered_as_semantic_versions(registry, make_version):
    for number in ("1.10.0", "2.0.0", "1.9.0", "1.9.12", "0.1.0"):
        registry.release(make_version(number))
    registry.release(make_version("3.0.0", name="support-other"))
    assert [found.version for found in registry.versions("support")] == ["0.1.0", "1.9.0", "1.9.12", "1.10.0", "2.0.0"]
    assert registry.versions("nobody") == []


@pytest.mark.parametrize("content", [b"", b"{}", b"null"])
def test_a_version_that_cannot_be_read_is_not_taken_for_absent(local, make_version, tmp_path, content):
    local.release(make_version())
    path = tmp_path / "store" / "versions" / "support" / "1.0.0.json"
    path.unlink()
    path.write_bytes(content)
    for look in (lambda: local.version("support", "1.0.0"), lambda: local.versions("support")):
        with pytest.raises(RegistryError, match=r"versions/support/1\.0\.0\.json .* cannot be read"):
            look()
    with pytest.raises(RegistryError, match="cannot be read"):
        local.release(make_version())


def test_a_file_that_is_no_version_is_passed_over(local, make_version, tmp_path):
    local.release(make_version())
    (tmp_path / "store" / "versions" / "support" / "notes.json").write_bytes(b"{}")
    assert local.versions("support") == [make_version()]


@pytest.mark.parametrize(("name", "version"), [("../x", "1.0.0"), ("support", "../1.0.0"), ("", "1.0.0"), ("a/b", "1")])
def test_names_that_could_lead_elsewhere_are_refused(registry, name, version):
    with pytest.raises(RegistryError, match="cannot be a name"):
        registry.version(name, version)
