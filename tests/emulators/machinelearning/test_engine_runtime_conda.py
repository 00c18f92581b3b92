"""Conda files and requirement lines, read as what pip would install."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.machinelearning.engine.runtime import conda, requirements
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused


def of(*specs: str) -> tuple[str, ...]:
    return conda.read("dependencies:\n" + "".join(f'- "{spec}"\n' for spec in specs)).requirements


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.21", "numpy==1.21.*"),
        ("numpy=1.21.*", "numpy==1.21.*"),
        ("numpy==1.21.2", "numpy==1.21.2"),
        ("numpy 1.21.2", "numpy==1.21.2"),
        ("numpy=1.21.2=py38_0", "numpy==1.21.2.*"),
        ("numpy >=1.21,<2", "numpy<2,>=1.21"),
        ("numpy>=1.21", "numpy>=1.21"),
        ("numpy!=1.21", "numpy!=1.21"),
        ("numpy~=1.21.0", "numpy~=1.21.0"),
        ("numpy=*", "numpy"),
        ("conda-forge::numpy=1.21", "numpy==1.21.*"),
        ("pytorch=2.1", "torch==2.1.*"),
        ("Pillow", "pillow"),
        ("py-xgboost>=1.7", "xgboost>=1.7"),
        ("ruamel.yaml", "ruamel.yaml"),
    ],
)
def test_a_conda_package_by_its_pypi_name(spec: str, requirement: str) -> None:
    assert of(spec) == (requirement,)


@pytest.mark.parametrize("spec", ["pip=20.1", "openssl", "cpuonly", "libgcc-ng", "mkl=2021"])
def test_what_comes_with_wheels_anyway_is_left_out(spec: str) -> None:
    assert of(spec) == ()


@pytest.mark.parametrize("name", ["cudatoolkit", "r-base", "openjdk", "gcc_linux-64", "git"])
def test_what_is_no_python_package_is_refused_by_name(name: str) -> None:
    with pytest.raises(EnvironmentRefused, match=name) as refused:
        of(f"{name}=11")
    assert refused.value.what == name


@pytest.mark.parametrize(
    ("spec", "python"),
    [
        ("python=3.8", "==3.8.*"),
        ("python=3.8.5", "==3.8.5.*"),
        ("python==3.8.5", "==3.8.5"),
        ("python>=3.8,<3.11", "<3.11,>=3.8"),
        ("python", None),
    ],
)
def test_the_python_version(spec: str, python: str | None) -> None:
    assert conda.read(f"dependencies: ['{spec}']").python == python


def test_pip_section_with_options_comments_and_markers() -> None:
    wanted = conda.read(
        """
        channels: [conda-forge]
        dependencies:
          - pip
          - pip:
            - azureml-mlflow~=1.48.0
            - "numpy >= 1.2 ; python_version < '3.9'"
            - --extra-index-url http://localhost/simple
            - pandas==1.5.3 --hash=sha256:00
            - "uvicorn[standard]  # why"
            - git+https://localhost/x.git@v1#egg=x
        """
    )
    assert wanted.requirements == (
        "azureml-mlflow~=1.48.0",
        'numpy>=1.2; python_version < "3.9"',
        "pandas==1.5.3",
        "uvicorn[standard]",
        "git+https://localhost/x.git@v1#egg=x",
    )
    assert wanted.options == ("--extra-index-url http://localhost/simple",)


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]",
        "dependencies: 7",
        "dependencies: [{npm: [x]}]",
        "dependencies: [{pip: x}]",
        "a: [",
        "dependencies: ['numpy[version=1]']",
        "dependencies: ['numpy=1.2|1.3']",
        "dependencies: [{pip: [-e .]}]",
        "dependencies: [{pip: [./folder]}]",
        "dependencies: [{pip: [-r requirements.txt]}]",
        "dependencies: [{pip: ['numpy=1.2']}]",
        "dependencies: [{pip: [--config x]}]",
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(EnvironmentRefused):
        conda.read(text)


@given(st.text() | st.recursive(st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_text_is_read_or_refused(junk: object) -> None:
    for text in (str(junk), f"dependencies: {junk!r}", f"dependencies: [{{pip: {junk!r}}}]"):
        with contextlib.suppress(EnvironmentRefused):
            conda.read(text)


def test_requirements_files_include_others_of_their_folder_only(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("six\n-r deeper.txt\n")
    (tmp_path / "deeper.txt").write_text("# nothing\niniconfig \\\n  ==2.0\n")
    packages, options = requirements.read(["-r more.txt", "--pre"], tmp_path)
    assert packages == ["six", "iniconfig==2.0"]
    assert options == ["--pre"]
    for line in ("-r ../x.txt", "-r none.txt", "--requirement=/etc/passwd"):
        with pytest.raises(EnvironmentRefused):
            requirements.read([line], tmp_path)
    (tmp_path / "loop.txt").write_text("-r loop.txt\n")
    with pytest.raises(EnvironmentRefused):
        requirements.read(["-r loop.txt"], tmp_path)
