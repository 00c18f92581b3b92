"""Activities over files of the real storage emulator, in process."""

from __future__ import annotations

import asyncio
import gzip
import io
import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.datafactory.engine.activities.base import ActivityFailed
from emulators.datafactory.engine.connections.formats.delimited import Dialect, RowWriter
from emulators.datafactory.engine.connections.tables import ENCODINGS
from emulators.datafactory.engine.expressions import Scope
from emulators.kernel.clock import ManualClock
from tests.emulators.datafactory.lake import STORE, Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


CSV = 'id,name\r\n1,Ada\r\n2,\r\n3,"O\'Neill, Tip"\r\n'


def test_lookup_gives_the_first_row(lake: Lake) -> None:
    lake.put(in__people_csv=CSV)
    people = lake.dataset("People", "DelimitedText", "in", "people.csv", firstRowAsHeader=True)
    output = lake.do("Lookup", people, source={"type": "DelimitedTextSource"})
    assert output["firstRow"] == {"id": "1", "name": "Ada"}
    assert output["billingReference"]["activityType"] == "PipelineActivity"
    assert output["billingReference"]["billableDuration"][0]["unit"] == "DIUHours"
    assert "count" not in output


def test_lookup_gives_all_rows_with_nulls_and_quotes(lake: Lake) -> None:
    lake.put(in__people_csv=CSV)
    people = lake.dataset("People", "DelimitedText", "in", "people.csv", firstRowAsHeader=True)
    output = lake.do("Lookup", people, source={}, firstRowOnly=False)
    assert output["count"] == 3
    assert output["value"][1:] == [
        {"id": "2", "name": None},
        {"id": "3", "name": "O'Neill, Tip"},
    ]


def test_lookup_without_a_row_has_no_first_row(lake: Lake) -> None:
    lake.put(a_csv="id\r\n")
    output = lake.do(
        "Lookup", lake.dataset("A", "DelimitedText", "", "a.csv", firstRowAsHeader=True)
    )
    assert "firstRow" not in output


def test_lookup_stops_at_five_thousand_rows(lake: Lake) -> None:
    lake.put(a_csv="".join(f"{n}\n" for n in range(6000)))
    output = lake.do("Lookup", lake.dataset("A", "DelimitedText", "", "a.csv"), firstRowOnly=False)
    assert output["count"] == 5000
    assert output["value"][-1] == {"Prop_0": "4999"}


@pytest.mark.parametrize(
    "text", ['{"a": 1, "b": {"c": [1]}}\n{"a": 2}', '[{"a": 1, "b": {"c": [1]}}, {"a": 2}]']
)
def test_lookup_reads_json_lines_and_arrays(lake: Lake, text: str) -> None:
    lake.put(a_json=text)
    output = lake.do("Lookup", lake.dataset("A", "Json", "", "a.json"), firstRowOnly=False)
    assert output["value"] == [{"a": 1, "b": {"c": [1]}}, {"a": 2}]


def test_dataset_and_linked_service_take_parameters(lake: Lake) -> None:
    lake.put(p1__x_csv="v\n7\n")
    lake.link(
        "By",
        "AzureBlobStorage",
        {
            "connectionString": {
                "type": "SecureString",
                "value": "AccountName=@{linkedService().name};AccountKey=@{linkedService().key}",
            }
        },
        parameters={"name": {"type": "String"}, "key": {"type": "String"}},
    )
    linked = {
        "referenceName": "By",
        "type": "LinkedServiceReference",
        "parameters": {"name": lake.account, "key": "@dataset().key"},
    }
    lake.dataset(
        "D",
        "DelimitedText",
        {"value": "@concat('p', string(dataset().n))", "type": "Expression"},  # type: ignore[arg-type]
        "@{dataset().file}.csv",
        linked=linked,
        firstRowAsHeader=True,
        parameters={
            "n": {"type": "int"},
            "file": {"type": "string", "defaultValue": "x"},
            "key": {"type": "string"},
        },
    )
    reference = {
        "referenceName": "D",
        "type": "DatasetReference",
        "parameters": {"N": "@pipeline().parameters.n", "key": lake.key},
    }
    activity = {"type": "Lookup", "typeProperties": {"dataset": reference, "source": {}}}
    done = lake.bench.do(activity, Scope(parameters={"n": "1"}))
    assert done.output["firstRow"] == {"v": "7"}
    with pytest.raises(ActivityFailed, match="parameter 'n'"):
        lake.do("Lookup", {"referenceName": "D", "type": "DatasetReference"})


