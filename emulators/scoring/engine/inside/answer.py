"""Answers of the inference server: headers, and the response class that scripts may return."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

JSON = "application/json"
HTML = "text/html; charset=utf-8"
RUN_FAILED = "x-ms-run-function-failed"


class Reply(NamedTuple):
    """What goes into the response frame: `head` is header lines, each ended by CRLF."""

    status: int
    head: bytes
    body: bytes


class Headers:
    """Response headers in order, looked up in any case."""

    def __init__(self, pairs: Any = ()) -> None:
        self._pairs: List[Tuple[str, str]] = []
        for name, value in pairs:
            self.add(name, value)

    def add(self, name: str, value: Any) -> None:
        """Append one.

        Raises:
            ValueError: the value has a line end, which would make further headers.
        """
        text = str(value)
        if "\r" in text or "\n" in text or "\r" in name or "\n" in name:
            raise ValueError("Header values must not contain newline characters.")
        self._pairs.append((name, text))

    add_header = add

    def get(self, name: str, default: Any = None) -> Any:
        return next((v for n, v in self._pairs if n.lower() == name.lower()), default)

    def getlist(self, name: str) -> List[str]:
        return [v for n, v in self._pairs if n.lower() == name.lower()]

    def remove(self, name: str) -> None:
        self._pairs = [(n, v) for n, v in self._pairs if n.lower() != name.lower()]

    def set(self, name: str, value: Any) -> None:
        self.remove(name)
        self.add(name, value)

    __setitem__ = set

    def __getitem__(self, name: str) -> str:
        found = self.getlist(name)
        if not found:
            raise KeyError(name)
        return found[0]

    def __delitem__(self, name: str) -> None:
        self.remove(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.getlist(name))

    def __iter__(self) -> Iterator[Tuple[str, str]]:
        return iter(list(self._pairs))

    def __len__(self) -> int:
        return len(self._pairs)

    def items(self) -> List[Tuple[str, str]]:
        return list(self._pairs)

    def keys(self) -> List[str]:
        return [name for name, _ in self._pairs]


class Response:
    """A response a script may build: the part of Flask's that scoring scripts use."""

    def __init__(
        self,
        response: Any = None,
        status: Any = 200,
        headers: Any = None,
        mimetype: Optional[str] = None,
        content_type: Optional[str] = None,
    ) -> None:
        self.status_code = int(str(status).split()[0])
        self.data = _as_bytes(response)
        self.headers = Headers()
        self.headers.add("Content-Type", content_type or _content_type(mimetype))
        for name, value in headers.items() if hasattr(headers, "items") else headers or ():
            self.headers.set(name, value)

    @property
    def content_type(self) -> Optional[str]:
        value: Optional[str] = self.headers.get("Content-Type")
        return value

    @content_type.setter
    def content_type(self, value: str) -> None:
        self.headers.set("Content-Type", value)

    @property
    def mimetype(self) -> str:
        return (self.content_type or "").partition(";")[0].strip()

    @mimetype.setter
    def mimetype(self, value: str) -> None:
        self.headers.set("Content-Type", _content_type(value))

    def get_data(self, as_text: bool = False) -> Any:
        return self.data.decode("utf-8") if as_text else self.data

    def set_data(self, value: Any) -> None:
        self.data = _as_bytes(value)


class AMLResponse(Response):
    """The response class of the server's own API."""

    def __init__(
        self,
        message: Any,
        status_code: Any,
        response_headers: Optional[Dict[str, str]] = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        given = response_headers or {}
        if message is None or json_str:
            text = json.dumps({} if message is None else message)
            super().__init__(text, status_code, mimetype=JSON)
        else:
            super().__init__(message, status_code)
            if "Content-Type" in given:
                self.headers.remove("Content-Type")
        self.headers.set(RUN_FAILED, run_function_failed)
        for name, value in given.items():
            for part in value.split(","):  # a comma separates repeated headers
                self.headers.add(name, part.strip())


def _as_bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return b"".join(_as_bytes(part) for part in value)


def _content_type(mimetype: Optional[str]) -> str:
    kind = mimetype or "text/html"
    charset = kind.startswith("text/") or kind in ("application/xml", "application/javascript")
    return f"{kind}; charset=utf-8" if charset else kind


def error(status: int, message: str, run_failed: bool = False) -> AMLResponse:
    """An error the server answers with itself."""
    return AMLResponse({"message": message}, status, json_str=True, run_function_failed=run_failed)


def is_flask(value: Any) -> bool:
    """True for a response of the real Flask, when the environment has it."""
    import sys

    flask = sys.modules.get("flask")
    return flask is not None and isinstance(value, flask.Response)


def encode(status: int, headers: Any, body: bytes) -> Reply:
    """Write header lines for the frame; the server in front adds the length."""
    lines = [f"{name}: {value}\r\n" for name, value in headers if name.lower() != "content-length"]
    return Reply(status, "".join(lines).encode("latin-1", "replace"), body)
