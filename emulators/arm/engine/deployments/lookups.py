"""What a running deployment's expressions ask of resources, fetched and asked again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from emulators.arm.engine.deployments.provider import Provider
from emulators.arm.engine.templates.frames import Place, Wanted
from emulators.arm.engine.templates.order import Book
from emulators.arm.engine.templates.planning import Planned
from emulators.arm.engine.templates.values import Value
from emulators.arm.errors import ExpressionInvalid

T = TypeVar("T")
MOST_QUESTIONS = 1000


class Lookups:
    """Answers `reference` and `list…` from what was fetched, or says what to fetch."""

    def __init__(self, books: list[Book], place: Place) -> None:
        self._books, self._place = books, place
        self._answers: dict[str, Value] = {}

    def reference(self, name: str, version: str | None, full: bool) -> Value:
        path, known = self._found(name)
        version = version or known
        if not version:
            raise ExpressionInvalid(
                f"The resource '{name}' is not defined in the template and no API version was given"
                " to the function 'reference'. Please see https://aka.ms/arm-functions#reference"
                " for usage details."
            )
        body = self._answer(Wanted(path, version))
        if full:
            return _whole(body, path, version)
        return body.get("properties") or {}

    def action(self, action: str, name: str, version: str, body: Value) -> Value:
        return self._answer(Wanted(self._found(name)[0], version, action, body))

    def _found(self, name: str) -> tuple[str, str]:
        """The id and the api-version of what a name means."""
        for book in self._books:
            one = book.one(name)
            if one is not None:
                return one.id, one.version
        if name.startswith("/"):
            return name, ""
        if "/" in name and "." in name.split("/", maxsplit=1)[0]:
            return f"{self._place.path}/providers/{name}", ""
        raise ExpressionInvalid(
            f"The template reference '{name}' is not valid: could not find template resource or"
            " resource copy with this name. Please see"
            " https://aka.ms/arm-function-reference for usage details."
        )

    def _answer(self, question: Wanted) -> Any:
        if question.key not in self._answers:
            raise question
        return self._answers[question.key]

    async def settled(
        self,
        work: Callable[[], T],
        provider: Provider,
        until_made: Callable[[str], Awaitable[None]],
    ) -> T:
        """What `work` returns, once everything it asks for has been fetched.

        `until_made` waits for a resource of the same template.

        Raises:
            ExpressionInvalid: as the language says.
            ProviderFailed: something cannot be fetched.
        """
        for _ in range(MOST_QUESTIONS):
            try:
                return work()
            except Wanted as question:
                await until_made(question.path.lower())
                self._answers[question.key] = await _fetched(provider, question)
        raise ExpressionInvalid(f"The expressions ask for more than '{MOST_QUESTIONS}' resources.")


async def _fetched(provider: Provider, question: Wanted) -> Value:
    if not question.action:
        return await provider.get(question.path, question.version)
    path = f"{question.path}/{question.action}"
    return await provider.post(path, question.version, question.body)


def _whole(body: dict[str, Any], path: str, version: str) -> dict[str, Any]:
    """A resource as `reference(…, 'Full')` gives it."""
    words = path.split("/")
    about: dict[str, Any] = {"apiVersion": version, "resourceId": path.lstrip("/")}
    if words[1:2] == ["subscriptions"]:
        about["subscriptionId"] = words[2]
    if len(words) > 4 and words[3].lower() == "resourcegroups":
        about["resourceGroupName"] = words[4]
    return {**{k: v for k, v in body.items() if k not in ("id", "name", "type")}, **about}


def books_of(*plans: dict[str, Planned]) -> list[Book]:
    """Where names are looked up, innermost template first."""
    return [Book(resources) for resources in plans]
