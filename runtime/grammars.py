"""Grammars of answers, in llama.cpp's GBNF: what a constrained sample may say, from the type it is read as.

    constraint_for(record_type)             # a JSON object with these fields, in this order
    constraint_for(Choice(("a", "b")))      # one of the labels and nothing else

A grammar allows at least what the type's reader takes of this form: keywords of a schema that need counting or looking
back (`pattern`, `multipleOf`, `uniqueItems`, bounds of numbers) are left to the check that follows every answer. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ttscale.compiler import types as t
from ttscale.compiler.schema import follow, part_of
from ttscale.runtime.answers.schema import schema_of
from ttscale.runtime.engines.base import Constraint

MOST_REPEATS = 1000  # llama.cpp refuses grammars with larger ones; longer limits are left to the check
NUMBER = '"-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})?'
BASE: Mapping[str, str] = {
    "ws": '(" " | "\\n" " "{0,16})?',
    "char": r'[^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "string": '"\\"" char* "\\""',
    "number": f"{NUMBER} ([eE] [-+]? [0-9]{{1,2}})?",
    "integer": '"-"? ("0" | [1-9] [0-9]{0,14})',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "value": 'object | array | string | number | boolean | "null"',
    "object": '"{" ws (pair ("," ws pair)* ws)? "}"',
    "pair": 'string ":" ws value',
    "array": '"[" ws (value ("," ws value)* ws)? "]"',
}
NEEDS = {
    "string": ("char",),
    "value": ("object", "array", "string", "number", "boolean"),
    "object": ("pair", "ws"),
    "pair": ("string", "ws", "value"),
    "array": ("value", "ws"),
}


def is_structured(type_: t.Type) -> bool:
    """Whether answers of a type are JSON, which its output format asks for alone: constrained unless told otherwise."""
    match type_:
        case t.Record() | t.Json():
            return True
        case t.ListOf(item):
            return not isinstance(item, t.Text) and not _is_number(item)
        case t.Optional(item):
            return is_structured(item)
    return False


def constraint_for(type_: t.Type, folder: Path | None = None) -> Constraint | None:
    """What answers that are read as `type_` may say; None for types of free text and programs. Raises SchemaError."""
    match type_:
        case t.Optional(item):
            inner = constraint_for(item, folder)
            if inner is None:
                return None
            rules = inner.grammar.replace("root ::= ws answer\n", 'root ::= ws (answer | "none")\n', 1)
            return Constraint(rules)
        case t.Choice(labels):
            return _plain(" | ".join(map(_literal, labels)))
        case t.Simple(name="Bool"):
            return _plain('"yes" | "no"')
        case t.Simple(name="Int"):
            return _plain("integer", "integer")
        case t.Simple(name="Float" | "Number"):
            return _plain(NUMBER)
        case t.ListOf(item) if _is_number(item):
            number = "integer" if item == t.INT else f"({NUMBER})"
            return _plain(f'{number} ("," " "? {number})*', *(["integer"] if item == t.INT else []))
        case t.ListOf(t.Text()):
            return _plain('"- " [^\\n]+ ("\\n- " [^\\n]+)*')
        case _ if is_structured(type_):
            return _json(type_, folder)
    return None


def _is_number(type_: t.Type) -> bool:
    return isinstance(type_, t.Simple) and type_.name in ("Int", "Float", "Number")


def _plain(answer: str, *names: str) -> Constraint:
    return Constraint(_written({"answer": answer}, {"ws", *names}))


def _json(type_: t.Type, folder: Path | None) -> Constraint:
    rules = Rules()
    known = schema_of(type_, folder) if isinstance(type_, t.Json) else None
    if known is not None:
        schema, root = known
        rules.names["answer"] = rules.of(schema, root if isinstance(root, Mapping) else {})
        text = json.dumps(schema, ensure_ascii=False, sort_keys=True) if schema is root else ""
    else:
        schema = schema_of_type(type_, folder, rules)
        rules.names["answer"] = rules.of(schema, {})
        text = "" if rules.foreign else json.dumps(schema, ensure_ascii=False)
    return Constraint(_written(rules.names, rules.used), text)


def schema_of_type(type_: t.Type, folder: Path | None, rules: Rules) -> Mapping[str, object]:
    """A type inside a record, as a JSON schema; parts of schema files stay references to `rules.foreign`."""
    match type_:
        case t.Record(_, fields):
            return {
                "type": "object",
                "properties": {field.name: schema_of_type(field.type, folder, rules) for field in fields},
                "required": [field.name for field in fields],
                "additionalProperties": False,
            }
        case t.ListOf(item):
            return {"type": "array", "items": schema_of_type(item, folder, rules)}
        case t.Optional(item):
            return {"anyOf": [schema_of_type(item, folder, rules), {"type": "null"}]}
        case t.Choice(labels):
            return {"enum": list(labels)}
        case t.Json():
            known = schema_of(type_, folder)
            if known is None:
                return {}
            rules.foreign.append(known)
            return {"foreign": len(rules.foreign) - 1}
        case t.Simple(name="Bool"):
            return {"type": "boolean"}
        case t.Simple(name="Int"):
            return {"type": "integer"}
        case t.Simple(name="Float" | "Number"):
            return {"type": "number"}
    return {"type": "string"}


class Rules:
    """Rules of a grammar as they are collected from a schema; `used` are those of `BASE`."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.used: set[str] = {"ws"}
        self.foreign: list[tuple[object, Mapping[str, object]]] = []
        self._references: dict[tuple[int, str], str] = {}

    def of(self, schema: object, root: Mapping[str, object]) -> str:
        """The expression for what fits a schema; `root` is where its references lead."""
        if not isinstance(schema, Mapping):
            return self._base("value")
        if "foreign" in schema:
            return self.of(*self.foreign[int(str(schema["foreign"]))])
        if isinstance(schema.get("$ref"), str):
            return self._reference(str(schema["$ref"]), root)
        if schema.get("nullable") is True:
            return f'({self.of({**schema, "nullable": False}, root)} | "null")'
        if "const" in schema:
            return _literal(_compact(schema["const"]))
        if isinstance(schema.get("enum"), list):
            return _either([_literal(_compact(one)) for one in schema["enum"]])
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list):
                return _either([self.of(one, root) for one in schema[keyword]])
        if isinstance(schema.get("allOf"), list) and schema["allOf"]:
            return self.of(_merged(schema, root), root)
        return self._typed(schema, root)

    def _typed(self, schema: Mapping[str, object], root: Mapping[str, object]) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return _either([self.of({**schema, "type": one}, root) for one in kind])
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, root)
        if kind == "array" or (kind is None and ("items" in schema or "prefixItems" in schema)):
            return self._array(schema, root)
        if kind == "string":
            least, most = _bounds(schema, "minLength", "maxLength")
            if not least and most is None:
                return self._base("string")
            return f'"\\"" {self._base("char")}{_repeat(least, most)} "\\""'
        if kind in ("integer", "number", "boolean", "null"):
            return self._base(str(kind))
        return self._base("value")

    def _object(self, schema: Mapping[str, object], root: Mapping[str, object]) -> str:
        """Known properties in their order, those that are not required may be missing; or any, where none is known."""
        given = schema.get("properties")
        known = given if isinstance(given, Mapping) else {}
        if not known:
            extra = schema.get("additionalProperties")
            if not isinstance(extra, Mapping):
                return self._base("object")
            pair = f'{self._base("string")} ":" ws {self.of(extra, root)}'
            return f'"{{" ws ({pair} ("," ws {pair})* ws)? "}}"'
        names = schema.get("required")
        required = set(names) if isinstance(names, list) else set()
        after = ""  # what may follow once a property is there
        first: str | None = None  # what may come while none is
        for name, part in reversed(list(known.items())):
            pair = f'{_literal(_compact(name))} ":" ws {self.of(part, root)}'
            begun = f"{pair} {after}".strip()
            if name in required:
                first, after = begun, self._rule("rest", f'"," ws {begun}')
            else:
                first = begun if first == "" or first is None else f"({begun} | {first})"
                first = first if required & set(_later(known, name)) else f"({first})?"
                after = self._rule("rest", f'("," ws {pair})? {after}'.strip())
        return f'"{{" ws {first or ""} ws "}}"'

    def _array(self, schema: Mapping[str, object], root: Mapping[str, object]) -> str:
        items, ahead = schema.get("items", True), schema.get("prefixItems")
        if isinstance(items, list):
            items, ahead = schema.get("additionalItems", True), items
        least, most = _bounds(schema, "minItems", "maxItems")
        if isinstance(ahead, list) and ahead:
            parts = ' "," ws '.join(self.of(one, root) for one in ahead)
            more = "" if items is False or most == len(ahead) else f' ("," ws {self.of(items, root)})*'
            return f'"[" ws {parts}{more} ws "]"'
        if most == 0:
            return '"[" ws "]"'
        item = self._rule("item", self.of(items, root))
        inner = f'{item} ("," ws {item}){_repeat(max(least - 1, 0), None if most is None else most - 1)} ws'
        return f'"[" ws {inner if least else f"({inner})?"} "]"'

    def _reference(self, reference: str, root: Mapping[str, object]) -> str:
        key = (id(root), reference)
        if key not in self._references:
            target = follow(root, reference)
            if target is None:
                return self._base("value")
            name = self._references[key] = f"part-{len(self._references)}"
            self.names[name] = ""  # a schema may contain itself
            self.names[name] = self.of(part_of(root, target), root)
        return self._references[key]

    def _rule(self, name: str, body: str) -> str:
        for known, other in self.names.items():
            if other == body and known.startswith(name):
                return known
        found = f"{name}-{len(self.names)}"
        self.names[found] = body
        return found

    def _base(self, name: str) -> str:
        self.used.add(name)
        return name


