"""One request as a scoring script sees it: the common surface of a Flask request, without Flask."""

from __future__ import annotations

import io
import json
from typing import Any, Dict, Iterator, List, Optional, Tuple
from urllib.parse import parse_qsl, unquote

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class Headers:
    """Request headers: looked up in any case, listed as WSGI names them (`X-Request-Id`)."""

    __slots__ = ("lower",)

    def __init__(self, lines: List[str]) -> None:
        items: Dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            key = name.lower()
            if "_" in key:
                continue  # gunicorn drops them: X_Y and X-Y would be one WSGI variable
            items[key] = f"{items[key]},{value}" if key in items else value
        self.lower = items

    def get(self, name: str, default: Any = None, type: Any = None) -> Any:
        value = self.lower.get(name.lower())
        if value is None:
            return default
        try:
            return type(value) if type else value
        except ValueError:
            return default

    def __getitem__(self, name: str) -> str:
        return self.lower[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.lower

    def __iter__(self) -> Iterator[Tuple[str, str]]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self.lower)

    def keys(self) -> List[str]:
        return [name.title() for name in self.lower]

    def values(self) -> List[str]:
        return list(self.lower.values())

    def items(self) -> List[Tuple[str, str]]:
        return [(name.title(), value) for name, value in self.lower.items()]

    def getlist(self, name: str) -> List[str]:
        return [self.lower[name.lower()]] if name in self else []

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\r\n" for name, value in self.items()) + "\r\n"


class MultiDict(Dict[str, Any]):
    """A dict that remembers every value of a key; plain lookups give the first."""

    def __init__(self, pairs: Any = ()) -> None:
        super().__init__()
        self._lists: Dict[str, List[Any]] = {}
        for key, value in pairs:
            self._lists.setdefault(key, []).append(value)
            self.setdefault(key, value)

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:
        if key not in self:
            return default
        try:
            return type(self[key]) if type else self[key]
        except ValueError:
            return default

    def getlist(self, key: str) -> List[Any]:
        return list(self._lists.get(key, ()))

    def lists(self) -> Any:
        return self._lists.items()

    def to_dict(self, flat: bool = True) -> Dict[str, Any]:
        return dict(self) if flat else {key: list(values) for key, values in self._lists.items()}


class File:
    """One uploaded file of a multipart form."""

    def __init__(self, name: str, filename: str, content_type: str, content: bytes) -> None:
        self.name, self.filename = name, filename
        self.content_type = self.mimetype = content_type
        self.stream = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self.stream.read(size)

    def save(self, target: Any) -> None:
        if hasattr(target, "write"):
            target.write(self.stream.read())
        else:
            with open(target, "wb") as file:
                file.write(self.stream.read())


