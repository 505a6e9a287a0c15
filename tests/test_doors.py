"""The ways in: dependency lists that agree, run_all.sh, CI's script, a light import."""

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
CORE = [Requirement(text) for text in PROJECT["dependencies"]]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path, indent=""):
    """{name: version} of the lines `name==version` in a requirements list."""
    found = re.findall(rf"^{indent}([\w.-]+)==(\S+)$", (CHECKOUT / path).read_text(), re.M)
    assert len(found) == len({canonical(name) for name, _ in found})
    return {canonical(name): version for name, version in found}


# --- dependency lists ---------------------------------------------------------------------


def test_every_declared_dependency_is_pinned_within_its_range():
    pinned = pins("constraints.txt")
    declared = CORE + [
        Requirement(text) for extra in PROJECT["optional-dependencies"].values() for text in extra
    ]
    for requirement in declared:
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(pinned[canonical(requirement.name)]), requirement


def test_constraints_hold_exact_versions_only():
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    for line in lines:
        # A local suffix (+cpu, +cu128) would shut out every other build.
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_environment_yml_lists_the_core_at_the_pinned_versions():
    pinned = pins("constraints.txt")
    conda = pins("environment.yml", indent=r"\s+- ")
    assert conda == {canonical(r.name): pinned[canonical(r.name)] for r in CORE}


def test_environment_yml_python_is_admitted():
    python = re.search(r"- python=([\d.]+)$", (CHECKOUT / "environment.yml").read_text(), re.M)[1]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)


# --- doors without an installation --------------------------------------------------------

# A notebook server's own: Colab brings them, at versions of its own.
SERVER = {"ipykernel", "ipywidgets", "jupyterlab", "nbconvert", "nbformat", "papermill"}


def test_binder_installs_this_checkout_at_the_tested_versions(bare, tmp_path):
    folder = CHECKOUT / ".binder"
    # With such a folder repo2docker passes over all other files, pyproject.toml too.
    assert {path.name for path in folder.iterdir()} == {"runtime.txt", "postBuild"}
    python = re.search(r"- python=([\d.]+)$", (CHECKOUT / "environment.yml").read_text(), re.M)[1]
    assert (folder / "runtime.txt").read_text() == f"python-{python}\n"
    assert (folder / "postBuild").stat().st_mode & stat.S_IXUSR
    result = subprocess.run([shutil.which("bash"), folder / "postBuild"], cwd=bare)
    assert result.returncode == 0
    (call,) = calls(bare)
    assert call.startswith("-m pip install")
    assert "-c constraints.txt" in call
    assert call.endswith("-e .")
    index = re.search(r"--extra-index-url (\S+)", call)[1]
    assert f"FUSIONLIB_TORCH_INDEX={index}\n" in (CHECKOUT / "run_all.sh").read_text()


def test_colab_gets_what_is_no_notebook_server_s():
    lines = (CHECKOUT / "colab.txt").read_text().splitlines()
    lines = [line.partition("#")[0] for line in lines]
    listed = {r.name: r.specifier for r in map(Requirement, filter(None, lines))}
    core = {r.name: r.specifier for r in CORE}
    assert core.keys() - listed.keys() == SERVER
    assert listed.keys() <= core.keys()
    for name, specifier in listed.items():
        assert set(core[name]) <= set(specifier), name


def test_what_notebooks_import_needs_no_notebook_server():
    lines = {
        ast.unparse(node)
        for source in sources("notebooks")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    code = f"import sys\nsys.modules.update(dict.fromkeys({SERVER}))\n" + "\n".join(sorted(lines))
    result = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()


def test_the_page_on_doors_names_files_that_are_there():
    text = (CHECKOUT / "CONTRIBUTING.md").read_text()
    for named in ("?labpath=notebooks/start_here.ipynb", "-r checkout/colab.txt"):
        assert named in text
    assert (CHECKOUT / "notebooks" / "start_here.ipynb").is_file()


# --- what is imported ---------------------------------------------------------------------


def modules(source):
    """Top-level modules that a source imports, or starts with `-m`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.List | ast.Tuple):
            words = [getattr(item, "value", None) for item in node.elts]
            yield from (module for flag, module in pairwise(words) if flag == "-m")


def sources(*folders):
    for folder in folders:
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            yield path.read_text()
        for path in sorted((CHECKOUT / folder).rglob("*.ipynb")):
            for cell in json.loads(path.read_text())["cells"]:
                if cell["cell_type"] == "code":
                    yield "".join(cell["source"])


def test_every_core_dependency_is_used():
    origin = packages_distributions()
    used = {
        canonical(distribution)
        for source in sources("fusionlib", "notebooks")
        for module in modules(source)
        for distribution in origin.get(module, [])
    }
    assert {canonical(r.name) for r in CORE} - used == set()


def test_nothing_needs_torchvision():
    assert "torchvision" not in pins("constraints.txt")
    imported = {m for text in sources("fusionlib", "notebooks", "tests") for m in modules(text)}
    assert "torchvision" not in imported


def test_import_is_light():
    code = "import sys, fusionlib; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True)
    loaded = set(result.stdout.decode().split())
    assert "fusionlib" in loaded
    notebook = {"IPython", "ipykernel", "ipywidgets", "jupyterlab", "nbformat", "papermill"}
    drawing = {"matplotlib", "pandas", "seaborn"}
    assert loaded & (notebook | drawing | {"ray", "torchvision", "transformers"}) == set()


# --- run_all.sh ---------------------------------------------------------------------------


def run_all(*arguments, script=CHECKOUT / "run_all.sh", **environment):
    return subprocess.run(
        ["bash", str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("script", ["run_all.sh", ".ci/run"])
def test_scripts_parse_and_are_executable(script):
    path = CHECKOUT / script
    assert path.stat().st_mode & stat.S_IXUSR
    result = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_help_names_every_option():
    result = run_all("--help")
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: ./run_all.sh")
    for option in ("test", "--profile", "--data", "--only", "--set", "FUSIONLIB_TORCH_INDEX"):
        assert option in result.stdout


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--bogus"], "--bogus"),
        (["tests"], "tests"),
        (["--profile", "huge"], "huge"),
        (["--profile=huge"], "huge"),
        (["--only"], "--only"),
        (["--set", "steps"], "--set"),
        (["test", "--set", "steps=5"], "--set"),
        (["--data", "/nowhere/at/all"], "/nowhere/at/all"),
        (["test", "--only", "start_here"], "--only"),
        (["--", "-k", "pairing"], "test --"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_sentence(arguments, culprit):
    result = run_all(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert culprit in result.stderr


# A Python that only writes down how it was called; it finds nothing installed.
STUB = """#!/bin/bash
echo "$*" >> "$CALLS"
case "$*" in
    *"import venv"*) [[ -z ${NO_VENV-} ]] ;;
    -P*) exit 1 ;;
    "-m venv"*) mkdir -p "${!#}/bin"; cp "$0" "${!#}/bin/python"; rm -f "${!#}"/.fus* ;;
    "-m pip install"*) exit "${PIP_STATUS-0}" ;;