def _later(known: Mapping[str, object], name: str) -> Sequence[str]:
    names = list(known)
    return names[names.index(name) + 1 :]


def _merged(schema: Mapping[str, object], root: Mapping[str, object]) -> Mapping[str, object]:
    """A schema and all that it must fit beside, as one: later types win, properties come together."""
    merged = {name: value for name, value in schema.items() if name != "allOf"}
    parts = schema["allOf"]
    for part in parts if isinstance(parts, list) else []:
        reference = part.get("$ref") if isinstance(part, Mapping) else None
        target = follow(root, reference) if isinstance(reference, str) else None
        whole = part if target is None else part_of(root, target)
        if not isinstance(whole, Mapping):
            continue
        for name, value in whole.items():
            before = merged.get(name)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                merged[name] = {**before, **value}
            elif isinstance(before, list) and isinstance(value, list) and name == "required":
                merged[name] = [*before, *value]
            else:
                merged[name] = value
    return merged


def _bounds(schema: Mapping[str, object], low: str, high: str) -> tuple[int, int | None]:
    least, most = schema.get(low), schema.get(high)
    lower = least if isinstance(least, int) and least <= MOST_REPEATS else 0
    return lower, most if isinstance(most, int) and most <= MOST_REPEATS else None


def _repeat(least: int, most: int | None) -> str:
    if most is None:
        return "*" if not least else f"{{{least},}}"
    return f"{{{least},{most}}}"


def _either(parts: Sequence[str]) -> str:
    return f"({' | '.join(dict.fromkeys(parts))})"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _literal(text: str) -> str:
    """A text in the notation of GBNF."""
    inner = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{inner}"'


def _written(rules: Mapping[str, str], used: set[str]) -> str:
    """The text of a grammar: `root`, its rules, and the base rules they stand on."""
    wanted, todo = set(used), list(used)
    while todo:
        for name in NEEDS.get(todo.pop(), ()):
            if name not in wanted:
                wanted.add(name)
                todo.append(name)
    lines = ["root ::= ws answer", *(f"{name} ::= {body}" for name, body in rules.items())]
    lines += [f"{name} ::= {body}" for name, body in BASE.items() if name in wanted]
    return "\n".join(lines) + "\n"
