"""`Json("form.schema.json")`: what `check` says of the file, what it knows of fields, and what hashes keep of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from cli_runs import tts
from ttscale.compiler import types as t
from ttscale.compiler.bind import bind
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.canonical import canonical_hash, module_hash
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.driver import Checked, compile_source
from ttscale.compiler.render import render
from ttscale.compiler.schema import read_schema, schema_file
from ttscale.compiler.schema_types import fields_of
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader
from ttscale.library.standard import stage_prompts
from ttscale.lsp.programs import Programs
from ttscale.runtime.answers import coerce
from ttscale.runtime.executor import execute
from ttscale.runtime.models import EngineHouse
from ttscale.runtime.result import RunError

ITEM = {"type": "object", "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}}, "required": ["sku"]}
INVOICE = {
    "type": "object",
    "properties": {
        "vendor": {"type": "string", "description": "who sent it"},
        "total": {"type": "number"},
        "kind": {"enum": ["bill", "reminder"]},
        "paid": {"type": "boolean"},
        "due": {"type": ["string", "null"]},
        "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
    },
    "required": ["vendor", "total", "kind", "items"],
    "$defs": {"Item": ITEM},
}
PROGRAM = """tts 1

model m = script("{}")

prompt extract(letter: Text) -> Json("form.json") = "{{ output_format }} {{ letter }}"