@pytest.mark.parametrize("kind", ["sas", "msi", "blobfs", "lake-key"])
def test_every_way_into_the_account(lake: Lake, kind: str) -> None:
    lake.put(a_csv="1\n")
    blob = f"https://{lake.account}.blob.core.windows.net"
    dfs = f"https://{lake.account}.dfs.core.windows.net/"
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "sas": ("AzureBlobStorage", {"sasUri": {"type": "SecureString", "value": _sas(lake)}}),
        "msi": ("AzureBlobStorage", {"serviceEndpoint": blob}),
        "blobfs": ("AzureBlobFS", {"url": dfs}),
        "lake-key": ("AzureBlobFS", {"url": dfs, "accountKey": lake.key}),
    }
    lake.link("Way", *ways[kind])
    linked = {"referenceName": "Way", "type": "LinkedServiceReference"}
    output = lake.do("Lookup", lake.dataset("A", "DelimitedText", "", "a.csv", linked=linked))
    assert output["firstRow"] == {"Prop_0": "1"}


def _sas(lake: Lake) -> str:
    from datetime import timedelta

    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    query = generate_account_sas(
        lake.account,
        lake.key,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, list=True, write=True),
        lake.bench.ctx.clock.now() + timedelta(days=1),
    )
    return f"https://{lake.account}.blob.core.windows.net/?{query}"


def test_a_missing_file_fails_in_the_words_of_the_engine(lake: Lake) -> None:
    lake.put(b_csv="")
    with pytest.raises(ActivityFailed, match="UserErrorSourceBlobNotExist") as failed:
        lake.do("Lookup", lake.dataset("A", "DelimitedText", "", "a.csv"))
    assert failed.value.code == "2100"


def test_metadata_of_a_file(lake: Lake) -> None:
    lake.put(in__people_csv=CSV)
    people = lake.dataset("People", "DelimitedText", "in", "people.csv", firstRowAsHeader=True)
    wanted = ["exists", "itemName", "itemType", "size", "lastModified", "structure", "columnCount"]
    output = lake.do("GetMetadata", people, fieldList=wanted)
    assert {name: output[name] for name in wanted} == {
        "exists": True,
        "itemName": "people.csv",
        "itemType": "File",
        "size": len(CSV),
        "lastModified": "2026-01-01T00:00:00Z",
        "structure": [{"name": "id", "type": "String"}, {"name": "name", "type": "String"}],
        "columnCount": 2,
    }


def test_metadata_of_a_folder(lake: Lake) -> None:
    lake.put(in__a_csv="", in__deep__b_csv="", other_csv="")
    output = lake.do(
        "GetMetadata", lake.dataset("In", "Binary", "in"), fieldList=["childItems", "itemName"]
    )
    assert output["childItems"] == [
        {"name": "a.csv", "type": "File"},
        {"name": "deep", "type": "Folder"},
    ]
    assert output["itemName"] == "in"


def test_metadata_of_nothing(lake: Lake) -> None:
    lake.put(a_csv="")
    for missing in (lake.dataset("F", "Binary", "no"), lake.dataset("G", "Binary", "", "no.csv")):
        output = lake.do("GetMetadata", missing, fieldList=["exists", "itemType"])
        assert output["exists"] is False
        assert "itemType" not in output
        with pytest.raises(ActivityFailed, match="required Blob is missing"):
            lake.do("GetMetadata", missing, fieldList=["itemType"])


