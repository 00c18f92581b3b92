"""Grants decide: patterns, scopes, lists, the marks of the system and of jobs, and forgetting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.access import Access, Asked, AuthorizationFailed, Grant
from emulators.kernel.actions import of_arm
from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from emulators.kernel.peers import SYSTEM_OBJECT
from emulators.kernel.store_memory import MemoryStore
from emulators.kernel.tokens import Principal
from tests.support import make_context

SUB = "/subscriptions/s"
WS = f"{SUB}/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
ML = "Microsoft.MachineLearningServices/workspaces"


def who(object_id: str = "o", **claims: str) -> Principal:
    return Principal(object_id, "app", "tenant", "aud", claims)


@pytest.fixture
def access() -> Access:
    made = Access(MemoryStore(), ManualClock())
    made.begin("test")
    return made


def give(access: Access, scope: str, *actions: str, **more: list[str]) -> None:
    access.give(Grant("o", f"{scope}{actions}".lower(), scope.lower(), list(actions), **more))


def test_without_a_decider_everything_is_allowed() -> None:
    assert Access(MemoryStore(), ManualClock()).may(who(), Asked("A/write", SUB))


def test_a_grant_holds_at_its_scope_and_below(access: Access) -> None:
    give(access, f"{SUB}/resourceGroups/g", "*/read")
    assert access.may(who(), Asked(f"{ML}/models/read", WS))
    assert access.may(who(), Asked(f"{ML}/models/read", WS.upper()))
    assert not access.may(who(), Asked(f"{ML}/models/write", WS))
    assert not access.may(who(), Asked("A/read", SUB))
    assert not access.may(who(), Asked("A/read", f"{SUB}/resourceGroups/gg"))
    assert not access.may(who("other"), Asked(f"{ML}/models/read", WS))


def test_what_is_taken_out_of_a_role_stays_out(access: Access) -> None:
    give(access, SUB, "*", not_actions=["Microsoft.Authorization/*/Write"])
    assert access.may(who(), Asked("Microsoft.Storage/x/write", SUB))
    asked = Asked("Microsoft.Authorization/roleAssignments/write", SUB)
    assert not access.may(who(), asked)
    give(access, SUB, "Microsoft.Authorization/*")  # another role may bring it back
    assert access.may(who(), asked)


def test_a_star_between_slashes_may_stand_for_nothing(access: Access) -> None:
    give(access, WS, f"{ML}/*/read", f"{ML}/*/write", not_actions=[f"{ML}/write"])
    assert access.may(who(), Asked(f"{ML}/read", WS))
    assert access.may(who(), Asked(f"{ML}/models/versions/read", WS))
    assert access.may(who(), Asked(f"{ML}/models/write", WS))
    assert not access.may(who(), Asked(f"{ML}/write", WS))
    assert not access.may(who(), Asked(f"{ML}read", WS))


def test_data_is_apart(access: Access) -> None:
    give(access, SUB, "*")
    assert not access.may(who(), Asked("B/blobs/read", SUB, data=True))
    give(access, SUB, "x", data_actions=["B/blobs/*"])
    assert access.may(who(), Asked("B/blobs/read", SUB, data=True))
    assert not access.may(who(), Asked("B/other/read", SUB, data=True))


def test_a_refusal_says_who_what_and_where(access: Access) -> None:
    with pytest.raises(AuthorizationFailed) as refused:
        access.check(who(), Asked(f"{ML}/write", WS))
    assert refused.value.status == 403
    assert refused.value.code == "AuthorizationFailed"
    for said in ("'app'", "'o'", f"'{ML}/write'", f"'{WS}'"):
        assert said in refused.value.message


def test_changes_count_at_once_and_others_soon() -> None:
    store, clock = MemoryStore(), ManualClock()
    here, there = Access(store, clock), Access(store, clock)
    here.begin("test")
    asked = Asked("A/write", SUB)
    assert not there.may(who(), asked)
    grant = Grant("o", "1", SUB, ["*"])
    here.give(grant)
    assert here.may(who(), asked)
    asyncio.run(clock.advance(3))
    assert there.may(who(), asked)
    here.take("o", "1")
    assert not here.may(who(), asked)


def test_the_system_may_and_a_run_may_in_its_workspace(access: Access) -> None:
    assert access.may(who(SYSTEM_OBJECT), Asked("A/delete", SUB))
    run = who("nobody", runid="job", run_scope=WS)
    assert access.may(run, Asked(f"{ML}/experiments/runs/write", f"{WS}/experiments/e"))
    assert not access.may(run, Asked(f"{ML}/models/read", f"{WS}2"))


def test_any_role_makes_visible(access: Access) -> None:
    assert not access.may(who(), Asked("x", SUB, visible=True))
    give(access, WS, "nothing/read")
    assert access.may(who(), Asked("x", SUB, visible=True))
    assert access.may(who(), Asked("x", f"{WS}/models/m", visible=True))


@pytest.mark.parametrize(
    ("method", "path", "action", "scope"),
    [
        ("GET", WS, f"{ML}/read", WS),
        ("PUT", f"{WS}/models/m/versions/1", f"{ML}/models/versions/write", None),
        ("DELETE", f"{WS}/computes/c", f"{ML}/computes/delete", None),
        ("PATCH", WS, f"{ML}/write", WS),
        ("POST", f"{WS}/listKeys", f"{ML}/listKeys/action", WS),
        ("POST", f"{WS}/datastores/d/listSecrets", f"{ML}/datastores/listSecrets/action",
         f"{WS}/datastores/d"),
        ("GET", f"{WS}/models", f"{ML}/models/read", WS),
        ("GET", f"{SUB}/resourceGroups/g/providers/A.B/c", "A.B/c/read",
         f"{SUB}/resourceGroups/g"),
        ("GET", f"{SUB}/resourcegroups", "Microsoft.Resources/subscriptions/resourceGroups/read",
         SUB),
        ("PUT", f"{SUB}/resourceGroups/g",
         "Microsoft.Resources/subscriptions/resourceGroups/write", f"{SUB}/resourceGroups/g"),
        ("PUT", f"{WS}/providers/Microsoft.Authorization/roleAssignments/1",
         "Microsoft.Authorization/roleAssignments/write", None),
        ("POST", f"{SUB}/providers/A.B/register", "A.B/register/action", SUB),
    ],
)  # fmt: skip
def test_requests_are_the_actions_that_azure_names(
    method: str, path: str, action: str, scope: str | None
) -> None:
    asked = of_arm(method, path)
    assert asked is not None
    assert (asked.action, asked.scope) == (action, scope or path)


def test_some_requests_need_no_role() -> None:
    for path in ("/subscriptions", "/tenants", "/providers/A.B", f"{SUB}/operationresults/1"):
        assert of_arm("GET", path) is None
    assert of_arm("GET", f"{SUB}/providers/A.B/locations/eastus/statuses/1") is None


def test_only_a_context_of_its_own_decides(tmp_path: Path) -> None:
    ctx: Context = make_context(tmp_path)
    ctx.access.begin("arm")
    assert not ctx.access.may(who(), Asked("A/read", SUB))


@given(st.lists(st.sampled_from([*"aA*/.+", "read", "é"]), max_size=8).map("".join))
def test_patterns_match_themselves_and_never_fail(word: str) -> None:
    access = Access(MemoryStore(), ManualClock())
    access.begin("test")
    give(access, SUB, word)
    asked = word.replace("*", "x")
    assert access.may(who(), Asked(asked, SUB))
    if "*" not in word:
        assert not access.may(who(), Asked(f"{asked}x", SUB))


@given(st.text(max_size=60), st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]))
def test_any_path_is_read(rest: str, method: str) -> None:
    of_arm(method, f"/subscriptions/s/{rest}")
