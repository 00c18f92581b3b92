"""Images made ready: found here, fetched, built on a stand-in; each looked into once."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from emulators.machinelearning.engine.runtime import builder
from emulators.machinelearning.engine.runtime.containers import plans
from emulators.machinelearning.engine.runtime.containers.engine import MARK, Engine, remove, start
from emulators.machinelearning.engine.runtime.containers.options import ContainerOptions
from emulators.machinelearning.engine.runtime.containers.plans import Build, Probed
from emulators.machinelearning.engine.runtime.containers.specs import INSIDE, OURS
from emulators.machinelearning.engine.runtime.definition import (
    Definition,
    Prepared,
    Progress,
    Wanted,
)
from emulators.machinelearning.engine.runtime.interpreters import OLDEST
from emulators.machinelearning.engine.runtime.problems import BuildFailed, EnvironmentRefused
from emulators.machinelearning.engine.runtime.process import NotStarted

REPOSITORY = "rehearsal-env"
LABEL = "rehearsal.environment"
PROGRAM = "emulators.machinelearning.engine.runtime.containers.building"
PROBE = (
    "for p in python python3; do command -v $p >/dev/null 2>&1 && exec $p -I"
    f" {OURS}/inside/probe.py; done; exit 9"
)
NO_PYTHON = 9
PROBE_TIMEOUT = 120  # seconds
FETCH_AGAIN = 600.0  # seconds until an image that could not be fetched is tried again


@dataclass(frozen=True, slots=True)
class _Base:
    """An image that is here, and what was said to get there."""

    image: str
    id: str
    notes: tuple[str, ...] = ()
    extra: Wanted | None = None  # what it lacks of the image that it stands for
    stands_in: bool = False


class Images:
    """Images of one engine; what was found in them is kept below a folder of this machine."""

    def __init__(
        self, cache: Path, engine: Engine, options: ContainerOptions, *, mark: str
    ) -> None:
        self._folder = cache / "images"
        self._engine = engine
        self._options = options
        self._mark = mark
        self._unfetched: dict[str, tuple[float, str]] = {}  # image -> when it could not be, why

    async def prepare(self, definition: Definition, progress: Progress, *, relax: bool) -> Prepared:
        """Return an image with a Python, built if need be; a build is found again by content.

        Raises:
            EnvironmentRefused: it cannot be had as asked; the message says what is in the way.
        """
        if definition.context is not None:
            return await self._of_context(definition, definition.context, progress)
        base = await self._base(definition, progress, relax=relax)
        found = await self._probed(base.id, base.image)
        by_conda = bool(definition.conda and found.conda and not base.stands_in)
        wanted = plans.packages_of(definition, base.extra, has_conda=by_conda)
        notes = (*base.notes, *wanted.notes)
        if not by_conda:
            notes += self._other_python(base, found, wanted, relax=relax)
        for note in notes:
            progress(note)
        if not by_conda and not wanted.requirements:
            return _prepared(base.id, base.id.rpartition(":")[2][:24], found, notes, cached=True)
        name = plans.key_of(Build(str(wanted), {"conda": definition.conda or ""}), base.id)
        if by_conda:
            build = plans.by_conda(base.image, definition.conda or "", name)
        else:
            build = plans.by_pip(base.image, found.python, wanted, name)
        key = plans.key_of(build, base.id)
        return await self._built(key, _asked(build), notes, progress)

    def _other_python(
        self, base: _Base, found: Probed, wanted: Wanted, *, relax: bool
    ) -> tuple[str, ...]:
        try:
            plans.check_python(base.image, found, wanted.python)
        except EnvironmentRefused:
            if not relax:
                raise
            return (f"Python {wanted.python} is not in {base.image}: {found.version} is taken.",)
        return ()

    async def _base(self, definition: Definition, progress: Progress, *, relax: bool) -> _Base:
        """The image that a definition names, or what stands for it."""
        image, notes, extra = definition.image, list[str](), None
        if image and not definition.curated:
            id_, why = await self._here(image, progress)
            if id_:
                return _Base(image, id_)
            extra = plans.stand_in(image)
            if extra is None:
                raise EnvironmentRefused(
                    f"The image {image!r} is not here and cannot be fetched: {why}", what=image
                )
            notes.append(f"{image} cannot be fetched here ({why}).")
        python = plans.packages_of(definition, extra, has_conda=False).python
        instead, why = plans.base_for(self._options.base, python), ""
        id_, why = await self._here(instead, progress)
        if not id_ and relax:
            instead = plans.base_for(self._options.base, None)
            id_, why = await self._here(instead, progress)
        if not id_:
            raise EnvironmentRefused(
                f"The image {instead!r}, to build on, is not here and cannot be fetched: {why}"
                " Name another in REHEARSAL_DOCKER_BASE.",
                what=instead,
                relaxable=not relax,
            )
        if image:
            notes.append(f"{instead} stands in for {image}: it lacks what else that image has.")
        return _Base(instead, id_, tuple(notes), extra, stands_in=True)

    async def _here(self, image: str, progress: Progress) -> tuple[str, str]:
        """The id of an image, fetched if need be; else "" and why not."""
        id_ = await self._id(image)
        if id_:
            return id_, ""
        if not self._options.pull:
            return "", "nothing is fetched while Rehearsal is offline."
        now = asyncio.get_running_loop().time()
        since, why = self._unfetched.get(image, (-FETCH_AGAIN, ""))
        if now - since < FETCH_AGAIN:
            return "", why
        progress(f"Fetching the image {image}.")
        code, lines = await self._program({"pull": image}, progress)
        if code:
            why = lines[-1] if lines else "the engine gave no reason"
            self._unfetched[image] = now, why
            return "", why
        return await self._id(image), "it is not there after it was fetched."

    async def _id(self, image: str) -> str:
        def ask(client: Any) -> str:
            import docker

            try:
                return str(client.api.inspect_image(image)["Id"])
            except docker.errors.ImageNotFound:
                return ""

        return await self._engine.call(ask)

    async def _of_context(
        self, definition: Definition, context: Path, progress: Progress
    ) -> Prepared:
        """Build a Dockerfile as it is, but for Azure ML images that cannot be had."""
        file = (context / definition.dockerfile).resolve()
        if not file.is_relative_to(context.resolve()) or not file.is_file():
            raise EnvironmentRefused(
                f"The build context has no {definition.dockerfile!r}.", what=definition.dockerfile
            )
        text = file.read_text(encoding="utf-8-sig")
        bases, instead, notes = dict[str, str](), dict[str, str](), list[str]()
        for image in plans.bases_in(text):
            base = await self._base(Definition(image=image), progress, relax=False)
            bases[image] = base.id
            if base.image != image:
                instead[image] = base.image
                notes += base.notes
        for note in notes:
            progress(note)
        text = plans.rebased(text, instead)
        asked = {
            "context": str(context),
            "dockerfile": text,
            "dockerfile_name": definition.dockerfile,
        }
        key = plans.key_of_context(context, text, bases)
        return await self._built(key, asked, tuple(notes), progress)

    async def _built(
        self, key: str, asked: Mapping[str, Any], notes: tuple[str, ...], progress: Progress
    ) -> Prepared:
        """The image of a build, found or made."""
        tag = f"{REPOSITORY}:{key}"
        id_ = await self._id(tag)
        cached = bool(id_)
        if not id_:
            async with builder.sole_builder(self._folder / key, progress):
                id_ = await self._id(tag)
                if not id_:
                    wanted = {**asked, "tag": tag, "labels": {LABEL: key}}
                    code, lines = await self._program(wanted, progress)
                    if code:
                        said = builder.last_of(lines)
                        raise BuildFailed(f"Docker could not build the image:\n{said}\n", what=said)
                    id_ = await self._id(tag)
        found = await self._probed(id_, tag)
        return _prepared(id_, key, found, notes, cached=cached)

    async def _program(self, asked: Mapping[str, Any], progress: Progress) -> tuple[int, list[str]]:
        """Fetch or build in a process of its own, which a cancelled call ends, and so the build."""
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(asked, file)
            file.flush()
            return await builder.run([sys.executable, "-I", "-m", PROGRAM, file.name], progress)

    async def _probed(self, id_: str, image: str) -> Probed:
        """What is in an image; looked up once.

        Raises:
            EnvironmentRefused: no Python that can lead a command.
        """
        kept = self._folder / f"{id_.rpartition(':')[2][:24]}.json"
        try:
            return Probed(**json.loads(kept.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            pass
        user = await self._engine.user()
        try:
            code, said = await self._engine.call(
                lambda client: _look_into(client, id_, user, self._mark)
            )
        except NotStarted as refused:
            raise EnvironmentRefused(f"{image}: {refused}", what=image) from None
        found = _read(image, code, said)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{id(found):x}.partial")
        partial.write_text(json.dumps(dataclasses.asdict(found)), encoding="utf-8")
        partial.replace(kept)
        return found


def _asked(build: Build) -> dict[str, Any]:
    return {
        "dockerfile": build.dockerfile,
        "dockerfile_name": "Dockerfile",
        "files": dict(build.files),
    }


def _look_into(client: Any, id_: str, user: str, mark: str) -> tuple[int, str]:
    """Run the probe in an image; its exit code and what it said."""
    bind = {"Type": "bind", "Source": str(INSIDE), "Target": f"{OURS}/inside", "ReadOnly": True}
    container = start(
        client,
        {
            "Image": id_,
            "Entrypoint": ["sh", "-c", PROBE],
            "Cmd": [],
            "User": user,
            "Labels": {MARK: mark},
            "HostConfig": {"NetworkMode": "none", "Mounts": [bind]},
        },
    )
    try:
        code = int(client.api.wait(container, timeout=PROBE_TIMEOUT)["StatusCode"])
        return code, client.api.logs(container).decode("utf-8", "replace")
    finally:
        remove(client, container)


def _read(image: str, code: int, said: str) -> Probed:
    if code == NO_PYTHON:
        raise EnvironmentRefused(
            f"The image {image} has no Python: the docker runtime leads every command with the"
            " image's own.",
            what=image,
        )
    if code and "No such file" in said:
        raise EnvironmentRefused(
            "The Docker Engine does not see this machine's folders (is Rehearsal itself in a"
            f" container?): {said.strip()}",
            what="docker",
        )
    try:
        found = Probed(**json.loads(said.strip().splitlines()[-1]))
    except (ValueError, TypeError, IndexError):
        raise EnvironmentRefused(
            f"Python does not start in the image {image}: {said.strip()[-400:]}", what=image
        ) from None
    if Version(found.version) < OLDEST:
        raise EnvironmentRefused(
            f"The image {image} has Python {found.version}; {OLDEST} is the oldest that can lead"
            " a command.",
            what=f"python{found.version}",
        )
    return found


def _prepared(
    id_: str, key: str, found: Probed, notes: tuple[str, ...], *, cached: bool
) -> Prepared:
    return Prepared(
        python=Path(found.python),
        version=found.version,
        runtime="docker",
        key=key,
        notes=notes,
        packages=dict(found.packages),
        cached=cached,
        image=id_,
    )
