"""Clock, ids, secrets, faults, ledger and blobs: each by itself."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.blobs import Blobs
from emulators.kernel.clock import ManualClock, RealClock
from emulators.kernel.faults import FAULTS, Fault, Faults
from emulators.kernel.ids import Ids, same_secret
from emulators.kernel.ledger import FLUSH_AT, Ledger
from emulators.kernel.secrets import Secrets
from emulators.kernel.store_memory import MemoryStore


def test_sleepers_wake_in_order_each_at_its_own_instant() -> None:
    clock, woken = ManualClock(), []

    async def sleeper(name: str, seconds: float, again: float = 0) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))
        if again:
            await clock.sleep(again)
            woken.append((name, clock.monotonic()))

    async def go() -> None:
        tasks = [
            asyncio.ensure_future(one)
            for one in (sleeper("b", 20), sleeper("a", 10, 15), sleeper("c", 100), sleeper("z", 0))
        ]
        await clock.advance(50)
        assert woken == [("z", 0), ("a", 10), ("b", 20), ("a", 25)], woken
        assert clock.now() - datetime(2026, 1, 1, tzinfo=UTC) == timedelta(seconds=50)
        await clock.advance(50)
        await asyncio.gather(*tasks)
        assert woken[-1] == ("c", 100)

    asyncio.run(go())


def test_a_cancelled_sleeper_is_passed_over() -> None:
    clock = ManualClock()

    async def go() -> None:
        task = asyncio.ensure_future(clock.sleep(5))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clock.advance(10)
        assert clock.monotonic() == 10

    asyncio.run(go())


def test_scaled_time_runs_ahead_and_sleeps_less() -> None:
    clock = RealClock(3600)
    before, started = clock.now(), clock.monotonic()
    asyncio.run(clock.sleep(36))  # a hundredth of a second
    assert clock.monotonic() - started >= 36
    assert clock.now() - before >= timedelta(seconds=36)
    with pytest.raises(ValueError, match="positive"):
        RealClock(0)


def test_ids_have_their_forms_and_repeat_under_a_seed() -> None:
    guid = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
    for ids in (Ids(), Ids(7)):
        assert guid.match(ids.guid())
        assert re.fullmatch(r"[0-9a-f]{12}", ids.hex(12))
        assert re.fullmatch(r"[\w-]{43}", ids.token())
    assert [Ids(7).guid() for _ in range(2)] == [Ids(7).guid() for _ in range(2)]
    assert Ids().guid() != Ids().guid()


@given(st.text(max_size=10), st.text(max_size=10))
def test_secrets_compare_as_texts(one: str, other: str) -> None:
    assert same_secret(one, other) is (one == other)
    assert same_secret(one, one)


def test_secrets_are_kept_by_the_owner_alone(tmp_path: Path) -> None:
    made = Secrets.open(tmp_path)
    tenant, key = made.tenant_id, made.key("storage/a/key1")
    path = tmp_path / "secrets.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.partial"))
    again = Secrets.open(tmp_path)
    assert (again.tenant_id, again.key("storage/a/key1")) == (tenant, key)
    assert again.regenerate_key("storage/a/key1") != key
    again.forget("key/storage/a/")
    assert "key/storage/a/key1" not in json.loads(path.read_text())
    reader = Secrets.open(tmp_path, read_only=True)
    assert reader.tenant_id == tenant
    with pytest.raises(PermissionError):
        reader.token("new")


def test_threads_agree_on_a_secret(tmp_path: Path) -> None:
    made, seen = Secrets.open(tmp_path), set()
    threads = [threading.Thread(target=lambda: seen.add(made.token("x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 1


def faults(store: MemoryStore | None = None, seed: int = 1) -> Faults:
    return Faults(store or MemoryStore(), Ids(seed))


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        (Fault("f"), True),
        (Fault("f", host="*.azure.com"), True),
        (Fault("f", host="*.WINDOWS.net"), False),
        (Fault("f", path="/SUBSCRIPTIONS/*"), True),
        (Fault("f", path="/other"), False),
        (Fault("f", method="PUT"), False),
        (Fault("f", method="GET"), True),
        (Fault("f", method="get"), True),
        (Fault("f", rate=0.0), False),
        (Fault("f", count=0), False),
    ],
)
def test_what_a_fault_strikes(fault: Fault, hit: bool) -> None:
    rules = faults()
    rules.add(fault)
    found = rules.hit("management.azure.com", "GET", "/subscriptions/X")
    assert (found == fault) is hit


def test_a_count_is_kept_across_a_restart_and_runs_out() -> None:
    store = MemoryStore()
    faults(store).add(Fault("f", count=3))
    assert faults(store).hit("h", "GET", "/")
    again = faults(store)
    assert [bool(again.hit("h", "GET", "/")) for _ in range(4)] == [True, True, False, False]
    assert list(store.scan(FAULTS)) == []


def test_a_rate_is_about_kept_and_repeats_under_a_seed() -> None:
    def struck(seed: int) -> list[bool]:
        rules = faults(seed=seed)
        rules.add(Fault("f", rate=0.3))
        return [bool(rules.hit("h", "GET", "/")) for _ in range(1000)]

    assert struck(1) == struck(1)
    assert 230 < sum(struck(1)) < 370


def test_faults_are_lifted_one_or_all() -> None:
    rules = faults()
    for name in "abc":
        rules.add(Fault(name))
    assert rules.clear("b") == 1
    assert [f.id for f in rules.all()] == ["a", "c"]
    assert rules.clear() == 2
    assert rules.hit("h", "GET", "/") is None


def test_the_ledger_keeps_order_and_outlives_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    made = Ledger(tmp_path / "l.db", clock)
    for number in range(FLUSH_AT + 5):
        made.record("request", n=number)
    made.record("refusal", what="moving")
    made.close()
    again = Ledger(tmp_path / "l.db", clock)
    found = list(again.entries(limit=10_000))
    assert [e.fields.get("n") for e in found[:-1]] == list(range(FLUSH_AT + 5))
    assert [e.number for e in found] == sorted(e.number for e in found)
    assert found[0].at == clock.now()
    assert again.refusals == {"moving": 1}
    assert [e.kind for e in again.entries(kind="refusal")] == ["refusal"]
    tail = list(again.entries(after=found[-3].number, limit=1))
    assert [e.number for e in tail] == [found[-2].number]
    again.reset()
    assert list(again.entries()) == []
    again.close()


def test_the_ledger_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulators.kernel.ledger.KEPT", 50)
    made = Ledger(tmp_path / "l.db", ManualClock())
    for number in range(500):
        made.record("x", n=number)
    assert [e.fields["n"] for e in made.entries()] == list(range(450, 500))
    made.close()


def test_the_ledger_takes_whatever_is_noted(tmp_path: Path) -> None:
    """A note must never be what makes a request fail."""
    made = Ledger(tmp_path / "l.db", ManualClock())
    made.record("x", path=tmp_path, odd="\ud800", big=2**70, raw=b"\xff", nested={1: {2}})
    assert len(list(made.entries())) == 1
    made.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs", durable=True)


def test_blobs_are_whole_or_not_there(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put("k-1", b"old")
    with pytest.raises(RuntimeError), blobs.create("k-1") as file:  # noqa: PT012
        file.write(b"half")
        raise RuntimeError
    assert blobs.get("k-1") == b"old"
    with blobs.create("k-1") as file:
        file.write(b"new")
        assert blobs.get("k-1") == b"old"
    assert blobs.get("k-1") == b"new"
    assert list((tmp_path / "blobs" / "partial").iterdir()) == []
    assert list(blobs.keys()) == ["k-1"]
    blobs.delete("k-1")
    blobs.delete("k-1")
    assert blobs.get("k-1") is None


def test_two_writers_of_one_key_do_not_mix(blobs: Blobs) -> None:
    with blobs.create("same") as one, blobs.create("same") as other:
        one.write(b"a" * 10)
        other.write(b"b" * 10)
        one.write(b"a" * 10)
    assert blobs.get("same") in (b"a" * 20, b"b" * 10)


def test_an_open_reader_keeps_its_bytes(blobs: Blobs) -> None:
    blobs.put("k", b"first")
    with blobs.path("k").open("rb") as reader:
        blobs.put("k", b"second")
        blobs.delete("k")
        assert reader.read() == b"first"


def test_a_killed_writer_s_rest_is_swept(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "blobs" / "partial" / "x").write_bytes(b"half")
    blobs.put("kept", b"1")
    blobs.sweep()
    assert list((tmp_path / "blobs" / "partial").iterdir()) == []
    assert blobs.get("kept") == b"1"
    blobs.reset()
    assert list(blobs.keys()) == []
    blobs.put("again", b"2")


@pytest.mark.parametrize(
    "key", ["", ".", "..", "../x", "a/b", "a\\b", "a\x00", "a b", "/etc/x", "-", "__"]
)
def test_no_key_leaves_the_folder(blobs: Blobs, key: str) -> None:
    with pytest.raises(ValueError, match="blob key"):
        blobs.get(key)


@given(st.text(max_size=12))
def test_any_key_stays_in_the_folder_or_is_refused(key: str) -> None:
    folder = Path("/nowhere")
    made = Blobs.__new__(Blobs)
    made._folder = folder
    try:
        path = made.path(key)
    except ValueError:
        return
    assert folder in path.parents
    assert ".." not in path.parts
