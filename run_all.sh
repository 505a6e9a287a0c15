#!/usr/bin/env bash
# One door for everything: set up on a fresh machine, then reproduce or test.
set -euo pipefail
unset CDPATH # cd must print nothing

usage() {
    cat <<'TEXT'
Usage: ./run_all.sh [--profile smoke|quick|paper] [--data DIR] [--only NAME[,NAME...]]
                    [--set NAME=VALUE]...
       ./run_all.sh test [-- PYTEST_OPTION...]

Without `test`, runs the notebooks and writes what they measure below results/, and
results/index.html, one page with all of it.  With `test`, runs the tests.  Both first
make sure that an environment is there: the active one where it already has this checkout
and all it needs, otherwise .venv here.

  --profile P   how much work (default: smoke)
                  smoke   rendered scenes, minutes, needs no data
                  quick   real images, sized for a 2-core CPU
                  paper   the papers' own sizes, for a GPU
  --data DIR    folder that holds the datasets (default: $FUSIONLIB_DATA)
  --only NAMES  only these notebooks (file name without .ipynb) or folders of notebooks
  --set N=V     a parameter of these notebooks, such as steps=50; can be repeated
  --help        show this text

Needs Python 3.11 or newer.  On Linux, the package index serves torch with several GB of
CUDA libraries; for the small CPU build, set before the first run
  FUSIONLIB_TORCH_INDEX=https://download.pytorch.org/whl/cpu
TEXT
}

say() { printf 'run_all: %s\n' "$*" >&2; }
fail() { say "$2"; exit "$1"; }

# --- what is asked for ------------------------------------------------------------------

task=reproduce profile=smoke data='' only='' sets=()
if [[ ${1-} == test ]]; then task=test; shift; fi
while (($#)); do
    case $1 in
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
        -h | --help) usage; exit 0 ;;
        --) [[ $task == test ]] || fail 2 "Options after -- go to pytest, so they need: $0 test --"
            shift; break ;;
        --profile | --data | --only)
            [[ $task == reproduce ]] || fail 2 "$1 does not go with test; see $0 --help."
            [[ -n ${2-} ]] || fail 2 "$1 needs a value; see $0 --help."
            printf -v "${1#--}" '%s' "$2"; shift 2 ;;
        --set)
            [[ $task == reproduce ]] || fail 2 "$1 does not go with test; see $0 --help."
            [[ ${2-} == *=* ]] || fail 2 "$1 needs NAME=VALUE; see $0 --help."
            sets+=(--set "$2"); shift 2 ;;
        *) fail 2 "Unknown argument '$1'; see $0 --help." ;;
    esac
done
[[ $profile =~ ^(smoke|quick|paper)$ ]] \
    || fail 2 "Unknown profile '$profile': choose smoke, quick or paper."
if [[ -n $data ]]; then
    [[ -d $data ]] || fail 2 "The data folder '$data' does not exist; name one with --data."
    data=$(cd "$data" && pwd)
fi
cd "$(dirname "${BASH_SOURCE[0]}")"

# --- an environment that has what is needed ---------------------------------------------

venv=$PWD/.venv
unfinished=$venv/.fusionlib-unfinished # there while pip is at work
extra=''; [[ $task == reproduce ]] || extra=test

# Whether a Python has this checkout installed editable and every requirement of
# pyproject.toml; our own .venv must also hold the versions that were tested.
ready() {
    "$1" -P - "$PWD" "$extra" 2>/dev/null <<'PYTHON'
import json, re, sys, tomllib
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import unquote, urlparse
from packaging.requirements import Requirement

checkout, extra = Path(sys.argv[1]), sys.argv[2]
name = lambda text: re.sub(r"[-_.]+", "-", text).lower()
installed = {}
for found in distributions():
    installed.setdefault(name(found.metadata["Name"]), found)

origin = json.loads(installed["fusionlib"].read_text("direct_url.json"))
assert origin["dir_info"]["editable"]
assert Path(unquote(urlparse(origin["url"]).path)).samefile(checkout)

project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
needed = project["dependencies"] + project["optional-dependencies"].get(extra, [])
for requirement in map(Requirement, needed):
    assert requirement.specifier.contains(installed[name(requirement.name)].version, True)

if Path(sys.prefix).resolve() == (checkout / ".venv").resolve():
    for line in (checkout / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            found = installed.get(name(pin.name))
            assert found is None or pin.specifier.contains(found.version, True)
PYTHON
}

# Prints a Python >= 3.11 that can make environments.
find_python() {
    local candidate without_venv=''
    for candidate in python3 python python3.{14,13,12,11}; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            command -v "$candidate"; return
        fi
        without_venv=${without_venv:-$candidate}
    done
    [[ -z $without_venv ]] || fail 1 "$without_venv cannot make environments: install its venv \
module (on Debian and Ubuntu: apt install python3-venv) and run this again."
    fail 1 "No Python 3.11 or newer was found: install one, put it on PATH and run this again."
}

set_up() {
    local maker making=() options=(--progress-bar on --disable-pip-version-check -c constraints.txt)
    maker=$(find_python)
    if [[ -e $unfinished ]] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        [[ ! -e $venv ]] || say ".venv was left half made; making it anew."
        making=(--clear)
    fi
    if ((${#making[@]})) || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        say "making .venv with $maker ($("$maker" --version))"
        "$maker" -m venv ${making[@]+"${making[@]}"} "$venv"
    fi
    [[ -z ${FUSIONLIB_TORCH_INDEX-} ]] || options+=(--extra-index-url "$FUSIONLIB_TORCH_INDEX")
    say "installing what pyproject.toml lists, at the versions of constraints.txt"
    touch "$unfinished"
    "$venv/bin/python" -m pip install "${options[@]}" -e ".${extra:+[$extra]}" >&2
    rm "$unfinished"
}

if ready python3; then
    python=$(command -v python3)
else
    python=$venv/bin/python
    if [[ -e $unfinished ]] || ! ready "$python"; then set_up; fi
    export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
fi
say "using $python"

# --- the work ---------------------------------------------------------------------------

if [[ $task == test ]]; then
    # One worker a core, and one thread a worker, so that they don't fight for cores.
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    exec "$python" -m pytest -q -n auto --maxprocesses 8 --dist loadfile "$@"
fi

IFS=, read -ra names <<<"${only// /}"
status=0
"$python" -c 'from fusionlib.cli import main; raise SystemExit(main())' \
    reproduce --profile "$profile" ${data:+--data "$data"} ${sets[@]+"${sets[@]}"} \
    ${names[@]+"${names[@]}"} || status=$?
results=${FUSIONLIB_RESULTS:-$PWD/results}
((status)) || say "done; the tables and figures are in $results/<paper>/<notebook>/$profile/"
exit $status
