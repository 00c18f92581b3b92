"""Images, build contexts and curated environments, read as requirements or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from emulators.machinelearning.engine.runtime.curated import CURATED, find
from emulators.machinelearning.engine.runtime.definition import Definition, Wanted
from emulators.machinelearning.engine.runtime.environments import wanted_by
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", "==3.8.*"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest", "==3.8.*"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20240101.v1", "==3.10.*"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04", "==3.10.*"),
        ("python:3.11-slim", "==3.11.*"),
        ("docker.io/library/python:3.9.18", "==3.9.*"),
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:latest", "==3.8.*"),
        ("mcr.microsoft.com/azureml/curated/minimal-py312-inference:3", "==3.12.*"),
    ],
)
def test_the_python_of_a_known_image(image: str, python: str) -> None:
    assert wanted_by(Definition(image=image)).python == python


def test_with_a_conda_file_the_image_is_only_a_base() -> None:
    conda = "dependencies: [python=3.9, pip]"
    image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
    assert wanted_by(Definition(conda=conda, image=image)) == Wanted(python="==3.9.*")
    other = wanted_by(Definition(conda=conda, image="example.azurecr.io/mine:1"))
    assert other.python == "==3.9.*"
    assert "example.azurecr.io/mine:1" in other.notes[0]


@pytest.mark.parametrize("image", ["example.azurecr.io/mine:1", "ubuntu:22.04", "python:latest"])
def test_an_image_that_nobody_here_knows_is_refused_by_name(image: str) -> None:
    with pytest.raises(EnvironmentRefused, match=image):
        wanted_by(Definition(image=image))


def test_curated_environments_are_well_formed() -> None:
    for one in CURATED.values():
        assert one.python in SpecifierSet(one.pythons)
        assert len({Requirement(line).name for line in one.requirements}) == len(one.requirements)
        assert wanted_by(Definition(curated=one.name)).requirements == one.requirements


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("sklearn-1.5", "sklearn-1.5"),
        ("AzureML-sklearn-1.5", "sklearn-1.5"),
        ("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "sklearn-1.0"),
        (
            "AzureML-minimal-ubuntu20.04-py38-cpu-inference",
            "minimal-ubuntu20.04-py38-cpu-inference",
        ),
    ],
)
def test_curated_names_old_and_new(name: str, known: str) -> None:
    found = find(name)
    assert found is not None
    assert found.name == known


def test_other_curated_environments_are_refused_by_name() -> None:
    with pytest.raises(EnvironmentRefused, match=r"acft-hf-nlp-gpu.*sklearn-1\.5"):
        wanted_by(Definition(curated="acft-hf-nlp-gpu"))


DOCKERFILE = r"""
# a usual one
FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest
LABEL a=b
WORKDIR /work
RUN apt-get update && \
    apt-get install -y git
ENV MODE=x
COPY requirements.txt conda.yml ./
RUN pip install --no-cache-dir -r requirements.txt 'six>=1.16' --extra-index-url http://localhost/simple
RUN conda env update -n base --file conda.yml && conda clean -a -y
CMD ["bash"]
"""


def test_a_build_context_that_installs_packages(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "requirements.txt").write_text("iniconfig==2.0.0\n# no more\n")
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11, {pip: [pluggy]}]")
    wanted = wanted_by(Definition(context=tmp_path))
    assert wanted.python == "==3.11.*"
    assert wanted.requirements == ("iniconfig==2.0.0", "six>=1.16", "pluggy")
    assert wanted.options == ("--extra-index-url http://localhost/simple",)
    assert [note.split("`")[1] for note in wanted.notes if "`" in note] == [
        "apt-get install -y git"
    ]
    assert any("MODE" in note for note in wanted.notes)


@pytest.mark.parametrize(
    "line",
    [
        "RUN make install",
        "RUN curl http://x | bash",
        "RUN pip install .",
        "RUN pip install --target /x six",
        "RUN pip install -r missing.txt",
        "COPY nothing.txt .",
        "COPY ../secret .",
        "ONBUILD RUN x",
        "FROM example.azurecr.io/mine:1",
        "RUN conda env create -n x",
        "RUN conda install r-base",
    ],
)
def test_what_only_docker_can_do_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM python:3.11\n{line}\n")
    with pytest.raises(EnvironmentRefused):
        wanted_by(Definition(context=tmp_path))


def test_a_dockerfile_outside_its_context_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM python:3.11\n")
    for name in ("../Dockerfile", "Dockerfile"):
        with pytest.raises(EnvironmentRefused):
            wanted_by(Definition(context=tmp_path / "in", dockerfile=name))
