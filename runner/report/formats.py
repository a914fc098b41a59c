"""`Report` -> the text of one of its formats, chosen by name or by the suffix of the file it goes to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from runner.errors import UsageError
from runner.report.model import Report

Format = Literal["markdown", "json", "junit", "html", "text"]
FORMATS: tuple[Format, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".json": "json",
    ".xml": "junit",
    ".html": "html",
    ".htm": "html",
    ".txt": "text",
}


def format_of(asked: Format | None, out: Path | None, otherwise: Format) -> Format:
    """Return the format that was asked for, else the one of the file, else `otherwise`.

    Raises:
        UsageError: when a file's suffix names none.
    """
    if asked is not None:
        return asked
    if out is None or str(out) == "-" or str(out).startswith("/dev/"):
        return otherwise
    found = _SUFFIXES.get(out.suffix.lower())
    if found is None:
        raise UsageError(
            f"no format is known for {out.name}", hint=f"name one with --format, or end it in {', '.join(_SUFFIXES)}"
        )
    return found


def render(report: Report, form: Format) -> str:
    """Render a report; each format is imported only when it is asked for."""
    match form:
        case "json":
            return report.model_dump_json(indent=2) + "\n"
        case "markdown":
            from runner.report.markdown import render_markdown

            return render_markdown(report)
        case "junit":
            from runner.report.junit import render_junit

            return render_junit(report)
        case "text":
            from runner.report.report_text import render_text

            return render_text(report)
        case "html":
            from runner.report.html import render_html

            return render_html(report)
