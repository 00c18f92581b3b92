"""A program that fetches or builds one image, printing its log: ended, it ends the build."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FAILED = 4
DOCKERFILE = "Dockerfile"


def main(file: str) -> int:
    """Do what a JSON file asks for: `pull` an image, or build one with a `tag`.

    Returns:
        0, or FAILED after the engine's own words on standard output.
    """
    import docker

    asked: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    try:
        client = docker.from_env(timeout=3600)
        if "pull" in asked:
            return _told(_pull(client, asked["pull"]))
        return _told(_build(client, asked))
    except docker.errors.DockerException as refused:
        _say(str(getattr(refused, "explanation", None) or refused))
        return FAILED


def _pull(client: Any, image: str) -> Iterable[Mapping[str, Any]]:
    repository, tag = named(image)
    words: Iterable[Mapping[str, Any]] = client.api.pull(
        repository, tag=tag, stream=True, decode=True
    )
    return words


def named(image: str) -> tuple[str, str | None]:
    """Split an image's name into repository and tag, "latest" by default, none with a digest."""
    if "@" in image:
        return image, None
    if ":" in image.rpartition("/")[2]:
        repository, _, tag = image.rpartition(":")
        return repository, tag
    return image, "latest"


def _build(client: Any, asked: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    words: Iterable[Mapping[str, Any]] = client.api.build(
        fileobj=_context(asked),
        custom_context=True,
        encoding=None,
        dockerfile=asked["dockerfile_name"],
        tag=asked["tag"],
        labels=asked["labels"],
        rm=True,
        forcerm=True,
        decode=True,
    )
    return words


def _context(asked: Mapping[str, Any]) -> io.BytesIO:
    """The build context as a tar: a folder, less what it ignores, and the Dockerfile as given."""
    from docker.utils.build import exclude_paths

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        if asked.get("context"):
            root = Path(asked["context"])
            ignored = root / ".dockerignore"
            lines = ignored.read_text("utf-8").splitlines() if ignored.is_file() else []
            patterns = [line.strip() for line in lines if line.strip() and line[0] != "#"]
            for name in sorted(exclude_paths(str(root), patterns)):
                if name != asked["dockerfile_name"]:
                    tar.add(root / name, arcname=name, recursive=False)
        files = {**asked.get("files", {}), asked["dockerfile_name"]: asked["dockerfile"]}
        for name, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    packed.seek(0)
    return packed


def _told(words: Iterable[Mapping[str, Any]]) -> int:
    """Print the engine's words as they come, without progress bars."""
    for word in words:
        if "error" in word:
            _say(str(word["error"]))
            return FAILED
        text = word.get("stream") or ("" if word.get("progressDetail") else word.get("status", ""))
        for line in str(text).splitlines():
            if line.strip():
                _say(line.rstrip())
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