def test_delete_takes_a_folder_or_what_matches(lake: Lake) -> None:
    lake.put(d__a_csv="", d__b_txt="", d__e__c_csv="", keep_csv="")
    folder = lake.dataset("D", "Binary", "d")
    wild = {"recursive": False, "wildcardFileName": "*.csv"}
    assert lake.do("Delete", folder, storeSettings=wild)["filesDeleted"] == 1
    assert lake.names("d/") == ["d/b.txt", "d/e/c.csv"]
    output = lake.do("Delete", folder, storeSettings={"recursive": True})
    assert (output["filesDeleted"], output["isWildcardUsed"]) == (2, False)
    assert lake.names() == ["keep.csv"]


def test_delete_writes_its_log(lake: Lake) -> None:
    lake.put(a_csv="")
    settings = {"linkedServiceName": STORE, "path": "files/logs"}
    output = lake.do(
        "Delete",
        lake.dataset("D", "Binary", "", "a.csv"),
        enableLogging=True,
        logStorageSettings=settings,
    )
    (log,) = lake.names("logs/")
    assert output["logPath"].endswith(f"/files/{log}")
    assert b"a.csv,File,Deleted," in lake.get(log)


def test_validation_waits_until_the_file_is_there(lake: Lake) -> None:
    lake.put(other_csv="")
    dataset = lake.dataset("V", "Binary", "", "late.csv")
    clock = lake.bench.ctx.clock
    assert isinstance(clock, ManualClock)
    activity = {
        "type": "Validation",
        "typeProperties": {"dataset": dataset, "sleep": 10, "timeout": "0.00:01:00"},
    }

    async def late(arrive_s: float | None) -> dict[str, Any]:
        running = asyncio.ensure_future(lake.bench.run(activity))
        for second in range(0, 100, 5):
            if second == arrive_s:
                async with lake._store() as store:

                    async def body() -> Any:
                        yield b"x"

                    await store.write("files", "late.csv", body())
            await asyncio.sleep(0.02)
            await clock.advance(5)
        return dict((await running).output)

    with pytest.raises(ActivityFailed, match="timed out"):
        asyncio.run(late(None))
    assert asyncio.run(late(25))["exists"] is True


def test_copy_of_bytes_keeps_the_hierarchy(lake: Lake) -> None:
    body = bytes(range(256)) * 40_000  # more than one block
    lake.put_all({"from/a.bin": body, "from/deep/b.bin": b"b", "from/c.txt": b"c"})
    output = lake.copy(
        lake.dataset("S", "Binary", "from"),
        lake.dataset("T", "Binary", "to"),
        {"storeSettings": {"recursive": True, "wildcardFileName": "*.bin"}},
    )
    assert lake.names("to/") == ["to/a.bin", "to/deep/b.bin"]
    assert lake.get("to/a.bin") == body
    assert (output["dataRead"], output["dataWritten"]) == (len(body) + 1, len(body) + 1)
    assert (output["filesRead"], output["filesWritten"]) == (2, 2)
    assert "rowsCopied" not in output
    assert output["executionDetails"][0]["status"] == "Succeeded"


def test_copy_flattens_and_merges(lake: Lake) -> None:
    lake.put_all({"from/a.csv": "h\n1\n", "from/deep/b.csv": "h\n2\n"})
    source = lake.dataset("S", "DelimitedText", "from", firstRowAsHeader=True)
    flat = {"storeSettings": {"copyBehavior": "FlattenHierarchy"}}
    lake.copy(source, lake.dataset("F", "DelimitedText", "flat"), None, flat)
    assert len(lake.names("flat/")) == 2
    assert all("/" not in name.removeprefix("flat/") for name in lake.names("flat/"))
    merged = {"storeSettings": {"copyBehavior": "MergeFiles"}}
    target = lake.dataset("M", "DelimitedText", "merged", "all.csv", firstRowAsHeader=True)
    output = lake.copy(source, target, None, merged)
    assert lake.get("merged/all.csv") == b"h\r\n1\r\n2\r\n"
    assert (output["rowsRead"], output["rowsCopied"], output["filesWritten"]) == (2, 2, 1)


