"""Text to base64, data URIs and URI components, and back."""

from __future__ import annotations

import base64
import codecs
import contextlib
import re
from typing import Any

from emulators.datafactory.engine.expressions.calls import (
    Functions,
    text_argument,
    wrong_type,
    wrong_value,
)
from emulators.datafactory.engine.expressions.lenient_json import BadJson, read_json
from emulators.datafactory.engine.expressions.values import (
    CONTENT,
    CONTENT_TYPE,
    content,
    encoded,
    is_array,
    is_content,
    is_object,
    spend,
    to_text,
)

TABLE = Functions()
BINARY, PLAIN_TEXT = "application/octet-stream", "text/plain"
_DATA_URI = re.compile(r"data:([^,]*),(.*)\Z", re.IGNORECASE | re.DOTALL)
_BASE64 = re.compile(r";base64\Z", re.IGNORECASE)
_MEDIA = re.compile(r"\s*[\w.+*-]+/[\w.+*-]+\s*(;[^=]+=.*)?\Z")
_CHARSET = re.compile(r";\s*charset=([^;]*)", re.IGNORECASE)
_STRICT_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")
_NO_BLANKS = str.maketrans("", "", " \t\r\n")
_HEX_ESCAPES = re.compile(rb"%([0-9A-Fa-f]{2})")
_RUN = re.compile(r"%u([0-9A-Fa-f]{4})|((?:(?!%u[0-9A-Fa-f]{4})[\x00-\x7f])+)")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_ESCAPED = [chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)]


def _from_base64(name: str, text: str) -> bytes:
    compact = text.translate(_NO_BLANKS)
    if len(compact) % 4 or not _STRICT_BASE64.match(compact):
        raise wrong_value(name, "The value cannot be decoded from base64.")
    return base64.b64decode(compact)


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


@TABLE.add("base64", 1)
def to_base64(value: Any) -> str:
    if type(value) is not str and not is_array(value) and not is_object(value):
        raise wrong_type("base64", 1, "a string, an object or an array", value)
    if is_content(value):
        return str(content(BINARY, _content_bytes("base64", value))[CONTENT])
    return base64.b64encode(encoded(to_text(value))).decode()


def _content_bytes(name: str, value: Any) -> bytes:
    return _from_base64(name, text_argument(name, 1, value[CONTENT]))


@TABLE.add("base64ToBinary", 1)
def base64_to_binary(value: Any) -> dict[str, str]:
    text_argument("base64ToBinary", 1, value)
    _from_base64("base64ToBinary", value)
    return {CONTENT_TYPE: BINARY, CONTENT: value}


@TABLE.add("base64ToString", 1)
def base64_to_string(value: Any) -> str:
    return _utf8(_from_base64("base64ToString", text_argument("base64ToString", 1, value)))


@TABLE.add("decodeBase64", 1)
def decode_base64(value: Any) -> str:
    return _utf8(_from_base64("decodeBase64", text_argument("decodeBase64", 1, value)))


@TABLE.add("binary", 1)
def binary(value: Any) -> dict[str, str]:
    if value is None:
        raise wrong_value("binary", "The value cannot be converted to binary.")
    if is_content(value):
        return content(BINARY, _content_bytes("binary", value))
    return content(BINARY, encoded(to_text(value)))


@TABLE.add("dataUri", 1)
def data_uri(value: Any) -> str:
    if value is None:
        raise wrong_value("dataUri", "The value cannot be converted to a data URI.")
    if is_content(value):
        if not _MEDIA.match(str(value[CONTENT_TYPE])):
            raise wrong_value("dataUri", "The content type is not well formed.")
        return f"data:{value[CONTENT_TYPE]};base64,{value[CONTENT]}"
    media = "text/plain" if type(value) is str else "application/json"
    data = base64.b64encode(encoded(to_text(value))).decode()
    return f"data:{media};charset=utf-8;base64,{data}"


def _read_data_uri(name: str, value: Any) -> tuple[str, str, str, bool]:
    """Media type with its parameters, charset or "", data, and whether the data are base64."""
    found = _DATA_URI.match(text_argument(name, 1, value))
    if found is None or re.match(r"\s*;(?!base64\Z)", found[1], re.IGNORECASE):
        raise wrong_value(name, f"The value '{value}' is not a valid data URI.")
    media = _BASE64.sub("", found[1]) or PLAIN_TEXT
    charset = _CHARSET.search(media)
    return media, charset[1] if charset else "", found[2], bool(_BASE64.search(found[1]))


