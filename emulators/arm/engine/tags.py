"""Tags: a few short strings by name."""

from __future__ import annotations

from emulators.arm.errors import InvalidTags

MOST, NAME_LENGTH, VALUE_LENGTH = 50, 512, 256
FORBIDDEN = set("<>%&\\?/")


def checked(given: object) -> dict[str, str]:
    """Tags as a request gives them; absent is none.

    Raises:
        InvalidTags: not an object of strings, too many, too long, or a forbidden character.

    Source: learn.microsoft.com/azure/azure-resource-manager/management/tag-resources
    """
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise InvalidTags("The tags must be an object whose values are strings.")
    if len(given) > MOST:
        raise InvalidTags(f"A resource may have at most {MOST} tags, {len(given)} were given.")
    seen: set[str] = set()
    for name, value in given.items():
        if not name or len(name) > NAME_LENGTH or FORBIDDEN & set(name):
            raise InvalidTags(f"The tag name '{name}' is invalid.")
        if len(value) > VALUE_LENGTH:
            raise InvalidTags(f"The value of tag '{name}' is over {VALUE_LENGTH} characters.")
        if name.lower() in seen:
            raise InvalidTags(f"The tag name '{name}' is given twice; case does not count.")
        seen.add(name.lower())
    return dict(given)


def value_of(tags: dict[str, str], name: str) -> str | None:
    """The value of a tag; the case of its name does not count."""
    lower = name.lower()
    return next((value for key, value in tags.items() if key.lower() == lower), None)