def test_copy_maps_and_converts_text_to_parquet(lake: Lake) -> None:
    from pyarrow import parquet

    lake.put(a_csv="id;when;x\n1;2026-01-02T03:04:05Z;1.5\n2;;\n")
    translator = {
        "type": "TabularTranslator",
        "mappings": [
            {"source": {"name": "id"}, "sink": {"name": "ID", "type": "Int32"}},
            {"source": {"ordinal": 3}, "sink": {"name": "Amount", "type": "Double"}},
            {"source": {"name": "when"}, "sink": {"name": "At", "type": "DateTime"}},
        ],
    }
    lake.copy(
        lake.dataset("S", "DelimitedText", "", "a.csv", columnDelimiter=";", firstRowAsHeader=True),
        lake.dataset("T", "Parquet", "out"),
        translator=translator,
    )
    (name,) = lake.names("out/")
    assert name == "out/a.parquet"
    table = parquet.read_table(io.BytesIO(lake.get(name)))
    assert [str(t) for t in table.schema.types] == ["int32", "double", "timestamp[us]"]
    assert table.column_names == ["ID", "Amount", "At"]
    assert table.column("ID").to_pylist() == [1, 2]
    assert table.column("Amount").to_pylist() == [1.5, None]


def test_copy_fails_on_a_value_that_does_not_fit(lake: Lake) -> None:
    lake.put(a_csv="id\nx\n")
    mappings = [{"source": {"name": "id"}, "sink": {"name": "id", "type": "Int32"}}]
    with pytest.raises(ActivityFailed, match="TypeConversionFailure") as failed:
        lake.copy(
            lake.dataset("S", "DelimitedText", "", "a.csv", firstRowAsHeader=True),
            lake.dataset("T", "Parquet", "out"),
            translator={"type": "TabularTranslator", "mappings": mappings},
        )
    assert failed.value.code == "2200"
    assert lake.names("out/") == []


def test_copy_from_parquet_to_text_and_json(lake: Lake) -> None:
    import pyarrow
    from pyarrow import parquet

    raw = io.BytesIO()
    columns = {"n": [1, None], "b": [True, False], "t": ['a"b', "ü"], "f": [1.0, 2.5]}
    parquet.write_table(pyarrow.table(columns), raw)
    lake.put_all({"a.parquet": raw.getvalue()})
    source = lake.dataset("S", "Parquet", "", "a.parquet")
    lake.copy(source, lake.dataset("T", "DelimitedText", "", "t.csv", firstRowAsHeader=True))
    assert lake.get("t.csv").decode() == ('n,b,t,f\r\n1,True,"a\\"b",1\r\n,False,ü,2.5\r\n')
    lake.copy(source, lake.dataset("J", "Json", "", "j.json"))
    assert [json.loads(line) for line in lake.get("j.json").splitlines()] == [
        {"n": 1, "b": True, "t": 'a"b', "f": 1.0},
        {"n": None, "b": False, "t": "ü", "f": 2.5},
    ]


def test_copy_flattens_json_by_paths_and_its_collection(lake: Lake) -> None:
    document = {"order": {"id": 7}, "items": [{"sku": "a", "q": 1}, {"sku": "b", "q": 2}]}
    lake.put(a_json=json.dumps(document))
    translator = {
        "type": "TabularTranslator",
        "mappings": [
            {"source": {"path": "$['order']['id']"}, "sink": {"name": "order"}},
            {"source": {"path": "['sku']"}, "sink": {"name": "sku"}},
            {"source": {"path": "['q']"}, "sink": {"name": "q", "type": "Int32"}},
        ],
        "collectionReference": "$['items']",
    }
    target = lake.dataset("T", "DelimitedText", "", "t.csv", firstRowAsHeader=True)
    lake.copy(lake.dataset("S", "Json", "", "a.json"), target, translator=translator)
    assert lake.get("t.csv") == b"order,sku,q\r\n7,a,1\r\n7,b,2\r\n"


