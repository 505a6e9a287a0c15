import pytest

from fusionlib.errors import FusionError
from fusionlib.runner.parameters import inspect, read_parameters

CELL = """# These may be changed.
steps: int = 1_500  # optimisation steps
lr: float = 1e-4  # learning rate
name: str = "a # b = c"  # text with signs that mislead papermill
fast: bool = False  # whether to hurry
seeds: list[int] = [0, 1]  # one run each
tests: list[str] = [
    "MSRS",  # night and day
    "LLVIP",
]  # test sets
epochs: dict[str, int] = {"smoke": 1}  # by profile
"""


def by_name():
    parameters, defects = inspect(CELL)
    assert defects == []
    return {p.name: p for p in parameters}


def test_cell_is_read_with_types_defaults_and_help():
    found = by_name()
    assert [(p.type, p.default) for p in found.values()] == [
        ("int", 1500),
        ("float", 1e-4),
        ("str", "a # b = c"),
        ("bool", False),
        ("list[int]", [0, 1]),
        ("list[str]", ["MSRS", "LLVIP"]),
        ("dict[str, int]", {"smoke": 1}),
    ]
    assert found["name"].help == "text with signs that mislead papermill"
    assert found["tests"].help == "test sets"


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("steps", "20", 20),
        ("steps", 20, 20),
        ("lr", "1e-3", 1e-3),
        ("lr", "1", 1.0),
        ("lr", 1, 1.0),
        ("name", "2024_01", "2024_01"),
        ("name", "12", "12"),
        ("fast", "True", True),
        ("fast", "false", False),
        ("seeds", "[3, 4]", [3, 4]),
        ("seeds", [5], [5]),
        ("tests", '["TNO"]', ["TNO"]),
        ("epochs", '{"quick": 100}', {"quick": 100}),
    ],
)
def test_value_is_read_in_the_declared_type(name, given, value):
    parsed = by_name()[name].parse(given)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("steps", "2.5"),
        ("steps", "2024_01"),
        ("steps", True),
        ("steps", "many"),
        ("lr", "nan"),
        ("lr", "NaN"),
        ("lr", "fast"),
        ("lr", float("inf")),
        ("name", 3),
        ("fast", "1"),
        ("fast", "maybe"),
        ("fast", 1),
        ("seeds", "3"),
        ("seeds", "[1.5]"),
        ("seeds", [True]),
        ("tests", "TNO"),
        ("epochs", '{"quick": "x"}'),
        ("epochs", {1: 1}),
    ],
)
def test_value_of_another_type_is_refused(name, given):
    parameter = by_name()[name]
    with pytest.raises(FusionError) as refusal:
        parameter.parse(given)
    for part in (name, parameter.type, repr(given)):
        assert part in str(refusal.value)


@pytest.mark.parametrize(
    ("line", "defect"),
    [
        ("steps: int = 3", "no help"),
        ("steps = 3  # help", "not of the form"),
        ("steps: int  # help", "not of the form"),
        ("print(1)  # help", "not of the form"),
        ("steps: int | None = 3  # help", "not plain"),
        ("root: Path = 3  # help", "not plain"),
        ("steps: int = 2 * 3  # help", "not a plain value"),
        ("steps: int = 3.5  # help", "is not int"),
        ("fast: bool = 0  # help", "is not bool"),
        ("steps: int = 3  # help\nsteps: int = 4  # help", "declared twice"),
        ("steps: int = (3  # help", "not valid Python"),
    ],
)
def test_defects_of_a_cell(line, defect):
    (found,) = inspect(line)[1]
    assert defect in found


@pytest.mark.parametrize("tagged", [0, 2])
def test_exactly_one_cell_is_tagged(make, tagged):
    notebook = make("x: int = 3  # help")
    for i in (1, 3):
        notebook.cells[i].metadata["tags"] = ["parameters"] if tagged == 2 else []
    with pytest.raises(FusionError, match=f"table1 has {tagged} cells tagged"):
        read_parameters(notebook, "table1")
