"""Leases against the clock, ranges, names, checksums: the rules without HTTP."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.clock import ManualClock
from emulators.kernel.errors import ServiceError
from emulators.storage import errors
from emulators.storage.engine import blobs, containers, leases, listing, naming, sas
from emulators.storage.engine.blobs import Content, Guard
from emulators.storage.engine.crc64 import ONES, Crc64, _short
from emulators.storage.engine.vault import Vault, vault_of
from emulators.storage.store import Blob, Container, Lease
from emulators.storage.wire.bodies import spans
from emulators.storage.wire.reading import range_in
from tests.support import make_context

A, B = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = itertools.count()


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_lease_ends_by_itself() -> None:
    lease = leases.acquire(None, NOW, A, 15)
    assert leases.state(lease, later(14.9)) == "leased"
    assert leases.state(lease, later(15)) == "expired"
    with pytest.raises(errors.LeaseIdMissing):
        leases.check_write(lease, later(14), None, blob=True)
    leases.check_write(lease, later(16), None, blob=True)
    with pytest.raises(errors.LeaseLost):
        leases.check_write(lease, later(16), A, blob=True)
    assert leases.state(leases.renew(lease, later(16), A), later(30)) == "leased"
    assert leases.acquire(lease, later(16), B, -1).id == B
    with pytest.raises(errors.LeaseAlreadyPresent):
        leases.acquire(lease, later(1), B, -1)


def test_a_lease_breaks_after_its_time() -> None:
    lease = leases.acquire(None, NOW, A, 60)
    broken, left_s = leases.break_(lease, later(10), None)
    assert (left_s, leases.state(broken, later(11))) == (50, "breaking")
    sooner, left_s = leases.break_(broken, later(20), 5)
    assert (left_s, leases.state(sooner, later(26))) == (5, "broken")
    same, left_s = leases.break_(sooner, later(22), 60)
    assert left_s == 3, "a break is never put off"
    assert leases.state(same, later(26)) == "broken"
    with pytest.raises(errors.LeaseBrokenNoRenew):
        leases.renew(sooner, later(30), A)
    assert leases.acquire(sooner, later(30), B, 15).id == B
    with pytest.raises(errors.LeaseBreakingNoAcquire):
        leases.acquire(broken, later(11), A, 15)


def test_an_endless_lease_breaks_at_once_unless_told_otherwise() -> None:
    lease = leases.acquire(None, NOW, A, leases.FOREVER)
    assert leases.break_(lease, NOW, None)[1] == 0
    assert leases.break_(lease, NOW, 60)[1] == 60


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["acquire", "renew", "change", "release", "break", "wait"]),
            st.sampled_from([A, B]),
            st.sampled_from([15, 30, 60, -1]),
        ),
        max_size=30,
    )
)
def test_whoever_holds_a_lease_is_alone(
    steps: list[tuple[str, str, int]],
) -> None:
    """After any steps: at most one id writes, and it does while the lease is held."""
    lease: Lease | None = None
    now = NOW
    for action, who, number in steps:
        try:
            if action == "wait":
                now += timedelta(seconds=abs(number))
            elif action == "acquire":
                lease = leases.acquire(lease, now, who, number)
            elif action == "renew":
                lease = leases.renew(lease, now, who)
            elif action == "change":
                lease = leases.change(lease, now, who, A if who == B else B)
            elif action == "release":
                leases.release(lease, who)
                lease = None
            else:
                lease, _ = leases.break_(lease, now, abs(number))
        except ServiceError:
            pass
        writers = [who for who in (A, B) if _may_write(lease, now, who)]
        if leases.is_locked(lease, now):
            assert lease is not None
            assert writers == [lease.id]
            assert not _may_write(lease, now, None)
        else:
            assert writers == []
            assert _may_write(lease, now, None)


def _may_write(lease: Lease | None, now: datetime, who: str | None) -> bool:
    try:
        leases.check_write(lease, now, who, blob=True)
    except ServiceError:
        return False
    return True


@given(size=st.integers(0, 50), first=st.integers(0, 60), last=st.integers(0, 60))
def test_ranges_are_slices(size: int, first: int, last: int) -> None:
    data = bytes(range(size))
    try:
        span = range_in(f"bytes={first}-{last}", size)
    except errors.InvalidRange:
        assert first >= size
        return
    if last < first:
        assert span is None
    else:
        assert span is not None
        assert data[span.start : span.start + span.size] == data[first : last + 1]


@given(text=st.text(max_size=20))
def test_a_range_that_does_not_read_is_no_range(text: str) -> None:
    try:
        range_in(text, 10)
    except errors.InvalidRange:
        assert text.strip().startswith("bytes=")


@given(
    sizes=st.lists(st.integers(1, 9), max_size=8),
    start=st.integers(0, 40),
    size=st.integers(1, 40),
)
def test_spans_cover_a_range_once(sizes: list[int], start: int, size: int) -> None:
    whole, parts, at = b"", [], 0
    files: dict[str, bytes] = {}
    for number, length in enumerate(sizes):
        name, offset = f"f{number}", number % 3
        data = bytes((at + n) % 251 for n in range(length))
        files[name] = b"?" * offset + data + b"?"
        parts.append([name, offset, length, ""])
        whole, at = whole + data, at + length
    pieces = [files[name][offset : offset + n] for name, offset, n in spans(parts, start, size)]
    assert b"".join(pieces) == whole[start : start + size]


@given(pieces=st.lists(st.binary(max_size=40_000), max_size=4))
def test_crc64_does_not_mind_pieces(pieces: list[bytes]) -> None:
    whole, running = b"".join(pieces), Crc64()
    for piece in pieces:
        running.update(piece)
    assert running.value == _short(ONES, whole) ^ ONES


def test_crc64_is_the_published_one() -> None:
    running = Crc64()
    running.update(b"123456789")
    assert running.value == 0xAE8B14860A799888
    assert zlib.crc32(b"123456789") == 0xCBF43926


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2026-01-02", "2026-01-02T00:00:00+00:00"),
        ("2026-01-02T03:04Z", "2026-01-02T03:04:00+00:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05+00:00"),
    ],
)
def test_instants_of_signatures(text: str, want: str) -> None:
    assert sas.moment(text).isoformat() == want


@given(text=st.text(max_size=30))
def test_other_text_is_no_instant(text: str) -> None:
    try:
        sas.moment(text)
    except ValueError:
        return
    assert text[:2].isdigit()


@pytest.mark.parametrize("name", ["abc", "a-b-c", "0" * 63, "$root", "$web"])
def test_container_names(name: str) -> None:
    naming.check_container(name)


@pytest.mark.parametrize(
    "name", ["ab", "-abc", "abc-", "a--b", "Abc", "a_b", "a" * 64, "..", "a/b"]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ServiceError):
        naming.check_container(name)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return vault_of(make_context(tmp_path))


def fill(vault: Vault, names: list[str]) -> Container:
    container = containers.create(vault, "acct", f"c{next(NUMBERS):06}", metadata={})
    for name in names:
        with vault.files.writer() as writer:
            writer.write(name.encode("utf-8", "surrogatepass"))
            written = writer.done()
        blobs.put(vault, container, name, written, Content(), Guard())
    return container


NAMES = st.lists(
    st.text(alphabet=["a", "b", "/", "-", "é", "\U0010ffff", "."], min_size=1, max_size=6),
    unique=True,
    max_size=25,
)


@given(
    names=NAMES,
    prefix=st.text(alphabet="ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "-", "ab"]),
    at_most=st.integers(1, 4),
)
def test_pages_together_are_the_list(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    prefix: str,
    delimiter: str,
    at_most: int,
) -> None:
    """Against a plain model: any prefix, delimiter and page size, nothing twice, nothing left."""
    vault = _shared_vault(tmp_path_factory)
    container = fill(vault, names)
    model: dict[str, None] = {}
    for name in sorted(n for n in names if n.startswith(prefix)):
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        model[f"prefix {name[: cut + len(delimiter)]}" if cut >= 0 else f"blob {name}"] = None
    got, start = [], ""
    while True:
        page = listing.page(vault, container, listing.Query(prefix, start, delimiter, at_most))
        assert len(page.entries) <= at_most
        got += [f"prefix {e}" if isinstance(e, str) else f"blob {e.name}" for e in page.entries]
        start = listing.name_of(listing.marker_of(page.next))
        if not start:
            break
    assert got == list(model)


_VAULTS: list[Vault] = []


def _shared_vault(factory: pytest.TempPathFactory) -> Vault:
    if not _VAULTS:
        _VAULTS.append(vault_of(make_context(factory.mktemp("vault"))))
    return _VAULTS[0]


def test_the_index_follows_what_is_put_and_deleted(vault: Vault) -> None:
    container = fill(vault, ["a", "b", "c"])
    assert [e.name for e in _listed(vault, container)] == ["a", "b", "c"]
    fill_one = fill(vault, [])
    assert _listed(vault, fill_one) == []
    blobs.delete(vault, container, blobs.find(vault, container, "b"))
    assert [e.name for e in _listed(vault, container)] == ["a", "c"]


def test_names_are_read_while_others_change_them(vault: Vault) -> None:
    from threading import Thread

    container = fill(vault, [f"n{n:04}" for n in range(300)])
    reader = Thread(target=vault.index.read, args=(container.id,))
    reader.start()
    wanted = {f"n{n:04}" for n in range(300)}
    for n in range(300):
        if n % 2:
            blobs.delete(vault, container, blobs.find(vault, container, f"n{n:04}"))
            wanted.discard(f"n{n:04}")
        else:
            with vault.files.writer() as writer:
                written = writer.done()
            blobs.put(vault, container, f"m{n:04}", written, Content(), Guard())
            wanted.add(f"m{n:04}")
    reader.join()
    assert [e.name for e in _listed(vault, container)] == sorted(wanted)


def _listed(vault: Vault, container: Container) -> list[Blob]:
    page = listing.page(vault, container, listing.Query())
    return [entry for entry in page.entries if not isinstance(entry, str)]


def test_files_live_as_long_as_somebody_needs_them(vault: Vault) -> None:
    container = fill(vault, ["a"])
    found = blobs.find(vault, container, "a")
    (file,) = blobs.files_of(found)
    kept = blobs.snapshot(vault, found, {})
    blobs.delete(vault, container, found, "only")
    assert vault.files.path(file).exists()
    assert kept.snapshot
    with vault.files.reading(found.parts):
        blobs.delete(vault, container, blobs.find(vault, container, "a"))
        assert vault.files.path(file).exists()
    assert not vault.files.path(file).exists()


def test_deleted_containers_leave_no_file(vault: Vault) -> None:
    container = fill(vault, [f"n{n}" for n in range(30)])
    containers.delete(vault, container)
    for doomed in containers.doomed(vault):
        for _ in containers.purge(vault, doomed, step=7):
            pass
    vault.files.close()
    assert list(vault.files.blobs.keys()) == []


def test_what_a_killed_process_wrote_and_nobody_knows_is_removed(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    vault = vault_of(ctx)
    container = fill(vault, ["a"])
    with vault.files.writer() as writer:
        writer.write(b"never acknowledged")
        orphan = writer.done()
    again = Vault(ctx)
    again.files.open()
    assert not again.files.path(orphan.file).exists()
    (file,) = blobs.files_of(blobs.find(again, container, "a"))
    assert again.files.path(file).read_bytes() == b"a"


def test_a_writer_that_is_left_leaves_nothing(vault: Vault) -> None:
    with vault.files.writer() as writer:
        writer.write(b"some")
    assert list(vault.files.blobs.keys()) == []
    assert list((vault.ctx.state / "storage" / "partial").iterdir()) == []


def test_leases_follow_the_virtual_clock(tmp_path: Path) -> None:
    clock = ManualClock()
    vault = vault_of(make_context(tmp_path, clock=clock))
    container = fill(vault, ["a"])
    found = blobs.find(vault, container, "a")
    taken = leases.acquire(None, clock.now(), A, 15)
    blobs.change(vault, found, version=False, lease=leases.dump(taken))
    with pytest.raises(errors.LeaseIdMissing):
        blobs.for_change(vault, container, "a", Guard())
    asyncio.run(clock.advance(15))
    changed = blobs.set_metadata(vault, blobs.for_change(vault, container, "a", Guard()), {})
    assert changed.lease is None, "a write after its end forgets the lease"
