"""Virtual time: waits are skipped, real work is waited for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from emulators.kernel.virtual import VirtualTime


def test_hours_pass_in_no_time_and_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, clock.monotonic()))

    async def main() -> None:
        await asyncio.gather(sleeper("b", 7200), sleeper("a", 3600), sleeper("c", 7200.5))

    began = time.perf_counter()
    with VirtualTime() as virtual:
        clock = virtual.clock
        zero = clock.now()
        virtual.run(main())
        assert [name for name, _ in seen] == ["a", "b", "c"]
        assert (clock.now() - zero).total_seconds() == pytest.approx(7200.5)
    assert time.perf_counter() - began < 1


def test_a_thread_is_waited_for_however_long_it_takes() -> None:
    async def main() -> bool:
        work = asyncio.create_task(asyncio.to_thread(time.sleep, 0.2))
        done, _ = await asyncio.wait({work}, timeout=3600)
        return bool(done)

    with VirtualTime() as virtual:
        assert virtual.run(main())
        assert virtual.clock.monotonic() < 3600


def test_a_timeout_of_a_library_is_skipped_too() -> None:
    async def main() -> None:
        async with asyncio.timeout(900):
            await asyncio.Event().wait()

    with VirtualTime() as virtual:
        with pytest.raises(TimeoutError):
            virtual.run(main())
        assert virtual.clock.monotonic() == pytest.approx(900)


def test_a_socket_that_will_speak_is_waited_for_and_a_silent_one_not_for_ever() -> None:
    near, far = socket.socketpair()
    near.setblocking(False)

    async def read() -> bytes:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(60):
            return await loop.sock_recv(near, 10)

    with near, far, VirtualTime(patience_s=0.5) as virtual:
        threading.Timer(0.1, far.send, (b"here",)).start()
        assert virtual.run(read()) == b"here"
        assert virtual.clock.monotonic() == 0
        with pytest.raises(TimeoutError):
            virtual.run(read())
        assert virtual.clock.monotonic() == pytest.approx(60)


def test_a_listening_socket_holds_nothing_up() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        await asyncio.sleep(86400)
        server.close()

    began = time.perf_counter()
    with VirtualTime() as virtual:
        virtual.run(main())
    assert time.perf_counter() - began < 0.9
