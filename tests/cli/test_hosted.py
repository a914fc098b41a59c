"""Jobs of GitHub Actions: empty credentials, and stores that are gone when the job ends."""

from __future__ import annotations

import pytest

from runner.cli.hosted import drop_empty, require_shared_store
from runner.errors import RegistryError

HOSTED = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted", "GITHUB_WORKSPACE": "/work/job"}
OWN = HOSTED | {"RUNNER_ENVIRONMENT": "self-hosted"}


def test_a_secret_that_nobody_set_is_no_credential():
    environ = {"AWS_REGION": "", "AWS_ACCESS_KEY_ID": "x", "AZURE_STORAGE_ACCOUNT_KEY": "", "OTHER": ""}
    drop_empty(environ)
    assert environ == {"AWS_ACCESS_KEY_ID": "x", "OTHER": ""}


@pytest.mark.parametrize(
    ("url", "environ", "why"),
    [
        ("registry/store", HOSTED, "lies in the checkout"),
        ("/srv/store", HOSTED, "is gone when this job ends"),
        ("file:///srv/store", HOSTED, "is gone when this job ends"),
        ("/work/job/base/../store", OWN, "lies in the checkout"),
        ("registry/store", OWN, "lies in the checkout"),
        ("/srv/store", OWN, ""),
        ("s3://bucket/x", HOSTED, ""),
        ("registry/store", {}, ""),
    ],
)
def test_which_stores_a_job_may_use(tmp_path, url, environ, why):
    if why:
        with pytest.raises(RegistryError, match=why):
            require_shared_store(url, tmp_path, environ)
    else:
        require_shared_store(url, tmp_path, environ)