def test_copy_builds_json_by_paths(lake: Lake) -> None:
    lake.put(a_csv="x,y\n1,2\n")
    mappings = [
        {"source": {"name": "x"}, "sink": {"path": "$['p']['x']"}},
        {"source": {"name": "y"}, "sink": {"path": "$['p']['y']"}},
    ]
    lake.copy(
        lake.dataset("S", "DelimitedText", "", "a.csv", firstRowAsHeader=True),
        lake.dataset("T", "Json", "", "t.json"),
        None,
        {"formatSettings": {"filePattern": "arrayOfObjects"}},
        translator={"type": "TabularTranslator", "mappings": mappings},
    )
    assert json.loads(lake.get("t.json")) == [{"p": {"x": "1", "y": "2"}}]


def test_copy_packs_unpacks_and_reencodes(lake: Lake) -> None:
    text = "h\n\u00e4\n"
    lake.put_all({"a.csv.gz": gzip.compress(text.encode("cp1252"))})
    source = lake.dataset(
        "S",
        "DelimitedText",
        "",
        "a.csv.gz",
        firstRowAsHeader=True,
        encodingName="windows-1252",
        compressionCodec="gzip",
    )
    lake.copy(source, lake.dataset("T", "DelimitedText", "", "t.csv", encodingName="UTF-8"))
    assert lake.get("t.csv").decode() == "\u00e4\r\n"
    compressed: Any = {"compression": {"type": "GZip", "level": "Fastest"}}
    lake.copy(
        lake.dataset("B", "Binary", "", "t.csv"), lake.dataset("Z", "Binary", "z", **compressed)
    )
    assert gzip.decompress(lake.get("z/t.csv.gz")).decode() == "\u00e4\r\n"


def test_copy_adds_columns(lake: Lake) -> None:
    lake.put(in__a_csv="x\n1\n")
    added = [{"name": "p", "value": "$$FILEPATH"}, {"name": "y", "value": "$$COLUMN:x"}]
    lake.copy(
        lake.dataset("S", "DelimitedText", "in", "a.csv", firstRowAsHeader=True),
        lake.dataset("T", "DelimitedText", "", "t.csv"),
        {"additionalColumns": added},
    )
    assert lake.get("t.csv") == b"1,in/a.csv,1\r\n"


@pytest.mark.parametrize(
    ("properties", "source", "what"),
    [
        ({"enableStaging": True}, {}, "enableStaging"),
        ({"enableSkipIncompatibleRow": True}, {}, "enableSkipIncompatibleRow"),
        ({"skipErrorFile": {"fileMissing": True}}, {}, "skipErrorFile"),
        ({}, {"storeSettings": {"enablePartitionDiscovery": True}}, "partition discovery"),
        ({}, {"storeSettings": {"fileListPath": "c/list"}}, "fileListPath"),
    ],
)
def test_what_is_not_honoured_is_refused(
    lake: Lake, properties: dict[str, Any], source: dict[str, Any], what: str
) -> None:
    lake.put(a_csv="1\n")
    with pytest.raises(ActivityFailed, match=what) as failed:
        lake.copy(
            lake.dataset("S", "DelimitedText", "", "a.csv"),
            lake.dataset("T", "DelimitedText", "", "t.csv"),
            source,
            **properties,
        )
    assert failed.value.code == "NotEmulated"


@pytest.mark.parametrize("kind", ["Excel", "Avro", "Orc", "Xml"])
def test_formats_that_are_not_read_are_refused(lake: Lake, kind: str) -> None:
    lake.put(a_csv="1\n")
    with pytest.raises(ActivityFailed, match=kind) as failed:
        lake.do("Lookup", lake.dataset("A", kind, "", "a.csv"))
    assert failed.value.code == "NotEmulated"


def test_more_columns_than_the_header_fail(lake: Lake) -> None:
    lake.put(a_csv="x\n1,2\n")
    with pytest.raises(ActivityFailed, match="DelimitedTextMoreColumnsThanDefined"):
        lake.do("Lookup", lake.dataset("A", "DelimitedText", "", "a.csv", firstRowAsHeader=True))


