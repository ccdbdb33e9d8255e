"""The published form of what --json writes."""

import json

import jsonschema
import msgspec
import pytest

from signedin import DoneEvent, MessageEvent, RunResult, SessionEvent, TurnInterruptedError, Usage
from signedin.cli.documents import Failure, ResultLine, RunDocument
from signedin.cli.errors import UsageError
from signedin.cli.schema import DOCUMENTS, schema, schema_of

from .test_blocks import result

EVENTS = (
    SessionEvent(session_id="s"),
    MessageEvent(item_id="a", text="Done.", payload=msgspec.Raw(b'{"any": ["thing"]}')),
    DoneEvent(text="Done.", reason="completed"),
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_has_a_schema_that_is_one(capsys, name):
    schema.main([name], standalone_mode=False)
    printed = json.loads(capsys.readouterr().out)
    assert printed == msgspec.json.decode(msgspec.json.encode(schema_of(name)))
    jsonschema.Draft202012Validator.check_schema(printed)


def test_all_are_listed(capsys):
    schema.main([], standalone_mode=False)
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == list(DOCUMENTS)


def test_an_unknown_name_is_said_with_the_known_ones():
    with pytest.raises(UsageError, match="no document 'nope'; choose one of: run, run-line, "):
        schema.main(["nope"], standalone_mode=False)


@pytest.mark.parametrize("error", [None, TurnInterruptedError("stopped")])
def test_what_a_run_writes_fits_and_has_every_field_of_a_result(error):
    ended = result(events=EVENTS, output={"a": 1}, usage=Usage(1, 0, 0, 2))
    document = RunDocument.of(ended, error)
    assert document.error == (Failure.of(error) if error else None)
    written = json.loads(msgspec.json.encode(document))
    assert written.keys() == {*RunResult.__struct_fields__, "error"}
    jsonschema.validate(written, schema_of("run"))
    for line in (*EVENTS, ResultLine.of(ended, error)):
        jsonschema.validate(json.loads(msgspec.json.encode(line)), schema_of("run-line"))
    assert "events" not in ResultLine.__struct_fields__


def test_what_does_not_fit_is_noticed():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"kind": "message", "text": 1}, schema_of("run-line"))