pipeline main(letter: Text) -> RESULT {
  form = generate(extract(letter), from: m, n: 3) |> vote()
  return FIELD
}
"""


def program(folder: Path, field: str = "text(form.vendor)", result: str = "Text", text: str = PROGRAM) -> Checked:
    source = text.replace("FIELD", field).replace("RESULT", result)
    return compile_source(SourceFile(str(folder / "main.tts"), source), FileLoader())


def write(folder: Path, schema: object = INVOICE, name: str = "form.json") -> None:
    text = schema if isinstance(schema, str) else json.dumps(schema, indent=2)
    (folder / name).write_text(text, encoding="utf-8")


def said(checked: Checked) -> list[tuple[str, str, str]]:
    return [(d.code, d.message, d.hint) for d in checked.diagnostics if d.severity != "lint"]


def only(checked: Checked) -> Diagnostic:
    (found,) = [d for d in checked.diagnostics if d.severity != "lint"]
    return found


# --- the file --------------------------------------------------------------------------------------


def test_a_good_schema_is_read_once_and_nothing_is_said(tmp_path: Path) -> None:
    write(tmp_path)
    checked = program(tmp_path)
    assert said(checked) == []
    (file,) = checked.linked.schemas.values()
    assert json.loads(file.canonical) == INVOICE and file.name in checked.sources


def test_a_missing_schema_is_told_by_check(tmp_path: Path) -> None:
    write(tmp_path, name="forms.json")
    found = only(program(tmp_path))
    assert found.code == "E0410" and found.hint == 'did you mean `Json("forms.json")`?'
    assert found.primary is not None and found.primary.start == PROGRAM.index('"form.json"')
    (tmp_path / "forms.json").unlink()
    assert only(program(tmp_path)).hint == "its path counts from the folder of this file"
    (tmp_path / "form.json").write_bytes(b"\xff\xfe{")
    assert only(program(tmp_path)).code == "E0410"


SEVERAL = '{"type": "object", "properties": {"a": {"type": "sting"}, "b": {"pattern": "("}}}'


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("no_json", '{"type": "object", properties: {}}'),
        ("trailing_comma", '{\n  "type": "object",\n}\n'),
        ("comment", '// the form\n{"type": "object"}'),
        ("empty", ""),
        ("missing_comma", '{"type": "object"\n "properties": {}}'),
        ("ends_early", '{"type": "object"'),
        ("no_object", '["object"]'),
        ("unknown_type", '{\n  "properties": {"total": {"type": "int"}}\n}'),
        ("several", SEVERAL),
        ("lost_reference", '{"properties": {"a": {"$ref": "#/$defs/Itm"}}, "$defs": {"Item": {}}}'),
        ("other_file", '{"properties": {"a": {"$ref": "item.json"}}}'),
        ("circle", '{"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}'),
        ("required_flag", '{"properties": {"a": {"type": "string", "required": true}}}'),
        ("required_unknown", '{"properties": {"vendor": {}}, "required": ["vendr"]}'),
        ("never_fits", '{"properties": {"a": {}}, "required": ["total"], "additionalProperties": false}'),
        ("misspelt_keyword", '{"type": "object", "propertes": {"a": {}}}'),
        ("limit_as_text", '{"properties": {"a": {"minimum": "1"}, "b": {"maxItems": -1}, "c": {"enum": []}}}'),
        ("no_schema_inside", '{"properties": {"a": "string"}, "anyOf": {}, "$defs": []}'),
    ],
)
def test_what_is_said_of_a_schema(tmp_path: Path, golden: object, name: str, schema: str) -> None:
    write(tmp_path, schema)
    checked = program(tmp_path)
    found = [d for d in checked.diagnostics if d.severity != "lint"]
    assert found and {d.code for d in found} <= {"E0411", "W0412"}
    text = "\n\n".join(render(d, checked.sources) for d in found).replace(f"{tmp_path}/", "")
    golden(f"schemas/{name}.err", text + "\n")  # type: ignore[operator]


def test_of_a_broken_schema_nothing_more_is_said(tmp_path: Path) -> None:
    write(tmp_path, '{"type": "objet"}')
    checked = program(tmp_path, field="text(form.anything)")
    assert [code for code, _, _ in said(checked)] == ["E0411"]


@pytest.mark.parametrize("text", ["{", '{"a": [1, {"b": "}"}], "type": 1}', "[" * 5000, '{"a": NaN}', "nul", '"\\u12"'])
def test_no_text_breaks_the_reader(text: str) -> None:
    schema, flaws = read_schema(text)
    assert schema is None and flaws and all(0 <= flaw.start <= flaw.end for flaw in flaws)


def test_a_part_of_a_schema(tmp_path: Path) -> None:
    write(tmp_path)
    text = PROGRAM.replace("form.json", "form.json#/$defs/Item")
    assert said(program(tmp_path, "form.sku", text=text)) == []
    assert only(program(tmp_path, "form.vendor", text=text)).code == "E0240"
    anchored = {**ITEM, "$anchor": "item"}
    write(tmp_path, {**INVOICE, "$defs": {"Item": anchored}})
    assert only(program(tmp_path, "form.vendor", text=PROGRAM.replace("form.json", "form.json#item"))).code == "E0240"
    assert {code for code, _, _ in said(program(tmp_path, text=PROGRAM.replace("form.json", "#/$defs/Item")))} == {
        "E0205"
    }
    found = only(program(tmp_path, "text(form)", text=text.replace("Item", "Items")))
    assert (found.code, found.hint) == ("E0411", "there is #/$defs/Item")


def test_a_module_reads_its_schema_beside_itself(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write(inner)
    (inner / "forms.tts").write_text(PROGRAM.split("pipeline")[0], encoding="utf-8")
    text = 'tts 1\nuse ./inner/forms as f\nmodel m = script("{}")\npipeline main(letter: Text) -> Text {\n'
    text += "  form = generate(f.extract(letter), from: m)\n  return form.vendr\n}\n"
    found = only(program(tmp_path, text=text))
    assert (found.code, found.hint) == ("E0240", "did you mean `vendor`?")


# --- fields ----------------------------------------------------------------------------------------


def test_the_types_that_a_schema_gives() -> None:
    kind = t.Json("form.json", schema_file("form.json", json.dumps(INVOICE)).canonical)
    members = fields_of(kind)
    item = t.Json("form.json", kind.text, "/$defs/Item")
    assert dict(members.known) == {
        "vendor": t.TEXT,
        "total": t.NUMBER,
        "kind": t.Choice(("bill", "reminder")),
        "paid": t.Optional(t.BOOL),
        "due": t.Optional(t.TEXT),
        "items": t.ListOf(item),
    }
    assert members.docs["vendor"] == "who sent it" and not members.open
    assert dict(fields_of(item).known) == {"sku": t.TEXT, "count": t.Optional(t.INT)}
    assert str(item) == 'Json("form.json#/$defs/Item")'


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["integer", "number"]}, t.NUMBER),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, t.Optional(t.TEXT)),
        ({"oneOf": [{"type": "string"}, {"type": "number"}]}, t.ANY),
        ({"const": "yes"}, t.Choice(("yes",))),
        ({"enum": ["a", None]}, t.Optional(t.Choice(("a",)))),
        ({"enum": [1, 2.5]}, t.NUMBER),
        ({"enum": [True, "a"]}, t.ANY),
        ({"type": "string", "nullable": True}, t.Optional(t.TEXT)),
        ({"type": "array"}, t.ListOf(t.ANY)),
        ({"items": {"type": "array", "items": {"type": "integer"}}}, t.ListOf(t.ListOf(t.INT))),
        ({"allOf": [{"type": "string"}, {"maxLength": 3}]}, t.TEXT),
        ({"$ref": "#"}, None),
        (True, t.ANY),
        ({}, t.ANY),
    ],
)
def test_the_type_of_a_property(schema: object, expected: t.Type | None) -> None:
    text = json.dumps({"type": "object", "properties": {"x": schema}, "required": ["x"]})
    found = fields_of(t.Json("f", schema_file("f", text).canonical)).known["x"]
    assert found == expected if expected is not None else isinstance(found, t.Json)


def test_fields_of_combined_schemas() -> None:
    one = {"type": "object", "properties": {"a": {"type": "string"}, "same": {"type": "number"}}, "required": ["a"]}
    two = {"type": "object", "properties": {"b": {"type": "string"}, "same": {"type": "number"}}, "required": ["b"]}
    both = fields_of(t.Json("f", schema_file("f", json.dumps({"allOf": [one, two]})).canonical))
    assert dict(both.known) == {"a": t.TEXT, "same": t.Optional(t.NUMBER), "b": t.TEXT}
    either = fields_of(t.Json("f", schema_file("f", json.dumps({"anyOf": [one, two]})).canonical))
    assert dict(either.known) == {name: t.Optional(kind) for name, kind in [("a", t.TEXT), ("same", t.NUMBER)]} | {
        "b": t.Optional(t.TEXT)
    }


@pytest.mark.parametrize(
    ("field", "result", "hint"),
    [
        ("form.vendr", "Text", "did you mean `vendor`?"),
        ("form.items[0].sk", "Text", "did you mean `sku`?"),
        ("form.anything", "Text", "it has `vendor`, `total`, `kind`, `paid`, `due`, `items`"),
    ],
)
def test_a_field_that_the_schema_does_not_have(tmp_path: Path, field: str, result: str, hint: str) -> None:
    write(tmp_path)
    found = only(program(tmp_path, field, result))
    assert (found.code, found.hint) == ("E0240", hint)


@pytest.mark.parametrize(
    ("field", "result"),
    [
        ("form.vendor", "Text"),
        ("form.total * 2", "Number"),
        ("form.paid", "Bool?"),
        ("form.due", "Text?"),
        ("form.kind == bill", "Bool"),
        ("form.items[0].count", "Int?"),
    ],
)
def test_fields_have_types(tmp_path: Path, field: str, result: str) -> None:
    write(tmp_path)
    assert said(program(tmp_path, field, result)) == []


@pytest.mark.parametrize(
    ("field", "result"),
    [("form.vendor", "Number"), ("form.total + form.vendor", "Number"), ("form.kind == bil", "Bool")],
)
def test_a_field_of_the_wrong_type_is_an_error(tmp_path: Path, field: str, result: str) -> None:
    write(tmp_path)
    assert [code[0] for code, _, _ in said(program(tmp_path, field, result))] == ["E"]


def test_a_schema_that_lets_others_in_lets_fields_be(tmp_path: Path) -> None:
    for more in ({"additionalProperties": True}, {"patternProperties": {"^x": {}}}, {"properties": {}}):
        write(tmp_path, INVOICE | more)
        assert said(program(tmp_path, "text(form.anything)")) == [], more


def test_a_list_at_the_top(tmp_path: Path) -> None:
    write(tmp_path, {"type": "array", "items": ITEM})
    assert said(program(tmp_path, "form[0].sku")) == []
    assert only(program(tmp_path, "form.sku")).code == "E0240"
    asked = "map item in form, max: 2 { yield generate(extract(item.sku), from: m) }"
    assert said(program(tmp_path, f"({asked})[0]", 'Json("form.json")')) == []
    found = program(tmp_path, f"({asked})[0]".replace("sku", "sk"), 'Json("form.json")')
    assert [code for code, _, _ in said(found)] == ["E0240"]


def test_one_schema_under_two_paths_is_one_type(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, INVOICE, "copy.json")
    assert said(program(tmp_path, "form", 'Json("copy.json")')) == []
    write(tmp_path, {**INVOICE, "required": []}, "copy.json")
    assert [code for code, _, _ in said(program(tmp_path, "form", 'Json("copy.json")'))] == ["E0238"]


# --- hashes, locks, differences --------------------------------------------------------------------


def test_a_changed_schema_changes_the_hash_and_its_layout_does_not(tmp_path: Path) -> None:
    write(tmp_path)
    first = program(tmp_path).linked
    write(tmp_path, json.dumps(INVOICE))
    assert module_hash(program(tmp_path).linked, first.entry) == module_hash(first, first.entry)
    write(tmp_path, {**INVOICE, "required": ["vendor"]})
    assert module_hash(program(tmp_path).linked, first.entry) != module_hash(first, first.entry)


def test_without_a_schema_the_hash_is_that_of_the_text() -> None:
    linked = compile_source(SourceFile("main.tts", 'tts 1\nmodel m = script("1")\n'), FileLoader()).linked
    assert module_hash(linked, "main.tts") == canonical_hash(linked.main.tree)


RUN = (
    PROGRAM.replace("RESULT", "Text")
    .replace("FIELD", "text(form.vendor)")
    .replace('"{}"', '"{\\"vendor\\": \\"Acme\\", \\"total\\": 1, \\"kind\\": \\"bill\\", \\"items\\": []}"')
)


def test_the_lock_notices_a_changed_schema(tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / "main.tts"
    file.write_text(RUN, encoding="utf-8")
    assert "1 schema" in tts("lock", file).out
    assert list(json.loads((tmp_path / "tts.lock").read_text(encoding="utf-8"))["schemas"]) == ["form.json"]
    before = tts("run", file, "x", "--locked", "--json")
    assert before.code == 0 and before.json["answer"] == "Acme"
    write(tmp_path, {**INVOICE, "title": "An invoice"})
    ran = tts("run", file, "x", "--locked")
    assert ran.code == 1 and "the schema form.json has changed since it was locked" in ran.err
    assert tts("run", file, "x", "--json").json["program"]["hash"] != before.json["program"]["hash"]


def test_diff_says_what_changed_in_a_schema(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.tts").write_text(RUN, encoding="utf-8")
        write(tmp_path / name)
    files = [tmp_path / name / "main.tts" for name in ("old", "new")]
    assert tts("diff", *files, "--json").json["same"] is True
    write(tmp_path / "new", {**INVOICE, "required": ["vendor"]})
    shown = tts("diff", *files).out
    assert "changed  schema form.json" in shown and '-    "total",' in shown
    (change,) = tts("diff", *files, "--json").json["changes"]
    assert (change["kind"], change["name"]) == ("schema", "form.json")


# --- templates -------------------------------------------------------------------------------------

TEMPLATE = """tts 1
model m = script({"PROMPT": ["yes"], "": ["no"]})
record Line { sku: Text }
record Bill { items: [Line]  inner: {a: Int} }
prompt say(form: Json("form.json"), bill: Bill) -> Text = "TEXT"
pipeline main(form: Json("form.json"), bill: Bill) -> Text {
  return generate(say(form, bill), from: m)
}
"""


@pytest.mark.parametrize(
    ("text", "wrong", "hint"),
    [
        ("{{ form.vendr }}", "`form` has no field `vendr`", "did you mean `vendor`?"),
        ("{{ form.items[0].sk }}", "`form.items[0]` has no field `sk`", "did you mean `sku`?"),
        ("{% for i in form.items %}{{ i.sk }}{% endfor %}", "`i` has no field `sk`", "did you mean `sku`?"),
        ("{% set first = bill.items[0] %}{{ first.sk }}", "`first` has no field `sk`", "did you mean `sku`?"),
        ("{{ bill.inner.b }}", "`bill.inner` has no field `b`", "it has `a`"),
        ("{% for i in bill.items if i.sk %}{% endfor %}", "`i` has no field `sk`", "did you mean `sku`?"),
        ("{{ form.kind.label }}", "`form.kind` is Choice(bill, reminder), which has no field `label`",
         "write `{{ form.kind }}`"),
        ("{% for form in bill.items %}{{ form.sku }}{{ loop.index }}{% endfor %}", "", ""),
        ("{% for a, b in form.items %}{{ a.anything }}{% endfor %}", "", ""),
        ("{% macro row(form) %}{{ form.anything }}{% endmacro %}{{ row(1) }}", "", ""),
        ("{{ form.total }} {{ form.due }} {{ form.items[0].count }}", "", ""),
    ],
)  # fmt: skip
def test_fields_in_templates(tmp_path: Path, text: str, wrong: str, hint: str) -> None:
    write(tmp_path)
    found = program(tmp_path, text=TEMPLATE.replace("TEXT", text + "{{ bill.items }}{{ form.vendor }}"))
    assert [(m, h) for code, m, h in said(found) if code == "E0308"] == ([(wrong, hint)] if wrong else [])
    assert all(code == "E0308" for code, _, _ in said(found))


def test_templates_see_fields_before_methods_and_none_where_one_is_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / "main.tts"
    text = "{% for i in form.items %}{{ i.sku }},{% endfor %} {% for i in bill.items %}{{ i.sku }}{% endfor %}"
    text += " {{ form.due }}"
    file.write_text(TEMPLATE.replace("TEXT", text).replace("PROMPT", "a,b, x none"), encoding="utf-8")
    form = {"vendor": "v", "total": 1, "kind": "bill", "items": [{"sku": "a"}, {"sku": "b"}]}
    bill = {"items": [{"sku": "x"}], "inner": {"a": 1}}
    ran = tts("run", file, "--set", f"form={json.dumps(form)}", "--set", f"bill={json.dumps(bill)}")
    assert ran.out.strip() == "yes", ran.err


def test_a_property_that_is_left_out_is_none_and_another_is_an_error() -> None:
    kind = t.Json("form.json", schema_file("form.json", json.dumps(INVOICE)).canonical)
    value, _ = coerce(kind, {"vendor": "v", "total": 1, "kind": "bill", "items": [{"sku": "a"}]})
    assert isinstance(value, dict) and value["due"] is None and "due" not in value
    assert value["items"][0]["count"] is None
    with pytest.raises(KeyError):
        value["anything"]


def test_the_editor_sees_the_schema_that_is_being_written(tmp_path: Path) -> None:
    programs = Programs()
    name, beside = str(tmp_path / "main.tts"), str(tmp_path / "form.json")
    programs.put(name, PROGRAM.replace("FIELD", "text(form.vendor)").replace("RESULT", "Text"))
    checked = programs.checked(name)
    assert checked is not None and [code for code, _, _ in said(checked)] == ["E0410"]
    write(tmp_path)
    programs.forget_files()
    checked = programs.checked(name)
    assert checked is not None and said(checked) == []
    programs.put(beside, '{"type": "objet"}')
    programs.forget_files()
    checked = programs.checked(name)
    assert checked is not None and [code for code, _, _ in said(checked)] == ["E0411"]


def test_a_schema_that_no_loader_reads_is_looked_for_in_the_run(tmp_path: Path) -> None:
    text = PROGRAM.replace("FIELD", "text(form.vendor)").replace("RESULT", "Text")
    checked = compile_source(SourceFile(str(tmp_path / "main.tts"), text), lambda path, version, file: None)
    graph, found = bind(checked.require_ok(), "main", {}, std=stage_prompts())
    assert graph is not None and not found
    for schema, words in ((None, "cannot be read"), ('{"type": "objet"}', "which JSON does not have")):
        if schema is not None:
            write(tmp_path, schema)
        house = EngineHouse(tmp_path)
        with pytest.raises(RunError) as raised:
            asyncio.run(execute(graph, make_plan(graph), {"letter": "x"}, house.for_run(), folder=tmp_path))
        asyncio.run(house.close())
        diagnostic = raised.value.diagnostic
        assert diagnostic.code == "R0714" and words in diagnostic.message and diagnostic.primary is not None
