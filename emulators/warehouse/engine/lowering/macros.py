"""Macros in every database file: T-SQL's conversions and functions in DuckDB's words.

An error inside one is `error('§number|severity|state|text')`, which `failures.py` reads back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = "rehearsal"

_DATE_FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%g", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M",
    "%Y-%m-%d", "%Y%m%d", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M:%S.%f", "%Y%m%d %H:%M",
    "%m/%d/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m-%d-%Y", "%m-%d-%Y %H:%M:%S",
    "%m.%d.%Y", "%m/%d/%y", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M:%S.%f",
    "%Y.%m.%d", "%b %d %Y", "%b %d %Y %I:%M%p", "%b %d %Y %I:%M:%S%p", "%b %d %Y %H:%M:%S",
    "%b %d, %Y", "%B %d, %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y", "%d %b %Y %H:%M:%S",
    "%d %B %Y %H:%M:%S", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M%p", "%Y-%m-%d %I:%M %p",
    "%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%I:%M%p", "%I:%M %p", "%I:%M:%S %p",
)  # fmt: skip
_FORMATS = "[" + ", ".join(f"'{f}'" for f in _DATE_FORMATS) + "]"
_BLANKS = r"E' \t\r\n'"
_WHOLE = r"'\s*[+-]?\s*[0-9]*\s*'"
_DECIMAL = r"'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)'"
_FLOAT = r"'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eEdD][+-]?[0-9]+)?'"

LONGEST_REPEATED = 1 << 27
"""Bytes that REPLICATE and SPACE make at most: DuckDB neither counts them nor
stops among them, and computes constants in branches that are not taken."""

MACROS: dict[str, str] = {
    "fail(number, severity, state, message)": "error('§' || number || '|' || severity || '|' || state || '|' || message)",
    "pointed(x, scale)": """CASE WHEN scale = 0 THEN CAST(x AS VARCHAR) ELSE CASE WHEN x < 0 THEN '-' ELSE '' END
        || CAST(abs(x) // CAST(power(10, scale) AS HUGEINT) AS VARCHAR) || '.'
        || lpad(CAST(abs(x) % CAST(power(10, scale) AS HUGEINT) AS VARCHAR), scale, '0') END""",
    # text -> numbers
    "whole(x, kind, source)": f"""CASE WHEN regexp_full_match(x, {_WHOLE})
        THEN CAST(CASE WHEN trim(x, {_BLANKS}) = '' THEN '0' ELSE replace(trim(x, {_BLANKS}), ' ', '') END AS HUGEINT)
        WHEN x IS NULL THEN NULL
        ELSE {SCHEMA}.fail(245, 16, 1, 'Conversion failed when converting the ' || source || ' value ''' || x || ''' to data type ' || kind || '.') END""",
    "exact(x, source)": f"""CASE WHEN x IS NULL THEN NULL WHEN regexp_full_match(trim(x, {_BLANKS}), {_DECIMAL})
        THEN trim(x, {_BLANKS}) ELSE {SCHEMA}.fail(8114, 16, 5, 'Error converting data type ' || source || ' to numeric.') END""",
    "approximate(x, source, kind)": f"""CASE WHEN x IS NULL THEN NULL WHEN trim(x, {_BLANKS}) = '' THEN 0e0
        WHEN regexp_full_match(trim(x, {_BLANKS}), {_FLOAT})
        THEN CAST(regexp_replace(trim(x, {_BLANKS}), '[dD]', 'e') AS DOUBLE)
        ELSE {SCHEMA}.fail(8114, 16, 5, 'Error converting data type ' || source || ' to ' || kind || '.') END""",
    "currency(x)": f"""CASE WHEN x IS NULL THEN NULL WHEN trim(x, {_BLANKS}) = '' THEN '0'
        WHEN regexp_full_match(replace(replace(trim(x, {_BLANKS}), ',', ''), '$', ''), {_DECIMAL})
        THEN replace(replace(trim(x, {_BLANKS}), ',', ''), '$', '')
        ELSE {SCHEMA}.fail(235, 16, 0, 'Cannot convert a char value to money. The char value has incorrect syntax.') END""",
    "flag(x, source)": f"""CASE lower(trim(x, {_BLANKS})) WHEN 'true' THEN true WHEN 'false' THEN false WHEN '' THEN false
        ELSE CAST({SCHEMA}.whole(x, 'bit', source) <> 0 AS BOOLEAN) END""",
    # text -> instants
    "instant(x)": f"""CASE WHEN x IS NULL THEN NULL WHEN trim(x) = '' THEN TIMESTAMP '1900-01-01'
        ELSE coalesce(try_strptime(x, ['%Y-%m-%d', '%Y-%m-%d %H:%M:%S']), {SCHEMA}.instant_slow(x)) END""",
    "instant_slow(x)": f"""CASE WHEN regexp_matches(trim(x), '^\\d{{1,2}}:') THEN
        TIMESTAMP '1900-01-01' + (try_strptime(regexp_replace(regexp_replace(trim(x), '(\\.\\d{{6}})\\d+', '\\1'), '(?i)\\s*([ap]m)$', ' \\1'),
          ['%H:%M:%S', '%H:%M:%S.%f', '%H:%M', '%I:%M %p', '%I:%M:%S %p', '%I:%M:%S.%f %p']) - TIMESTAMP '1900-01-01')
        ELSE try_strptime(regexp_replace(regexp_replace(regexp_replace(regexp_replace(trim(x),
          '(\\d)T(\\d)', '\\1 \\2'), '(\\.\\d{{6}})\\d+', '\\1'), '(?i)(Z|[+-]00:00)$', ''), '\\s+', ' ', 'g'), {_FORMATS}) END""",
    "moment(x)": f"""CASE WHEN x IS NULL OR {SCHEMA}.instant(x) IS NOT NULL THEN {SCHEMA}.instant(x)
        ELSE {SCHEMA}.fail(241, 16, 1, 'Conversion failed when converting date and/or time from character string.') END""",
    "datetime_of(x)": """CASE WHEN x < TIMESTAMP '1753-01-01' THEN rehearsal.fail(242, 16, 3, 'The conversion of a varchar data type to a datetime data type resulted in an out-of-range value.')
        ELSE make_timestamp(CAST(round(CAST(round((epoch_us(x) - 1000000 * (epoch_us(x) // 1000000)) * 3e0 / 10000) AS BIGINT) * 10e0 / 3) AS BIGINT) * 1000 + 1000000 * (epoch_us(x) // 1000000)) END""",
    "offset_of(x)": f"""CASE WHEN x IS NULL THEN NULL WHEN TRY_CAST(regexp_replace(trim(x), '\\s+([+-]\\d\\d?:\\d\\d)$', '\\1') AS TIMESTAMPTZ) IS NOT NULL THEN TRY_CAST(regexp_replace(trim(x), '\\s+([+-]\\d\\d?:\\d\\d)$', '\\1') AS TIMESTAMPTZ)
        ELSE CAST({SCHEMA}.moment(x) AS TIMESTAMPTZ) END""",
    # strings that must fit
    "fit(x, n)": f"""CASE WHEN x IS NULL OR length(x) <= n THEN x WHEN length(rtrim(x, ' ')) <= n THEN left(x, n)
        ELSE {SCHEMA}.fail(8152, 16, 10, 'String or binary data would be truncated.') END""",
    "fit_in(owner, name, x, n)": f"""CASE WHEN length(x) <= n THEN x WHEN length(rtrim(x, ' ')) <= n THEN left(x, n)
        ELSE {SCHEMA}.fail(2628, 16, 1, 'String or binary data would be truncated in table ''' || owner || ''', column ''' || name || '''. Truncated value: ''' || left(x, n) || '''.') END""",
    "fit_bytes_in(owner, name, x, n)": f"""CASE WHEN octet_length(x) <= n THEN x
        ELSE {SCHEMA}.fail(2628, 16, 1, 'String or binary data would be truncated in table ''' || owner || ''', column ''' || name || '''. Truncated value: .') END""",
    "fit_bytes(x, n)": f"""CASE WHEN x IS NULL OR octet_length(x) <= n THEN x
        ELSE {SCHEMA}.fail(8152, 16, 10, 'String or binary data would be truncated.') END""",
    "pad(x, n)": "CASE WHEN length(x) >= n THEN left(x, n) ELSE rpad(x, n, ' ') END",
    "star(x, n)": "CASE WHEN x IS NULL OR length(x) <= n THEN x ELSE '*' END",
    "short(x, n)": f"""CASE WHEN x IS NULL OR length(x) <= n THEN x ELSE
        {SCHEMA}.fail(8115, 16, 5, 'Arithmetic overflow error converting numeric to data type varchar.') END""",
    "float_text(x)": """regexp_replace(printf('%.6g', x), 'e([+-])(\\d\\d)$', 'e\\10\\2')""",
    "float_text_of(x, digits)": """regexp_replace(printf('%.' || (digits - 1) || 'e', x), 'e([+-])(\\d\\d)$', 'e\\10\\2')""",
    # instants -> text
    "style(x, pattern)": "strftime(x, pattern)",
    "style_0(x)": "strftime(x, '%b ') || lpad(CAST(day(x) AS VARCHAR), 2, ' ') || strftime(x, ' %Y ') || lpad(CAST((hour(x) + 11) % 12 + 1 AS VARCHAR), 2, ' ') || strftime(x, ':%M%p')",
    "style_9(x)": "strftime(x, '%b ') || lpad(CAST(day(x) AS VARCHAR), 2, ' ') || strftime(x, ' %Y ') || lpad(CAST((hour(x) + 11) % 12 + 1 AS VARCHAR), 2, ' ') || strftime(x, ':%M:%S:%g%p')",
    "fraction(x, scale)": """CASE WHEN scale = 0 THEN '' WHEN scale <= 6 THEN '.' || left(strftime(x, '%f'), scale)
        ELSE '.' || strftime(x, '%f') || '0' END""",
    "day_seconds(x)": "hour(x) * 3600 + minute(x) * 60 + second(x)",
    # dates
    "week(x)": "(dayofyear(x) + dayofweek(make_date(year(x), 1, 1)) - 1) // 7 + 1",
    "weeks(x, y)": "(date_diff('day', DATE '0001-01-07', CAST(y AS DATE)) // 7) - (date_diff('day', DATE '0001-01-07', CAST(x AS DATE)) // 7)",
    "difference(x)": f"""CASE WHEN x BETWEEN -2147483648 AND 2147483647 THEN CAST(x AS INTEGER)
        ELSE {SCHEMA}.fail(535, 16, 0, 'The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart.') END""",
    "date_of(y, m, d)": f"""CASE WHEN y IS NULL OR m IS NULL OR d IS NULL THEN NULL
        WHEN m NOT BETWEEN 1 AND 12 OR d < 1 OR y NOT BETWEEN 1 AND 9999 THEN {SCHEMA}.fail(289, 16, 1, 'Cannot construct data type date, some of the arguments have values which are not valid.')
        WHEN d > day(last_day(make_date(y, m, 1))) THEN {SCHEMA}.fail(289, 16, 1, 'Cannot construct data type date, some of the arguments have values which are not valid.')
        ELSE make_date(y, m, d) END""",
    # strings
    # Characters beyond the first plane are two units of UTF-16.
    "wide_bytes(x)": "2 * CASE WHEN strlen(x) < length(x) + 3 THEN length(x) ELSE length(x) + length(regexp_replace(x, '[^\\x{10000}-\\x{10FFFF}]', '', 'g')) END",
    "len(x)": "CAST(length(rtrim(x, ' ')) AS INTEGER)",
    "left_of(x, n)": f"""CASE WHEN n < 0 THEN {SCHEMA}.fail(536, 16, 2, 'Invalid length parameter passed to the left function.') ELSE left(x, n) END""",
    "right_of(x, n)": f"""CASE WHEN n < 0 THEN {SCHEMA}.fail(536, 16, 2, 'Invalid length parameter passed to the right function.') ELSE right(x, n) END""",
    "part(x, start, n)": f"""CASE WHEN n < 0 THEN {SCHEMA}.fail(537, 16, 3, 'Invalid length parameter passed to the LEFT or SUBSTRING function.')
        WHEN start >= 1 THEN substring(x, start, n) ELSE left(x, greatest(0, start + n - 1)) END""",
    "part_bytes(x, start, n)": f"""CASE WHEN n < 0 THEN {SCHEMA}.fail(537, 16, 3, 'Invalid length parameter passed to the LEFT or SUBSTRING function.')
        ELSE unhex(substring(hex(x), greatest(start, 1) * 2 - 1, greatest(0, CASE WHEN start >= 1 THEN n ELSE start + n - 1 END) * 2)) END""",
    "charindex(needle, x, start)": """CASE WHEN start > 1 THEN CASE WHEN strpos(substring(lower(x), start), lower(needle)) = 0 THEN 0
        ELSE strpos(substring(lower(x), start), lower(needle)) + start - 1 END
        WHEN needle = '' THEN 0 ELSE strpos(lower(x), lower(needle)) END""",
    "stuff(x, start, n, y)": """CASE WHEN start < 1 OR start > length(x) OR n < 0 THEN NULL
        ELSE left(x, start - 1) || coalesce(y, '') || substring(x, start + n) END""",
    "repeat_of(x, n)": f"""CASE WHEN n IS NULL OR n < 0 THEN NULL
        WHEN n > {LONGEST_REPEATED} // greatest(strlen(x), 1) THEN {SCHEMA}.fail(701, 17, 123,
          'There is insufficient system memory to repeat a text to more than {LONGEST_REPEATED} bytes.')
        ELSE repeat(x, least(n, {LONGEST_REPEATED} // greatest(strlen(x), 1))) END""",
    "repeat_short(x, n, most)": """CASE WHEN n IS NULL OR n < 0 THEN NULL
        ELSE left(repeat(x, least(n, most // greatest(length(x), 1) + 1)), most) END""",
    "replace_of(x, a, b)": """CASE WHEN x IS NULL OR a IS NULL OR b IS NULL THEN NULL WHEN a = '' THEN x
        ELSE regexp_replace(x, regexp_escape(a), replace(b, '\\', '\\\\'), 'gi') END""",
    "str_of(x, n, places)": f"{SCHEMA}.str_with(x, n, least(greatest(places, 0), 16))",
    "str_with(x, n, d)": """CASE WHEN length(printf('%.' || d || 'f', x)) > n AND length(printf('%.0f', x)) > n THEN repeat('*', n)
        ELSE lpad(left(printf('%.' || d || 'f', x), n), n, ' ') END""",
    "initial(x)": "CASE WHEN x = '' THEN NULL ELSE ascii(x) END",
    "like_(x, pattern)": "regexp_full_match(x, pattern, 'si')",
    "int_bytes(x, n)": "unhex(right(lpad(hex(x), 16, CASE WHEN x < 0 THEN 'F' ELSE '0' END), n * 2))",
    "bytes_pad(x, n)": "unhex(rpad(left(hex(x), n * 2), n * 2, '0'))",
    "unhexed(x)": f"""CASE WHEN x IS NULL THEN NULL WHEN regexp_full_match(x, '0[xX]([0-9a-fA-F]{{2}})*') THEN unhex(substring(x, 3))
        ELSE {SCHEMA}.fail(8114, 16, 5, 'Error converting data type varchar to varbinary.') END""",
    "unhexed_bare(x)": f"""CASE WHEN x IS NULL THEN NULL WHEN regexp_full_match(x, '([0-9a-fA-F]{{2}})*') THEN unhex(x)
        ELSE {SCHEMA}.fail(8114, 16, 5, 'Error converting data type varchar to varbinary.') END""",
    "guid_of(x)": f"""CASE WHEN x IS NULL THEN NULL
        WHEN regexp_matches(x, '^\\{{?[0-9a-fA-F]{{8}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{12}}')
        THEN CAST(regexp_extract(x, '[0-9a-fA-F]{{8}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{4}}-[0-9a-fA-F]{{12}}') AS UUID)
        ELSE {SCHEMA}.fail(8169, 16, 2, 'Conversion failed when converting from a character string to uniqueidentifier.') END""",
    "only_one(xs)": f"""CASE WHEN len(xs) > 1 THEN {SCHEMA}.fail(512, 16, 1, 'Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.') ELSE xs[1] END""",
    "finite(x)": f"""CASE WHEN isinf(x) THEN {SCHEMA}.fail(8115, 16, 2, 'Arithmetic overflow error converting expression to data type float.') ELSE x END""",
    "json_path(path)": "CASE WHEN path IN ('$', 'lax $', 'strict $') THEN '$' ELSE regexp_replace(path, '^(lax|strict) ', '') END",
    "json_value_of(x, path)": """CASE WHEN NOT coalesce(json_valid(x), false) THEN CASE WHEN x IS NULL THEN NULL ELSE rehearsal.fail(13609, 16, 2, 'JSON text is not properly formatted. Unexpected character ''' || left(x, 1) || ''' is found at position 0.') END
        WHEN json_type(x, rehearsal.json_path(path)) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string(x, rehearsal.json_path(path)) END""",
    "json_query_of(x, path)": "CASE WHEN NOT coalesce(json_valid(x), false) THEN CASE WHEN x IS NULL THEN NULL ELSE rehearsal.fail(13609, 16, 2, 'JSON text is not properly formatted. Unexpected character ''' || left(x, 1) || ''' is found at position 0.') END WHEN json_type(x, rehearsal.json_path(path)) IN ('OBJECT', 'ARRAY') THEN CAST(json_extract(x, rehearsal.json_path(path)) AS VARCHAR) END",
}  # fmt: skip


TRIED = ("whole", "exact", "approximate", "currency", "flag", "moment", "datetime_of", "offset_of", "short", "unhexed", "unhexed_bare", "guid_of")  # fmt: skip
"""Conversions that have a second form, `try_…`, with NULL where the first fails."""


def _tolerant(body: str) -> str:
    """The same conversion with NULL for every failure (TRY() refuses what may raise)."""
    mark = f"{SCHEMA}.fail("
    while (start := body.find(mark)) >= 0:
        at, depth, inside = start + len(mark), 1, False
        while depth:
            if body[at] == "'":
                inside = not inside
            elif not inside:
                depth += {"(": 1, ")": -1}.get(body[at], 0)
            at += 1
        body = body[:start] + "NULL" + body[at:]
    for name in TRIED:
        body = body.replace(f"{SCHEMA}.{name}(", f"{SCHEMA}.try_{name}(")
    return body


for _head, _body in list(MACROS.items()):
    if _head.partition("(")[0] in TRIED:
        MACROS["try_" + _head] = _tolerant(_body)


def install(con: DuckDBPyConnection) -> None:
    """Put the macros into the database; what an older version left there is replaced."""
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    for head, body in _in_order():
        con.execute(f"CREATE OR REPLACE MACRO {SCHEMA}.{head} AS {body}")


def _in_order() -> list[tuple[str, str]]:
    """A macro may use others: those without uses first."""
    waiting = dict(MACROS)
    ordered: list[tuple[str, str]] = []
    while waiting:
        names = {head.partition("(")[0] for head in waiting}
        for head, body in list(waiting.items()):
            own = head.partition("(")[0]
            if not any(f"{SCHEMA}.{name}(" in body for name in names - {own}):
                ordered.append((head, body))
                del waiting[head]
    return ordered