esac
"""


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A checkout on a machine that has only a shell, and a stub Python."""
    checkout, programs = tmp_path / "a checkout", tmp_path / "bin"
    checkout.mkdir()
    programs.mkdir()
    for name in ("run_all.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(CHECKOUT / name, checkout)
    for name in ("bash", "cat", "cp", "dirname", "mkdir", "rm", "touch"):
        (programs / name).symlink_to(shutil.which(name))
    (programs / "python3").write_text(STUB)
    (programs / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("FUSIONLIB_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    return checkout


def calls(bare):
    return (bare.parent / "calls").read_text().splitlines()


def test_fresh_machine_makes_an_environment_and_reproduces(bare):
    data = bare.parent / "my data"
    data.mkdir()
    sets = ["--set", "steps=5", "--set=only=UPTP 150"]
    result = run_all("--data", "my data", "--only=one, two", *sets, script=bare / "run_all.sh")
    assert result.returncode == 0, result.stderr
    made, installed, reproduced = (
        next(i for i, call in enumerate(calls(bare)) if call.startswith(start))
        for start in ("-m venv --clear", "-m pip install", "-c from fusionlib.cli import main")
    )
    assert made < installed < reproduced
    assert calls(bare)[installed].endswith("-c constraints.txt -e .")
    assert calls(bare)[reproduced].endswith(
        f"reproduce --profile smoke --data {data} --set steps=5 --set only=UPTP 150 one two"
    )
    assert f"{bare}/results" in result.stderr.splitlines()[-1]


def test_fresh_machine_tests_with_the_test_extra(bare):
    result = run_all("test", "--", "-k", "pairing", script=bare / "run_all.sh")
    assert result.returncode == 0, result.stderr
    assert any(call.endswith("-e .[test]") for call in calls(bare))
    assert calls(bare)[-1].startswith("-m pytest")
    assert calls(bare)[-1].endswith("-k pairing")


def test_torch_index_is_passed_on(bare):
    run_all(script=bare / "run_all.sh", FUSIONLIB_TORCH_INDEX="https://example.org/cpu")
    assert any("--extra-index-url https://example.org/cpu" in call for call in calls(bare))


def test_an_installation_that_broke_off_is_made_anew(bare):
    broken = run_all(script=bare / "run_all.sh", PIP_STATUS="1")
    assert broken.returncode == 1
    assert not any("reproduce" in call for call in calls(bare))
    (bare.parent / "calls").unlink()
    again = run_all(script=bare / "run_all.sh")
    assert again.returncode == 0
    assert "half made" in again.stderr
    assert any(call.startswith("-m venv --clear") for call in calls(bare))


def test_no_python_is_said(bare):
    (bare.parent / "bin" / "python3").unlink()
    result = run_all(script=bare / "run_all.sh")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "No Python 3.11 or newer" in result.stderr


def test_no_venv_module_is_said(bare):
    result = run_all(script=bare / "run_all.sh", NO_VENV="1")
    assert result.returncode == 1
    assert "python3-venv" in result.stderr.splitlines()[-1]


# --- CI -----------------------------------------------------------------------------------


def test_ci_runs_the_readme_test_command():
    command = (CHECKOUT / ".ci" / "run").read_text().splitlines()[-1]
    assert command == "./run_all.sh test"
    assert re.search(rf"^\s*{re.escape(command)}\b", (CHECKOUT / "README.md").read_text(), re.M)
