"""Commands read as bash reads them, and imports found without running anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulators.machinelearning.engine.runtime.commands import python_command, words
from emulators.machinelearning.engine.runtime.imports import third_party
from emulators.machinelearning.engine.runtime.variables import ParentVariables, parents, unfit

PYTHON = Path(sys.executable)
PLAIN = ["a", "b=", "-x", " ", "\t", "'", '"', "''", '\\"', "\\", "\\\n", "=:/,", "é", "\\ ", "%@"]
RISKY = ["$HOME", "`", "*", "?", "{a,b}", "~", "#", "!", "^", ";", "&", "|", "\r", "\n", "\x07"]
PIECES = st.sampled_from(PLAIN) | st.sampled_from([*PLAIN, *PLAIN, *RISKY])


def bash(texts: list[str]) -> list[list[str] | None]:
    """Have bash split each text; None where it takes it for anything but one command."""
    answers: list[list[str] | None] = []
    for text in texts:
        script = f"printf '%s\\0' begin {text}"
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, check=False, env={"HOME": "/x"}
        )
        parts = done.stdout.decode("utf-8", "surrogateescape").split("\0")
        answers.append(parts[1:-1] if done.returncode == 0 else None)
    return answers


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(max_examples=120, deadline=None)
@example('a "b \\" \\c \\\n" \'d\\\' e\\\nf')
def test_words_are_what_bash_makes_of_them(text: str) -> None:
    found = words(text)
    if found is not None:
        assert bash([text.strip()]) == [found]


@pytest.mark.parametrize(
    "text",
    ["a; b", "a && b", "a | b", "a > b", "$A", "`a`", "a\nb", "*", "a?", "[a]", "~", "{a}", "(a)"],
)
def test_what_needs_a_shell_is_left_to_it(text: str) -> None:
    assert words(text) is None


@pytest.mark.parametrize("text", ["# a", "a 'b", 'a "b', "a \\", 'a "$b"', "!a", "a & b", "a #b"])
def test_what_is_quoted_wrongly_or_left_open_too(text: str) -> None:
    assert words(text) is None


def test_a_python_command_is_taken_apart() -> None:
    text = "A=1 B='x y' python -u train.py \\\n  --data \"a b\" --n 3\n"
    found = python_command(text, PYTHON)
    assert found is not None
    assert found.env == {"A": "1", "B": "x y"}
    assert found.script == "train.py"
    assert found.arguments == ("train.py", "--data", "a b", "--n", "3")
    assert found.unbuffered
    assert found.argv == ("python", "-u", "train.py", "--data", "a b", "--n", "3")
    module = python_command(("python3", "-m", "pkg.train", "-x"), PYTHON)
    assert module is not None
    assert (module.module, module.arguments) == ("pkg.train", ("-m", "-x"))


@pytest.mark.parametrize(
    "text",
    [
        "python",
        "python -c 'print(1)'",
        "python -O train.py",
        "python -X dev train.py",
        "python -m 'a b'",
        "python train",
        "python2 train.py",
        "python3.99 train.py",
        "mlflow run .",
        "cd x && python train.py",
        "pip install x && python train.py",
        "'A=1' python train.py",
        "PATH=/x python train.py",
        "exec python train.py",
        "",
    ],
)
def test_anything_else_is_started_cold(text: str) -> None:
    assert python_command(text, PYTHON) is None


CODE = """
from __future__ import annotations
import os, argparse
import mlflow
import sklearn.linear_model as lm
from pandas import DataFrame, read_csv
from azure.ai.ml import MLClient
from .sibling import x
from helpers import y
from package.inner import z
from star import *
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import typing_only
else:
    import for_real
try:
    import maybe
except ImportError:
    import instead
def main():
    import lazily
"""


def test_imports_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "src" / "package").mkdir(parents=True)
    (tmp_path / "src" / "main.py").write_text(CODE)
    (tmp_path / "src" / "helpers.py").write_text("import numpy\n")
    (tmp_path / "src" / "package" / "inner.py").write_text("import scipy.stats\n")
    (tmp_path / "broken.py").write_text("import never\nthis is no Python")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x.py").write_text("import hidden")
    found = third_party(tmp_path)
    assert {"mlflow", "sklearn.linear_model", "pandas:DataFrame", "azure.ai.ml:MLClient"} <= found
    assert {"star", "for_real", "maybe", "numpy", "scipy.stats"} <= found
    assert "mlflow.tracking" in found
    tops = {entry.partition(":")[0].partition(".")[0] for entry in found}
    assert not tops & {"typing_only", "lazily", "hidden", "never", "helpers", "package", "os"}


def test_what_mlflow_imports_when_it_is_used(tmp_path: Path) -> None:
    code = (
        "import mlflow, sklearn\ndef f():\n    mlflow.autolog()\n    mlflow.pyfunc.load_model(1)\n"
    )
    (tmp_path / "a.py").write_text(code)
    found = third_party(tmp_path)
    assert {"mlflow.sklearn", "mlflow.pyfunc", "matplotlib.pyplot"} <= found
    assert "mlflow:autolog" not in found
    (tmp_path / "a.py").write_text("import mlflow\nmlflow.log_metric('a', 1)\n")
    assert not {"mlflow.sklearn", "mlflow.pyfunc", "matplotlib.pyplot"} & third_party(tmp_path)


def test_a_folder_of_very_many_imports_is_not_preloaded(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("\n".join(f"import third{n}" for n in range(100)))
    assert third_party(tmp_path) == frozenset()
    assert third_party(tmp_path / "gone") == frozenset()


def test_variables_that_imports_read_must_be_the_same() -> None:
    first = {"PATH": "/bin", "MLFLOW_RUN_ID": "1", "AZUREML_RUN_TOKEN": "t", "REGION": "x"}
    assert "MLFLOW_RUN_ID" not in parents(first)
    assert "AZUREML_RUN_TOKEN" not in parents(first)
    noted = ParentVariables(parents(first), frozenset({"REGION"}), True, frozenset({"tqdm"}))
    assert noted.in_the_way(first | {"MLFLOW_RUN_ID": "2", "MINE": "3"}) == frozenset()
    assert noted.in_the_way(first | {"REGION": "y"}) == {"REGION"}
    assert noted.in_the_way(first | {"TQDM_DISABLE": "1"}) == {"TQDM_DISABLE"}
    assert noted.in_the_way(first | {"OMP_NUM_THREADS": "2"}) == {"OMP_NUM_THREADS"}
    assert noted.in_the_way(first | {"PYTHONHASHSEED": "2"}) == {"PYTHONHASHSEED"}
    assert unfit({"PYTHONPATH": "/x"})
    assert not unfit(first)
