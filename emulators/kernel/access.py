"""Who may do what: role assignments as grants by principal, and the decision over them.

The resource manager writes the grants; every service asks. Nothing here knows what a role is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from emulators.kernel.clock import Clock
from emulators.kernel.errors import Forbidden
from emulators.kernel.peers import SYSTEM_OBJECT
from emulators.kernel.store import Store, Table
from emulators.kernel.tokens import Principal

RUN = "runid"
"""Claim of a job's own token; it opens the job's workspace and nothing else."""
RUN_SCOPE = "run_scope"
"""Claim with the ARM id of that workspace."""
KEPT = 4096  # decisions remembered for one principal
FRESH_S = 2.0
"""How old a remembered grant may be: what another process changed is seen after this."""


class AuthorizationFailed(Forbidden):
    """The caller's roles do not allow it; ARM's wording."""

    def __init__(self, principal: Principal, action: str, scope: str) -> None:
        super().__init__(
            f"The client '{principal.app_id or principal.object_id}' with object id"
            f" '{principal.object_id}' does not have authorization to perform action"
            f" '{action}' over scope '{scope}' or the scope is invalid. If access was recently"
            " granted, please refresh your credentials."
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """What one role assignment allows; patterns with `*`, as roles are written."""

    principal: str  # object id
    id: str  # of the assignment, in lower case
    scope: str  # ARM id in lower case, without a slash at its end
    actions: list[str]
    not_actions: list[str] = field(default_factory=list)
    data_actions: list[str] = field(default_factory=list)
    not_data_actions: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Decider:
    """Says that somebody keeps grants here. Without one nothing is refused for want of a role."""

    name: str


GRANTS = Table("kernel_grants", Grant, key=("principal", "id"))
DECIDERS = Table("kernel_deciders", Decider, key=("name",))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants to do.

    `data`: an action on data, which roles list apart. `listed`: the answer is a list, which a
    caller without the right over all of it still gets for those parts that it may see.
    `visible`: any role at all above, at or below the scope is enough.
    """

    action: str  # such as Microsoft.MachineLearningServices/workspaces/models/read
    scope: str  # ARM id
    data: bool = False
    listed: bool = False
    visible: bool = False


class _Known:
    """One principal's grants, ready to be matched, and what was decided by them."""

    def __init__(self, grants: Iterable[Grant], until: float) -> None:
        self.until = until
        self.rules = [
            (
                grant.scope,
                (_pattern(grant.actions), _pattern(grant.not_actions)),
                (_pattern(grant.data_actions), _pattern(grant.not_data_actions)),
            )
            for grant in grants
        ]
        self.decided: dict[tuple[str, str, bool], bool] = {}

    def allows(self, action: str, scope: str, data: bool) -> bool:
        key = (action, scope, data)
        found = self.decided.get(key)
        if found is None:
            if len(self.decided) >= KEPT:
                self.decided.clear()
            found = self.decided[key] = self._decide(action.lower(), scope.lower(), data)
        return found

    def _decide(self, action: str, scope: str, data: bool) -> bool:
        for where, plain, on_data in self.rules:
            yes, no = on_data if data else plain
            if _within(scope, where) and yes.fullmatch(action) and not no.fullmatch(action):
                return True
        return False

    def touches(self, scope: str) -> bool:
        """Whether any grant is above, at or below the scope."""
        lower = scope.lower()
        return any(_within(lower, where) or _within(where, lower) for where, _, _ in self.rules)


def _within(scope: str, where: str) -> bool:
    return scope == where or scope.startswith(f"{where}/")


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    """One expression for all patterns; without any it matches nothing.

    Assumed: `a/*/read` means `a/read`, too. Azure's own roles are written so: that of the data
    scientist has `workspaces/*/write` and takes `workspaces/write` out.
    """
    parts = [
        "/(?:.*/)?".join(
            ".*".join(map(re.escape, part.split("*"))) for part in word.lower().split("/*/")
        )
        for word in words
    ]
    return re.compile("|".join(parts) if parts else r"(?!)", re.DOTALL)


class Access:
    """Decides by the grants in the store, and remembers for as long as they do not change."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._known: dict[str, _Known] = {}
        self._decides = False

    def begin(self, name: str) -> None:
        """Note that `name` keeps grants from now on, so that they decide."""
        self._store.put(DECIDERS, Decider(name))

    def give(self, grant: Grant) -> None:
        """Keep a grant; it counts at once."""
        self._store.put(GRANTS, grant)
        self._known.pop(grant.principal, None)

    def take(self, principal: str, assignment: str) -> None:
        """Drop a grant; it counts no more from now on."""
        self._store.delete(GRANTS, principal, assignment.lower())
        self._known.pop(principal, None)

    def forget(self) -> None:
        """Read every grant anew, as after the store was replaced."""
        self._known.clear()
        self._decides = False

    def may(self, principal: Principal, asked: Asked) -> bool:
        """Whether the principal's roles, or what it is, allow what is asked."""
        if principal.object_id == SYSTEM_OBJECT or not self._decided():
            return True
        if RUN in principal.claims and RUN_SCOPE in principal.claims:
            return _within(asked.scope.lower(), str(principal.claims[RUN_SCOPE]).lower())
        known = self._of(principal.object_id)
        if asked.visible:
            return known.touches(asked.scope)
        return known.allows(asked.action, asked.scope, asked.data)

    def sees_some(self, principal: Principal, asked: Asked) -> bool:
        """Whether a list may hold something that the principal may see."""
        return self.may(principal, Asked(asked.action, asked.scope, visible=True))

    def check(self, principal: Principal, asked: Asked) -> None:
        """Let pass what the principal may do.

        Raises:
            AuthorizationFailed: it may not.
        """
        if not self.may(principal, asked):
            raise AuthorizationFailed(principal, asked.action, asked.scope)

    def _decided(self) -> bool:
        if not self._decides:
            self._decides = next(iter(self._store.scan(DECIDERS)), None) is not None
        return self._decides

    def _of(self, object_id: str) -> _Known:
        now = self._clock.monotonic()
        known = self._known.get(object_id)
        if known is None or now > known.until:
            if len(self._known) >= KEPT:
                self._known.clear()
            grants = list(self._store.scan(GRANTS, object_id))
            known = self._known[object_id] = _Known(grants, now + FRESH_S)
        return known
