"""Frames survive any cutting of the stream, and what is no frame is refused, never misread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.frames import HEADER, MAX_HEAD_BYTES, BadFrame, Frame, FrameReader, encode

FRAMES = st.builds(
    Frame,
    kind=st.integers(1, 4),
    id=st.integers(0, 2**32 - 1),
    status=st.integers(0, 65535),
    head=st.binary(max_size=60),
    body=st.binary(max_size=300),
)


def _cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    pieces = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


@given(st.lists(FRAMES, max_size=8), st.data())
def test_frames_survive_any_chunking(sent: list[Frame], data: st.DataObject) -> None:
    reader, got = FrameReader(), []
    for piece in _cut(data, b"".join(encode(*frame) for frame in sent)):
        got += reader.feed(piece)
    assert got == sent
    assert reader.pending == 0


@given(st.lists(FRAMES, min_size=1, max_size=3), st.binary(max_size=80), st.data())
def test_any_bytes_give_frames_a_wait_or_bad_frame(
    sent: list[Frame], garbage: bytes, data: st.DataObject
) -> None:
    stream = bytearray(b"".join(encode(*frame) for frame in sent) + garbage)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at] = data.draw(st.integers(0, 255))
    reader = FrameReader()
    try:
        for piece in _cut(data, bytes(stream)):
            for frame in reader.feed(piece):
                assert 1 <= frame.kind <= 4
    except BadFrame:
        pass


def test_a_head_too_large_is_refused_before_it_is_buffered() -> None:
    reader = FrameReader()
    with pytest.raises(BadFrame):
        reader.feed(HEADER.pack(MAX_HEAD_BYTES + 1, 0, 1, 1, 0, 0) + b"x")
    with pytest.raises(BadFrame):
        encode(1, 1, 0, b"h" * (MAX_HEAD_BYTES + 1), b"")


def test_a_large_body_in_small_pieces_is_one_frame() -> None:
    body = bytes(range(256)) * 8000
    stream = encode(2, 7, 200, b"a: b\r\n", body)
    reader, got = FrameReader(), []
    for at in range(0, len(stream), 65536):
        got += reader.feed(stream[at : at + 65536])
    assert got == [Frame(2, 7, 200, b"a: b\r\n", body)]
