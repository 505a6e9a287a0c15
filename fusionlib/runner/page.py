"""An executed notebook as one HTML page that needs no network.

nbconvert makes the cells' HTML; the page around them is ours, since
nbconvert's own loads scripts from elsewhere. Nothing here runs a script: in the
place of a widget is the figure that a notebook shows without a live kernel.
Formulas that `formula` cannot draw stand as TeX.
"""

import html
from functools import cache
from pathlib import Path

from fusionlib.files import write_whole
from fusionlib.runner.formulas import formula
from fusionlib.runner.notebooks import title

# The best first; no script and no widget.
_SHOWN = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]


def document(name: str, body: str, kind: str = "") -> str:
    """A whole page around HTML, readable on a phone, in light and in dark.

    The browser is told to run no script and to load nothing but pictures: the
    page's own and files beside it.

    Args:
        name: the page's title, plain text.
        body: HTML.
        kind: class of the body, for the style sheet.
    """
    policy = "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{html.escape(name)}</title>
<style>
{_style()}</style>
</head>
<body class="{kind}">
{body}
</body>
</html>
"""


def write_page(executed: Path, page: Path, home: str) -> None:
    """Write an executed notebook as a page.

    Args:
        executed: the notebook with its outputs.
        page: the file to write.
        home: link from there to the page of all notebooks.

    Raises what nbformat and nbconvert raise on a file that is no notebook.
    """
    import nbformat
    from nbconvert.exporters.html import HTMLExporter

    notebook = nbformat.read(executed, as_version=4)
    _name_pictures(notebook.cells)
    exporter = HTMLExporter(
        template_name="basic",
        filters={"markdown2html": _markdown},
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        preprocessors=["nbconvert.preprocessors.CoalesceStreamsPreprocessor"],
        config={
            "NbConvertBase": {"display_data_priority": _SHOWN},
            # papermill's own marks, in HTML; the traceback itself stays
            "TagRemovePreprocessor": {
                "enabled": True, "remove_cell_tags": ["papermill-error-cell-tag"]
            },
        },
    )  # fmt: skip
    cells, _ = exporter.from_notebook_node(notebook)
    top = f'<nav><a href="{html.escape(home)}">All notebooks</a></nav>\n'
    text = document(title(notebook.cells) or executed.parent.name, top + cells, "notebook")
    write_whole(page, lambda beside: beside.write_text(text, "utf-8"))


def _name_pictures(cells: list) -> None:
    """Give the pictures of each cell the heading above it as alternative text."""
    heading = ""
    for cell in cells:
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.splitlines() if line.startswith("#")]
            heading = lines[-1].lstrip("# ") if lines else heading
        else:
            cell.metadata["alt"] = f"Figure: {heading}"


def _markdown(source: str) -> str:
    """Markdown as HTML: formulas drawn, HTML within it shown as text."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str, display: bool = False) -> str:
            return formula(body, display) or f"<code>{html.escape(body)}</code>"

        def block_math(self, body: str) -> str:
            return f'<span class="equation">{self.inline_math(body, True)}</span>'

        def multiline_math(self, text: str) -> str:
            return self.block_math(text.strip("$\n "))

    return MarkdownWithMath(Renderer(escape=True, exclude_anchor_links=True)).render(source)


@cache
def _style() -> str:
    return (Path(__file__).parent / "page.css").read_text("utf-8")
