"""Values checked against schemas, and schemas as prompts show them."""

from __future__ import annotations

import json

import pytest
from test_schemas import INVOICE
from ttscale.compiler import types as t
from ttscale.compiler.schema import read_schema, schema_file
from ttscale.runtime.answers import output_format, read
from ttscale.runtime.answers.schema import problems


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"uniqueItems": True}, [1, 2, True], [1, 1.0]),
        ({"multipleOf": 0.1}, 0.3, 0.35),
        ({"minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ({"minProperties": 1}, {"a": 1}, {}),
        ({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, [1, "a"], [1, 2]),
        ({"contains": {"type": "integer"}, "maxContains": 1}, ["a", 1], [1, 2]),
        ({"patternProperties": {"^n_": {"type": "number"}}, "additionalProperties": False}, {"n_a": 1}, {"m": 1}),
        ({"propertyNames": {"maxLength": 2}}, {"ab": 1}, {"abc": 1}),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 2}, {"a": 1}),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}, {"c": 1}, {"a": 1}),
        ({"const": True}, True, 1),
        ({"enum": [[1]]}, [1.0], [True]),
        ({"type": "string", "nullable": True}, None, 1),
        ({"$ref": "#/$defs/A", "maximum": 3, "$defs": {"A": {"type": "integer"}}}, 2, 4),
        (
            {"$anchor": "top", "properties": {"next": {"$ref": "#top"}}, "required": ["n"]},
            {"n": 1},
            {"n": 1, "next": {}},
        ),
        ({"dependentSchemas": {"a": {"minProperties": 2}}}, {"a": 1, "b": 1}, {"a": 1}),
    ],
)
def test_keywords_are_checked(schema: dict[str, object], good: object, bad: object) -> None:
    assert read_schema(json.dumps(schema))[1] == []
    assert problems(good, schema, schema) == [] and problems(bad, schema, schema) != []


def test_the_output_format_shows_what_the_schema_says() -> None:
    schema = {
        **INVOICE,
        "$defs": {
            "Item": {
                "type": "object",
                "description": "a line",
                "properties": {"sku": {"type": "string", "description": "the article"}, "count": {"minimum": 1}},
                "required": ["sku"],
            }
        },
    }
    kind = t.Json("form.json", schema_file("form.json", json.dumps(schema)).canonical)
    assert output_format(kind) == (
        "Reply with one JSON object and nothing else, of this shape:\n"
        "{\n"
        '  "vendor": "<text>",  // who sent it\n'
        '  "total": <number>,\n'
        '  "kind": "bill" or "reminder",\n'
        '  "paid": true or false,  // may be left out\n'
        '  "due": "<text>" or null,  // may be left out\n'
        '  "items": [{\n'
        '    "sku": "<text>",  // the article\n'
        '    "count": <JSON>  // at least 1; may be left out\n'
        "  }, ...]\n"
        "}"
    )
    inner = t.Record("Part", (t.Field("name", t.TEXT, "its name"),))
    outer = t.Record("Whole", (t.Field("parts", t.ListOf(inner), "all of them"), t.Field("form", kind, "the form")))
    shown = output_format(outer)
    for comment in ("[{  // all of them", '"name": "<text>"  // its name', "{  // the form", "// who sent it"):
        assert comment in shown


def test_a_schema_without_one_shape_is_shown_as_it_is() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}, "description": "a chain"}
    shown = output_format(t.Json("f", schema_file("f", json.dumps(tree)).canonical))
    assert json.dumps(tree) in shown
    again = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"oneOf": [{}, {}]}}}
    kind = t.Json("f", schema_file("f", json.dumps(again)).canonical, "/properties/a")
    assert '"oneOf"' in output_format(kind) or '"$ref"' in output_format(kind)


def test_an_answer_is_read_by_its_part_of_the_schema() -> None:
    text = schema_file("form.json", json.dumps(INVOICE)).canonical
    item = t.Json("form.json", text, "/$defs/Item")
    assert read(item, '{"sku": "a", "count": 2}')[0] == {"sku": "a", "count": 2}
    assert read(item, '{"count": 2}') == (None, None)