class BadRequestBody(Exception):
    """get_json() could not read the body; the answer's status is `code`."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code, self.description = code, description


class Request:
    """A request read from one frame; everything is read on demand."""

    def __init__(self, head: bytes, body: bytes) -> None:
        lines = head.decode("latin-1").split("\n")
        self.method, _, self.target = lines[0].partition(" ")
        path, _, query = self.target.partition("?")
        self.path = unquote(path) if "%" in path else path
        self.query_string = query.encode("latin-1")
        self.headers = Headers(lines[1:])
        self.body = body
        self.logged = False
        self._args: Optional[MultiDict] = None
        self._form: Optional[Tuple[MultiDict, MultiDict]] = None

    @property
    def args(self) -> MultiDict:
        """Query parameters, blank ones kept."""
        if self._args is None:
            query = self.query_string.decode("latin-1")
            self._args = MultiDict(parse_qsl(query, keep_blank_values=True, errors="replace"))
        return self._args

    @property
    def content_type(self) -> Optional[str]:
        value: Optional[str] = self.headers.get("content-type")
        return value

    @property
    def mimetype(self) -> str:
        return (self.content_type or "").partition(";")[0].strip().lower()

    @property
    def mimetype_params(self) -> Dict[str, str]:
        parts = (self.content_type or "").split(";")[1:]
        pairs = (part.strip().partition("=") for part in parts)
        return {name.lower(): value.strip('"') for name, _, value in pairs if name}

    @property
    def content_length(self) -> Optional[int]:
        value = self.headers.get("content-length", type=int)
        return None if value is None else int(value)

    @property
    def is_json(self) -> bool:
        kind = self.mimetype
        return kind == "application/json" or (
            kind.startswith("application/") and kind.endswith("+json")
        )

    @property
    def data(self) -> bytes:
        """The body; empty for forms, whose fields are in `form` and `files`."""
        return b"" if self.mimetype in (FORM, MULTIPART) else self.body

    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        body = self.data if parse_form_data else self.body
        return body.decode("utf-8", "replace") if as_text else body

    @property
    def stream(self) -> io.BytesIO:
        return io.BytesIO(self.body)

    @property
    def json(self) -> Any:
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Parse the body.

        Raises:
            BadRequestBody: not JSON, or not said to be, unless `silent`.
        """
        if not (force or self.is_json):
            if silent:
                return None
            raise BadRequestBody(
                415,
                "Did not attempt to load JSON data because the request Content-Type was not "
                "'application/json'.",
            )
        try:
            return json.loads(self.body)
        except ValueError:
            if silent:
                return None
            raise BadRequestBody(
                400, "The browser (or proxy) sent a request that this server could not understand."
            ) from None

    @property
    def form(self) -> MultiDict:
        return self._parsed_form()[0]

    @property
    def files(self) -> MultiDict:
        return self._parsed_form()[1]

    @property
    def values(self) -> MultiDict:
        pairs = [
            (k, v) for source in (self.args, self.form) for k, vs in source.lists() for v in vs
        ]
        return MultiDict(pairs)

    @property
    def cookies(self) -> Dict[str, str]:
        pairs = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name: value for name, _, value in pairs if name}

    @property
    def host(self) -> str:
        return str(self.headers.get("host", "localhost"))

    @property
    def full_path(self) -> str:
        return f"{self.path}?{self.query_string.decode('latin-1')}"

    @property
    def base_url(self) -> str:
        return f"http://{self.host}{self.path}"

    @property
    def url(self) -> str:
        query = self.query_string.decode("latin-1")
        return f"{self.base_url}?{query}" if query else self.base_url

    @property
    def remote_addr(self) -> str:
        return "127.0.0.1"

    def _parsed_form(self) -> Tuple[MultiDict, MultiDict]:
        if self._form is None:
            if self.mimetype == FORM:
                text = self.body.decode("utf-8", "replace")
                self._form = MultiDict(parse_qsl(text, keep_blank_values=True)), MultiDict()
            elif self.mimetype == MULTIPART:
                self._form = _multipart(self.content_type or "", self.body)
            else:
                self._form = MultiDict(), MultiDict()
        return self._form


def _multipart(content_type: str, body: bytes) -> Tuple[MultiDict, MultiDict]:
    import email.parser
    import email.policy

    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    fields: List[Tuple[str, Any]] = []
    files: List[Tuple[str, Any]] = []
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        filename = part.get_filename()
        content = part.get_payload(decode=True)
        content = content if isinstance(content, bytes) else b""
        if filename is None:
            fields.append((str(name), content.decode("utf-8", "replace")))
        else:
            files.append((str(name), File(str(name), filename, part.get_content_type(), content)))
    return MultiDict(fields), MultiDict(files)


def environ(request: Request) -> Dict[str, Any]:
    """Describe the request as WSGI does, for a script that uses Flask itself."""
    described: Dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode("utf-8").decode("latin-1"),
        "QUERY_STRING": request.query_string.decode("latin-1"),
        "RAW_URI": request.target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "5001",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        described[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return described