@TABLE.add("dataUriToBinary", 1)
def data_uri_to_binary(value: Any) -> dict[str, str]:
    media, charset, data, is_base64 = _read_data_uri("dataUriToBinary", value)
    if not _MEDIA.match(media):
        raise wrong_value("dataUriToBinary", f"The content type '{media}' is not well formed.")
    _known("dataUriToBinary", charset.strip() or "utf-8")
    if is_base64:
        return {CONTENT_TYPE: media, CONTENT: data}
    return content(media, encoded(unescape(data)))


@TABLE.add("dataUriToString", 1)
def data_uri_to_string(value: Any) -> str:
    _, charset, data, is_base64 = _read_data_uri("dataUriToString", value)
    if charset.lower() not in ("", "utf-8"):
        raise wrong_value("dataUriToString", f"The charset '{charset}' is not supported.")
    return _utf8(_from_base64("dataUriToString", data)) if is_base64 else unescape(data)


@TABLE.add("decodeDataUri", 1)
def decode_data_uri(value: Any) -> Any:
    media, charset, data, is_base64 = _read_data_uri("decodeDataUri", value)
    kind = media.partition(";")[0]
    is_json = re.match(r"application/([\w.-]+\+)?json\Z", kind, re.IGNORECASE)
    charset = charset or "us-ascii"
    _known("decodeDataUri", charset)
    if not is_json and not kind.lower().startswith("text/"):
        if not is_base64:
            plain = unescape(data, charset).encode(charset, "replace")
            data = base64.b64encode(plain.removeprefix(codecs.BOM_UTF16_LE)).decode()
        return {CONTENT_TYPE: f"{kind};charset={charset}", CONTENT: data}
    text = unescape(data, charset)
    if is_base64:
        text = _decoded(_from_base64("decodeDataUri", data), charset)
    if not is_json:
        return text
    try:
        return read_json(text)
    except BadJson as error:
        raise wrong_value("decodeDataUri", str(error)) from None


def _known(name: str, charset: str) -> None:
    if re.match(r"[\w.:-]+\Z", charset, re.ASCII):
        with contextlib.suppress(LookupError):
            "".encode(charset)
            return
    raise wrong_value(name, f"The charset '{charset}' is not known.")


def _decoded(data: bytes, charset: str) -> str:
    """Bytes as text; what is not ASCII in ASCII becomes a question mark, as in .NET."""
    if charset.lower() in ("ascii", "us-ascii"):
        return bytes(byte if byte < 128 else ord("?") for byte in data).decode("ascii")
    return data.decode(charset, errors="replace")


@TABLE.add("uriComponent", 1, None)
def uri_component(*values: Any) -> str:
    return _escape(values)


@TABLE.add("encodeUriComponent", 1, None)
def encode_uri_component(*values: Any) -> str:
    return _escape(values)


def _escape(values: tuple[Any, ...]) -> str:
    data = encoded("".join(map(to_text, values)))
    spend(3 * len(data))
    return "".join([_ESCAPED[byte] for byte in data])


def unescape(text: str, charset: str = "utf-8") -> str:
    """Percent escapes and ASCII resolved in a charset, `+` as a blank; bad escapes stay."""
    text = text.replace("+", " ")
    if "%" not in text and charset == "utf-8":
        return text

    def resolve(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return _decoded(_HEX_ESCAPES.sub(_byte, found[2].encode("ascii")), charset)

    return _RUN.sub(resolve, text)


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])


@TABLE.add("uriComponentToString", 1)
def uri_component_to_string(value: Any) -> str:
    return unescape(text_argument("uriComponentToString", 1, value))


@TABLE.add("decodeUriComponent", 1)
def decode_uri_component(value: Any) -> str:
    return unescape(text_argument("decodeUriComponent", 1, value))


@TABLE.add("uriComponentToBinary", 1)
def uri_component_to_binary(value: Any) -> dict[str, str]:
    data = encoded(text_argument("uriComponentToBinary", 1, value)).replace(b"+", b" ")
    return content(BINARY, _HEX_ESCAPES.sub(_byte, data))