cells = st.none() | st.text(st.characters(codec="utf-8"), max_size=8) | st.just('a,"b\\\r\n')
names = st.lists(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), min_size=1, max_size=3
).filter(lambda found: len({name.lower() for name in found}) == len(found))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_table_survives_every_format(lake: Lake, data: st.DataObject) -> None:
    """Delimited text to JSON to Parquet to delimited text again."""
    columns = data.draw(names)
    table = data.draw(
        st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns)), min_size=1)
    )
    dialect: dict[str, Any] = {
        "columnDelimiter": data.draw(st.sampled_from([",", ";", "\t"])),
        "escapeChar": data.draw(st.sampled_from(["\\", '"'])),
        "nullValue": data.draw(st.sampled_from(["", "NULL"])),
        "encodingName": data.draw(st.sampled_from(["UTF-8", "UTF-16", "UTF-32"])),
        "firstRowAsHeader": True,
    }
    marks = Dialect(
        dialect["columnDelimiter"], "", '"', dialect["escapeChar"], dialect["nullValue"]
    )
    text = RowWriter(marks, quote_all=True).write([columns, *table])
    lake.put(a_csv=text.encode(ENCODINGS[str(dialect["encodingName"]).lower()]))
    steps = [
        lake.dataset("A", "DelimitedText", "", "a.csv", **dialect),
        lake.dataset("B", "Json", "", "b.json"),
        lake.dataset("C", "Parquet", "", "c.parquet"),
        lake.dataset("D", "DelimitedText", "", "d.csv", **dialect),
    ]
    for source, sink in itertools.pairwise(steps):
        assert lake.copy(source, sink)["rowsCopied"] == len(table)
    output = lake.do("Lookup", steps[-1], firstRowOnly=False)
    assert [[row[name] for name in columns] for row in output["value"]] == table


def test_datasets_of_the_first_shape_are_read(lake: Lake) -> None:
    lake.put_all({"old/a.csv": "skip\nid|name\n1|\\N\n", "old/b.json": '{"a": 1}'})
    shape = {"folderPath": "files/old", "fileName": "a.csv"}
    text = {"type": "TextFormat", "columnDelimiter": "|", "firstRowAsHeader": True}
    text |= {"skipLineCount": 1}
    body = {"type": "AzureBlob", "linkedServiceName": STORE}
    publish = lake.bench.resources.publish
    publish("datasets", "Old", {**body, "typeProperties": {**shape, "format": text}})
    publish("datasets", "Raw", {**body, "typeProperties": shape})
    old = {"referenceName": "Old", "type": "DatasetReference"}
    raw = {"referenceName": "Raw", "type": "DatasetReference"}
    assert lake.do("Lookup", old)["firstRow"] == {"id": "1", "name": None}
    lake.copy(raw, lake.dataset("T", "Binary", "new"), {"type": "BlobSource", "recursive": False})
    assert lake.get("new/a.csv").startswith(b"skip")


def test_files_are_read_over_http(lake: Lake) -> None:
    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            right = self.headers.get("authorization") == "Basic bWU6cHc="
            self.send_response(200 if right and self.path == "/d/x.csv?v=1" else 404)
            self.end_headers()
            self.wfile.write(b"id\n5\n")

        def log_message(self, format: str, *args: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    account = {
        "url": f"http://localhost:{server.server_address[1]}/d/",
        "authenticationType": "Basic",
        "userName": "me",
        "password": {"type": "SecureString", "value": "pw"},
    }
    lake.link("Web", "HttpServer", account)
    body = {
        "type": "DelimitedText",
        "linkedServiceName": {"referenceName": "Web", "type": "LinkedServiceReference"},
        "typeProperties": {
            "location": {"type": "HttpServerLocation", "relativeUrl": "x.csv?v=1"},
            "firstRowAsHeader": True,
        },
    }
    lake.bench.resources.publish("datasets", "Far", body)
    far = {"referenceName": "Far", "type": "DatasetReference"}
    assert lake.do("Lookup", far)["firstRow"] == {"id": "5"}
    output = lake.copy(far, lake.dataset("T", "Json", "", "t.json"))
    assert (output["rowsCopied"], lake.get("t.json")) == (1, b'{"id":"5"}')
    body["typeProperties"]["location"]["relativeUrl"] = "none.csv"  # type: ignore[index]
    with pytest.raises(ActivityFailed, match="HttpFileFailedToRead"):
        lake.do("Lookup", far)
    server.shutdown()
