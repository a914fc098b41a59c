"""`gitune registry export` and `import`: a released version as a folder, and back."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.progress import Narrator
from runner.cli.project import Project, cache_folder, open_project
from runner.errors import GituneError, RegistryError
from runner.models.base import BaseRef, materialize
from runner.models.trained import is_checkpoint, tokenizer_files
from runner.progress import Report
from runner.registry.chain import sealed_records
from runner.registry.facts import Version
from runner.registry.lookup import find_version
from runner.registry.portable import CARD, read_export, take_over, write_export
from runner.report.facts import size_words
from runner.report.model_card import model_card
from runner.report.proof import prove_release


@click.command("export")
@click.argument("version")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--with-data", is_flag=True, help="Also write rows, answers and scores: all that its proof rests on.")
@click.pass_obj
def export_(directory: Path, version: str, folder: Path, with_data: bool) -> None:
    """Write VERSION (NAME@VERSION; NAME alone: what is live) into FOLDER, which must not exist yet."""
    project = open_project(directory)
    found = find_version(version, project.store, project.registry)
    with Narrator() as narrator:
        extras = _extras(project, found, narrator.report)
    manifest = write_export(found, project.registry, folder, extras, with_data=with_data)
    size = sum(file.size for file in manifest.files.values())
    click.echo(f"wrote {found.name}@{found.version} to {folder}: {len(manifest.files)} files, {size_words(size)}")
    if manifest.withheld:
        click.echo(
            f"  rows, answers and scores stayed here ({len(manifest.withheld)} artifacts); "
            "with --with-data its proof can be verified elsewhere too"
        )


def _extras(project: Project, version: Version, report: Report) -> dict[str, Path | bytes]:
    """Return the model card, and tokenizer and chat template of the base model where that can be had here."""
    content, registry = version.content, project.registry
    weights = registry.fetch(content.adapter)
    extras: dict[str, Path | bytes] = {}
    if not is_checkpoint(weights):
        try:
            base = materialize(
                BaseRef(content.base_model, content.base_digest, size=0), project.root, cache_folder(), report
            )
            extras |= {file.name: file for file in tokenizer_files(base.checkpoint)}
        except GituneError as error:
            click.echo(f"  without its tokenizer: {error}", err=True)
    if content.chat_template is not None:
        extras["chat_template.jinja"] = content.chat_template.encode()
    names = sorted(file.name for file in weights.iterdir())
    extras[CARD] = model_card(version, sealed_records(version, registry), registry, names).encode()
    return extras


@click.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.pass_obj
def import_(directory: Path, folder: Path) -> None:
    """Verify the exported version in FOLDER, file by file and link by link, and take it over. Deploys nothing."""
    project = open_project(directory)
    export = read_export(folder)
    version = export.exported
    broken = [link for link in prove_release(version, export, project.root) if link.broken]
    if broken:
        raise RegistryError(
            f"{folder}: {broken[0].what}: {broken[0].broken} ({len(broken)} links do not verify)",
            hint="nothing was imported; export the version again where its proof holds (`gitune explain`)",
        )
    known = project.registry.version(version.name, version.version) is not None
    new = take_over(export, project.registry)
    said = "was released here before" if known else "is released here now"
    click.echo(f"{version.name}@{version.version} {said}, with {len(new)} new records")
    if export.manifest.withheld:
        count = len(export.manifest.withheld)
        click.echo(f"  {count} artifacts were withheld: `gitune explain` cannot follow its proof to the rows here")
