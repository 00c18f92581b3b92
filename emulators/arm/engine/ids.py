"""Resource ids: a path taken apart into scope, provider, types and names. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from emulators.arm.errors import InvalidResourceName, NoResourcePath

LONGEST = 2048  # characters of a path
NAME_LENGTH = 260
_FORBIDDEN = re.compile(r"[<>*%&:\\?/#\x00-\x1f\x7f]")
_WORD = re.compile(r"^[A-Za-z][A-Za-z0-9.\-]{0,127}$")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something is: a subscription, a group, a resource, or (all empty) the tenant."""

    subscription: str = ""
    group: str = ""
    resource: str = ""  # id of the resource that an extension belongs to

    @property
    def path(self) -> str:
        """The scope as a path, without a slash at its end; empty for the tenant."""
        if self.resource:
            return self.resource
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}" if self.subscription else ""


@dataclass(frozen=True, slots=True)
class ResourceId:
    """A resource, or a collection when there is one more type than names."""

    scope: Scope
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def collection(self) -> bool:
        """Whether this names a kind of resource and not one of them."""
        return len(self.types) > len(self.names)

    @property
    def type(self) -> str:
        """`Microsoft.KeyVault/vaults`"""
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        """The last name; empty for a collection at a scope."""
        return self.names[-1] if self.names else ""

    @property
    def path(self) -> str:
        """The id, as it was written."""
        parts = [self.scope.path, "providers", self.namespace]
        for index, kind in enumerate(self.types):
            parts += [kind, *self.names[index : index + 1]]
        return "/".join(parts) if self.scope.path else "/" + "/".join(parts[1:])


def parse(raw_path: str) -> ResourceId:
    """Read the path of a resource or a collection, still percent-encoded.

    Raises:
        NoResourcePath: there is no provider and type in it, or it is too long.
        InvalidResourceName: a name holds what no name may.
    """
    if len(raw_path) > LONGEST:
        raise NoResourcePath(raw_path)
    words = [unquote(word) for word in raw_path.strip("/").split("/") if word]
    subscription, words = _after(words, "subscriptions")
    group, words = _after(words, "resourcegroups") if subscription else ("", words)
    scope = Scope(_name(subscription), _name(group))
    found: ResourceId | None = None
    while words:
        if words[0].lower() != "providers" or len(words) < 3:
            raise NoResourcePath(raw_path)
        if found is not None:
            if found.collection:
                raise NoResourcePath(raw_path)
            scope = Scope(scope.subscription, scope.group, found.path)
        end = next((i for i in range(2, len(words)) if words[i].lower() == "providers"), len(words))
        found, words = _provider(scope, words[1:end], raw_path), words[end:]
    if found is None:
        raise NoResourcePath(raw_path)
    return found


def _provider(scope: Scope, words: list[str], raw_path: str) -> ResourceId:
    namespace, rest = words[0], words[1:]
    types, names = rest[0::2], rest[1::2]
    if not types or not all(_WORD.match(word) for word in (namespace, *types)):
        raise NoResourcePath(raw_path)
    return ResourceId(scope, namespace, tuple(types), tuple(_name(name) for name in names))


def _after(words: list[str], literal: str) -> tuple[str, list[str]]:
    if len(words) >= 2 and words[0].lower() == literal:
        return words[1], words[2:]
    return "", words


def _name(name: str) -> str:
    if len(name) > NAME_LENGTH or _FORBIDDEN.search(name) or name.endswith("."):
        raise InvalidResourceName(name[:NAME_LENGTH])
    return name
