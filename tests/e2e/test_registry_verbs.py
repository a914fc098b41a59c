"""`gitune registry` as a user runs it, on a version that was really trained: out to other tools, back, and tidied up."""

from __future__ import annotations

import json
import subprocess
import warnings

import pytest
from tiny import make_tiny_llama


@pytest.fixture(scope="module")
def repository(make_repository):
    repository = make_repository("verbs")
    done = repository.gitune("apply", "--yes")
    assert done.returncode == 0, done.stderr
    return repository


def test_other_tools_load_what_was_exported(repository, tmp_path):
    import torch
    from huggingface_hub import ModelCard
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "out"
    done = repository.gitune("registry", "export", "bot@1.0.0", str(out))
    assert done.returncode == 0, done.stderr
    assert "wrote bot@1.0.0" in done.stdout
    assert "stayed here" in done.stdout
    tokenizer = AutoTokenizer.from_pretrained(out)
    messages = [{"role": "user", "content": "item 3 red small"}]
    ids = torch.tensor(
        [tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]]
    )
    base = AutoModelForCausalLM.from_pretrained(make_tiny_llama(tmp_path / "base"))
    with torch.no_grad():
        before = base(ids).logits
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # such as adapter keys that fit no layer
            tuned = PeftModel.from_pretrained(base, out)
        after = tuned(ids).logits
    assert (before - after).abs().max() > 0.01
    assert (out / "adapter.gguf").read_bytes()[:4] == b"GGUF"
    card = ModelCard.load(out / "README.md")
    assert card.data.library_name == "peft"
    assert card.data.eval_results


def test_an_export_is_taken_over_by_another_repository_and_proven_there(repository, make_repository, tmp_path):
    assert repository.gitune("registry", "export", "bot", str(tmp_path / "out"), "--with-data").returncode == 0
    other = make_repository("other")
    done = other.gitune("registry", "import", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "bot@1.0.0 is released here now" in done.stdout
    assert other.gitune("registry", "verify").returncode == 0
    assert other.gitune("explain", "bot", "--version", "1.0.0").returncode == 0
    plan = json.loads(other.gitune("plan", "--json").stdout)
    assert plan["summary"]["run"] == 1  # the pointer alone
    assert plan["specs"][0]["steps"][-1]["action"] == "RUN"
    again = other.gitune("registry", "import", str(tmp_path / "out"))
    assert "with 0 new records" in again.stdout
    (tmp_path / "out" / "adapter.gguf").write_bytes(b"GGUF")
    damaged = other.gitune("registry", "import", str(tmp_path / "out"))
    assert damaged.returncode == 1
    assert "adapter.gguf was changed" in damaged.stderr


def test_lists_shows_and_verifies(repository):
    assert "bot  1 version  newest 1.0.0  production → 1.0.0" in repository.gitune("registry", "ls").stdout
    (row,) = json.loads(repository.gitune("registry", "ls", "-l", "--json").stdout)["versions"]
    assert (row["version"], row["live"], row["lost"]) == ("1.0.0", ["production"], False)
    shown = repository.gitune("registry", "show", "bot@1.0.0").stdout
    assert "live as           production since" in shown
    key = json.loads(repository.gitune("registry", "show", "bot@1.0.0", "--json").stdout)["version"]["keys"]["train"]
    assert f"train/{key}" in repository.gitune("registry", "show", f"train/{key[:8]}").stdout
    assert json.loads(repository.gitune("registry", "verify", "--json").stdout)["verified"] is True
    unknown = repository.gitune("registry", "ls", "bott")
    assert (unknown.returncode, "did you mean `bot`?" in unknown.stderr) == (64, True)
    unknown = repository.gitune("registry", "lss")
    assert (unknown.returncode, "ls" in unknown.stderr) == (64, True)


def test_gc_says_first_and_deletes_when_told(repository):
    assert "nothing to delete" in repository.gitune("registry", "gc").stdout
    repository.git("checkout", "--quiet", "-b", "try")
    repository.spec["training"]["seed"] = 7
    repository.spec["version"] = "1.1.0"
    repository.commit("try")
    assert repository.gitune("apply", "--yes").returncode == 0
    head = ["git", "-C", str(repository.root), "rev-parse", "HEAD"]
    commit = subprocess.run(head, check=True, capture_output=True, text=True).stdout
    repository.git("checkout", "--quiet", "main")
    repository.git("branch", "-D", "try")
    assert "nothing to delete" in repository.gitune("registry", "gc").stdout  # too young
    dry = repository.gitune("registry", "gc", "--grace", "0h")
    assert f"revert to bot at commit {commit[:10]} (1.1.0) would train again, about" in dry.stdout
    before = json.loads(repository.gitune("registry", "verify", "--json").stdout)["artifacts"]
    refused = repository.gitune("registry", "gc", "--grace", "0h", "--delete")
    assert (refused.returncode, "pass --yes" in refused.stderr) == (64, True)
    done = repository.gitune("registry", "gc", "--grace", "0h", "--delete", "--yes")
    assert done.returncode == 0
    assert "deleted" in done.stderr
    after = json.loads(repository.gitune("registry", "verify", "--json").stdout)
    assert after["verified"]
    assert after["artifacts"] < before
    assert repository.gitune("plan", "--detailed-exitcode").returncode == 0
    wrong = repository.gitune("registry", "gc", "--grace", "two weeks")
    assert (wrong.returncode, "12h, 90d, 2w" in wrong.stderr) == (64, True)
