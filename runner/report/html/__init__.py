"""`Report` -> one HTML file: `render_html(report)`."""

from runner.report.html.page import render_html

__all__ = ["render_html"]
