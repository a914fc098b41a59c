"""`gitune init`: a repository of this layout, with a first spec proposed from the person's own data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.init_output import tell
from runner.errors import UsageError
from runner.init.base_model import default_base_model
from runner.init.create import Wish, check_name, create, default_name, has_config
from runner.init.foreign import Carried
from runner.init.layout import EMBEDDED, WHY_NOT_EMBEDDED
from runner.init.sample import read_sample
from runner.init.take_over import take_over

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folder", metavar="[DIR]", default=Path(), type=_PATH)
@click.option("--data", multiple=True, type=_PATH, help="JSONL file of the first spec; may be repeated.")
@click.option("--name", help="Name of the first spec.")
@click.option("--base-model", help="pkg://PACKAGE/FILE.gguf, hf://ORG/NAME@COMMIT or file://DIR.")
@click.option("--store", help="Where results are kept: a folder, or s3://, gs://, az://.")
@click.option("--yes", is_flag=True, help="Ask nothing, take what is proposed.")
@click.option("--no-github", is_flag=True, help="Write no workflows.")
@click.option("--from-openai", type=_PATH, metavar="FILE", help="Begin with OpenAI's fine-tuning JSONL.")
@click.option("--settings", type=_PATH, metavar="JOB.json", help="With --from-openai: the job, as the API returns it.")
@click.option("--from", "other", type=_PATH, metavar="FILE", help="Begin with a config of Axolotl or LLaMA-Factory.")
@click.pass_obj
def init(
    directory: Path,
    folder: Path,
    data: tuple[Path, ...],
    name: str | None,
    base_model: str | None,
    store: str | None,
    yes: bool,
    no_github: bool,
    from_openai: Path | None,
    settings: Path | None,
    other: Path | None,
) -> None:
    """Make DIR a repository with a first spec from your data, or add a spec to one. Existing files stay as they are."""
    target = (directory / folder).resolve()
    asks = not yes and sys.stdin.isatty()
    carried = take_over(from_openai, settings, other) if from_openai or settings or other else Carried()
    if data and carried.data:
        raise UsageError("--data and what the other tool names are two datasets", hint="give one of them")
    paths = data or carried.data or (_ask_for_data() if asks else ())
    sample = read_sample(paths) if paths else None
    chosen, base = "", ""
    if sample is not None:
        chosen = name or _ask("Name of the spec", carried.name or default_name(paths, target), asks)
        check_name(chosen, target)
        base = base_model or carried.base_model or _ask("Base model", default_base_model(), asks)
    elif name or base_model:
        raise UsageError("a spec needs data", hint="name the file: --data FILE.jsonl")
    where = None if has_config(target) and store is None else store or _ask_for_store(asks)
    if store is not None and has_config(target):
        raise UsageError("registry/config.yaml says already where results are kept", hint="edit `store` there")
    wish = Wish(target, where, not no_github, sample, chosen, base, carried.settings)
    tell(create(wish), target, carried.told, where)


def _ask(question: str, proposed: str, asks: bool) -> str:
    return str(click.prompt(question, default=proposed, err=True)).strip() if asks else proposed


def _ask_for_data() -> tuple[Path, ...]:
    answer = click.prompt("Data (a JSONL file; empty: none yet)", default="", show_default=False, err=True).strip()
    return (Path(answer).expanduser(),) if answer else ()


def _ask_for_store(asks: bool) -> str:
    if asks:
        click.echo(f"Results need a place. {EMBEDDED} will do to begin with, but {WHY_NOT_EMBEDDED}.", err=True)
    return _ask("Store (a folder, s3://BUCKET/PREFIX, gs://…, az://…)", EMBEDDED, asks)
