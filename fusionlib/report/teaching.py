"""What teaching notebooks need: the library's source to read, and questions."""

import ast
import html
import inspect
import textwrap
from collections.abc import Callable, Mapping

from fusionlib.errors import FusionError
from fusionlib.progress import live_notebook

RIGHT, WRONG = "#029e73", "#d55e00"  # told apart by the colour-blind too


def source(function: Callable, *helpers: str):
    """The code of a function without its docstring, to be shown by Jupyter.

    Args:
        function: of the library.
        helpers: names of other functions in the same file, shown below it.
    """
    from IPython.display import Markdown

    module = inspect.getmodule(function)
    parts = [function, *(getattr(module, name) for name in helpers)]
    code = "\n\n".join(_without_docstring(inspect.getsource(part)) for part in parts)
    return Markdown(f"`{module.__name__}`\n\n```python\n{code}\n```")


def ask(question: str, options: Mapping[str, str], right: str):
    """Ask a question with a choice of answers, and tell why each is right or wrong.

    In a live notebook the reader picks one and is answered at once. Elsewhere
    the options are listed, and the answer folds out.

    Args:
        question: plain text.
        options: answer -> what is said when it is chosen.
        right: the right one; mostly computed, so that the cell hides it.

    Returns what Jupyter shows. Raises FusionError where `right` is no option.
    """
    if right not in options:
        raise FusionError(f"right is {right!r}: choose from {', '.join(options)}.")
    if live_notebook():
        return _buttons(question, options, right)
    from IPython.display import HTML

    items = "".join(f"<li>{html.escape(option)}</li>" for option in options)
    others = "".join(
        f"<li>{html.escape(option)}: {html.escape(reason)}</li>"
        for option, reason in options.items()
        if option != right
    )
    return HTML(
        f"<p><b>{html.escape(question)}</b></p><ul>{items}</ul>"
        f"<details><summary>Answer</summary>"
        f"<p><b>{html.escape(right)}</b>: {html.escape(options[right])}</p>"
        f"<ul>{others}</ul></details>"
    )


def _buttons(question: str, options: Mapping[str, str], right: str):
    import ipywidgets

    title = ipywidgets.HTML(f"<b>{html.escape(question)}</b>")
    buttons = ipywidgets.RadioButtons(options=list(options), value=None)
    buttons.layout.width = "max-content"
    answer = ipywidgets.HTML()

    def tell(change) -> None:
        hit = change["new"] == right
        colour, mark = (RIGHT, "✓ Right.") if hit else (WRONG, "✗ Not this one.")
        reason = html.escape(options[change["new"]])
        answer.value = f'<b style="color:{colour}">{mark}</b> {reason}'

    buttons.observe(tell, "value")
    return ipywidgets.VBox([title, buttons, answer])


def _without_docstring(code: str) -> str:
    code = textwrap.dedent(code)
    first = ast.parse(code).body[0].body[0]
    if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
        lines = code.splitlines()
        del lines[first.lineno - 1 : first.end_lineno]
        code = "\n".join(lines)
    return code.strip("\n")
