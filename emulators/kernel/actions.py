"""Which action at which scope a request of the resource manager is, by its method and path.

Source: learn.microsoft.com/azure/role-based-access-control/resource-provider-operations and
the rule behind it: `{provider}/{types}/read|write|delete`, and `.../{name}/action` for a POST.
"""

from __future__ import annotations

from urllib.parse import unquote

from emulators.kernel.access import Asked

VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"
SUBSCRIPTIONS = "Microsoft.Resources/subscriptions"
OPEN = frozenset({"operationresults"})
"""Below a subscription: answers about the caller's own earlier requests."""
READ_BY_POST = frozenset({"checknameavailability"})


def of_arm(method: str, path: str, operation: str = "") -> Asked | None:
    """What a request asks for; None where any caller of the tenant is answered.

    Args:
        path: percent-encoded, beginning with a slash.
        operation: Azure's name of it; method and path say enough.
    """
    words = [unquote(word) for word in path.split("/") if word]
    if len(words) < 2 or words[0].lower() != "subscriptions":
        return None
    if "providers" in (word.lower() for word in words[2:]):
        return _of_provider(method, words)
    subscription = f"/subscriptions/{words[1]}"
    if len(words) > 2 and words[2].lower() == "resourcegroups":
        return _of_group(method, subscription, words[3:])
    return _of_subscription(method, subscription, words[2:])


def _of_subscription(method: str, subscription: str, rest: list[str]) -> Asked | None:
    read = method in ("GET", "HEAD")
    if not rest:
        return Asked(f"{SUBSCRIPTIONS}/{_verb(method)}", subscription, visible=read)
    if rest[0].lower() in OPEN:
        return None
    if method == "GET" and rest[0].lower() == "resources":
        return Asked(f"{SUBSCRIPTIONS}/resources/read", subscription, listed=True)
    return Asked(f"{SUBSCRIPTIONS}/{rest[0]}/{_verb(method)}", subscription, visible=read)


def _verb(method: str) -> str:
    return VERBS.get(method, "action")


def _of_group(method: str, subscription: str, rest: list[str]) -> Asked:
    if not rest:
        return Asked(f"{GROUPS}/read", subscription, listed=True)
    scope = f"{subscription}/resourceGroups/{rest[0]}"
    if len(rest) == 1:
        return Asked(f"{GROUPS}/{_verb(method)}", scope)
    if method == "GET":
        return Asked(f"{GROUPS}/{rest[1]}/read", scope, listed=True)
    return Asked(f"{GROUPS}/{rest[1]}/{_verb(method)}", scope)


def _of_provider(method: str, words: list[str]) -> Asked | None:
    """A resource, a list of them or an action, of the last provider in the path."""
    at = max(i for i, word in enumerate(words) if word.lower() == "providers")
    above, rest = words[:at], words[at + 1 :]
    scope = "/" + "/".join(above)
    if len(rest) < 2:
        return Asked(f"{SUBSCRIPTIONS}/providers/read", scope, visible=True)
    namespace, parts = rest[0], rest[1:]
    if parts[0].lower() == "locations" and method == "GET":
        return None  # status of long-running operations, known by a random id
    types, collection = "/".join(parts[0::2]), len(parts) % 2 == 1
    owner = "/" + "/".join(words[:-1]) if len(parts) > 1 else scope
    if method == "GET" and collection:
        return Asked(f"{namespace}/{types}/read", owner, listed=True)
    if parts[-1].lower() in READ_BY_POST:
        return Asked(f"{namespace}/{types}/read", owner, visible=True)
    if collection and method == "POST":
        return Asked(f"{namespace}/{types}/action", owner)
    return Asked(f"{namespace}/{types}/{_verb(method)}", "/" + "/".join(words))
