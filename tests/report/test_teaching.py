"""The library's source as notebooks show it, and questions that answer."""

import pytest

from fusionlib import metrics
from fusionlib.errors import FusionError
from fusionlib.report import teaching


def test_source_is_the_code_without_its_docstring():
    shown = teaching.source(metrics.en, "_counts", "_entropy").data
    assert shown.startswith("`fusionlib.metrics.information`")
    assert shown.count("```") == 2
    assert "def en(" in shown
    assert "torch.bincount" in shown
    assert "torch.special.entr" in shown
    assert "Entropy of the fused image" not in shown
    code = shown.split("```python\n")[1].removesuffix("\n```")
    compile(code, "shown", "exec")


OPTIONS = {"EN": "it rises & <stays>", "SSIM": "it falls"}


def test_ask_in_a_live_notebook_answers_the_reader(monkeypatch):
    monkeypatch.setattr(teaching, "live_notebook", lambda: True)
    title, buttons, answer = teaching.ask("Which one rises?", OPTIONS, "EN").children
    assert "Which one rises?" in title.value
    assert list(buttons.options) == ["EN", "SSIM"]
    assert buttons.value is None
    assert answer.value == ""
    buttons.value = "SSIM"
    assert "Not this one" in answer.value
    assert "it falls" in answer.value
    buttons.value = "EN"
    assert "Right" in answer.value
    assert "it rises &amp; &lt;stays&gt;" in answer.value


def test_ask_elsewhere_folds_the_answer(monkeypatch):
    monkeypatch.setattr(teaching, "live_notebook", lambda: False)
    text = teaching.ask("Which one rises?", OPTIONS, "EN").data
    question, answer = text.split("<details>")
    assert "Which one rises?" in question
    assert "<li>EN</li><li>SSIM</li>" in question
    assert "it rises" not in question
    assert "<b>EN</b>: it rises &amp; &lt;stays&gt;" in answer
    assert "SSIM: it falls" in answer


def test_ask_needs_its_answer_among_the_options():
    with pytest.raises(FusionError, match="'VIF'"):
        teaching.ask("Which one rises?", OPTIONS, "VIF")
