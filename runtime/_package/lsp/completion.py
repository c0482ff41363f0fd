"""What could stand at the cursor: keywords, stages, arguments, rules, names and members of modules."""

from __future__ import annotations

from pathlib import Path

from ttscale.compiler.combination_signatures import COMBINATIONS
from ttscale.compiler.driver import Checked
from ttscale.compiler.policy_signatures import POLICIES
from ttscale.compiler.resolve import EDITION, STD_MODULES, is_broken
from ttscale.compiler.signatures import RULES, SIGNATURES, Parameter, Signature
from ttscale.compiler.step_judges import EXPLORE_JUDGES
from ttscale.compiler.watch_signatures import WATCHERS
from ttscale.library.recipes import installed
from ttscale.lsp.cursor import Cursor, OpenCall
from ttscale.lsp.declared import complete_imported, complete_made, complete_measured, complete_python_files
from ttscale.lsp.hover import called, in_braces, inputs_of
from ttscale.lsp.items import (
    TRACE,
    Item,
    Kind,
    argument_item,
    function_items,
    given_names,
    named_item,
    offered_items,
    spaced,
    stage_items,
    symbol_item,
    symbol_items,
    type_items,
    word_items,
)
from ttscale.lsp.python_outline import offered_functions
from ttscale.lsp.words import CLAUSES, DECLARATIONS, EXPRESSIONS, STATEMENTS


def complete(cursor: Cursor, checked: Checked) -> list[Item]:
    """Everything that could stand at the cursor; the editor narrows it down by the letters typed."""
    if cursor.inside == "comment":
        return []
    if cursor.inside == "text":
        return complete_python_files(cursor, checked) if cursor.declaration.keyword == "use" else _in_template(cursor)
    if cursor.owner:
        return _members(cursor.owner, checked)
    if cursor.previous() == "." and cursor.previous(2) != ".":
        return []
    line = cursor.text[cursor.text.rfind("\n", 0, cursor.offset) + 1 : cursor.offset]
    if line.lstrip().startswith("use ") and cursor.declaration.keyword in ("use", ""):
        return complete_imported(cursor, checked) if "{" in line else _modules(checked)
    if cursor.declaration.keyword in ("model", "dataset") and (made := complete_made(cursor, checked)) is not None:
        return made
    if not cursor.open:
        if cursor.first_on_line:
            return _declarations(cursor)
        return type_items(checked) if _wants_type(cursor) else _values(cursor, checked)
    if _wants_type(cursor):
        return type_items(checked)
    if cursor.previous(2) == "|" and cursor.previous() == ">":
        own = offered_items(checked, "stage")
        return [*stage_items("pool"), *own, *symbol_items(checked, ("pipeline", "module"))]
    if cursor.call is not None:
        return _in_call(cursor, cursor.call, checked)
    if cursor.call_of_list is not None and cursor.value_begins():
        return _in_list(cursor, cursor.call_of_list, checked)
    if cursor.declaration.keyword in ("search", "eval") and (wanted := complete_measured(cursor, checked)):
        return wanted
    begins = cursor.first_on_line or cursor.previous() == "{"
    if begins and cursor.block in CLAUSES and cursor.previous() not in ("=", ">"):
        return [Item(label=word.strip(), kind=Kind.Keyword, insert_text=spaced(word)) for word in CLAUSES[cursor.block]]
    if (
        cursor.first_on_line
        and cursor.block in ("pipeline", "repeat", "map")
        and cursor.previous() not in ("=", ">", ",", "(", "[")
    ):
        return [*word_items(STATEMENTS), *given_names(cursor)]
    if cursor.block in ("record", "budget"):
        return []
    return _values(cursor, checked)


# --- places ---------------------------------------------------------------------------------------


def _in_template(cursor: Cursor) -> list[Item]:
    """Inside a prompt's text: its inputs, between braces only."""
    if cursor.declaration.keyword != "prompt" or not in_braces(cursor):
        return []
    inputs = [Item(label=given.name, kind=Kind.Variable) for given in cursor.names if given.kind == "input"]
    return [*inputs, Item(label="output_format", kind=Kind.Variable, detail="the form of the answer, for the model")]


def _members(owner: str, checked: Checked) -> list[Item]:
    """Behind `p.`: what the module declares."""
    if owner == "trace":
        return [Item(label=name, kind=Kind.Field) for name in TRACE]
    symbol = checked.linked.main.names.get(owner)
    if symbol is None or symbol.kind != "module" or symbol.module not in checked.linked.modules:
        return []
    module = checked.linked.modules[symbol.module]
    own = [found for name in module.names if (found := module.exported(name)) is not None]
    return [symbol_item(found.name, found, checked) for found in own if not is_broken(found)]


def _modules(checked: Checked) -> list[Item]:
    """Behind `use`: the standard library, installed recipes and the files beside this one."""
    items = [Item(label=f"{name}@1", kind=Kind.Module, detail="the standard library") for name in STD_MODULES]
    own = Path(checked.linked.entry)
    beside = sorted(own.parent.glob("*.tts")) if own.parent.is_dir() else []
    items += [Item(label=f"{name}/", kind=Kind.Module, detail="a recipe") for name in {r.name: 0 for r in installed()}]
    items.append(Item(label="python", kind=Kind.Keyword, detail="functions of a Python file", insert_text='python("./'))
    return [*items, *(Item(label=f"./{file.stem}", kind=Kind.File) for file in beside[:200] if file.name != own.name)]


def _declarations(cursor: Cursor) -> list[Item]:
    items = word_items(DECLARATIONS)
    if not cursor.text[: cursor.word_span[0]].strip():
        items.insert(0, Item(label=f"tts {EDITION}", kind=Kind.Keyword, detail="the edition of the language"))
    return items


def _wants_type(cursor: Cursor) -> bool:
    """Whether a type belongs here: behind `->`, and behind `:` in inputs, fields and parameters."""
    if cursor.previous(2) == "-" and cursor.previous() == ">":
        return True
    if cursor.previous() != ":" or cursor.first_on_line:
        return False
    if cursor.block == "record" or cursor.previous(3) == "param":
        return True
    return (
        len(cursor.open) == 1 and cursor.open[0] <= 2 and cursor.declaration.keyword in ("pipeline", "prompt", "metric")
    )


def _in_call(cursor: Cursor, call: OpenCall, checked: Checked) -> list[Item]:
    """Between the brackets of a call: argument names that are still free, or values of the argument begun."""
    if cursor.open and cursor.open[0] <= 2 and len(cursor.open) == 1:
        return []  # the inputs of a declaration: names that nobody knows yet
    signature = SIGNATURES.get(call.callee)
    rule = (
        RULES.get(call.callee)
        or POLICIES.get(call.callee)
        or WATCHERS.get(call.callee)
        or COMBINATIONS.get(call.callee)
    )
    offered = offered_functions(checked, "selector", "scorer", "policy", "stage").get(call.callee)
    parameters = next((one.parameters for one in (signature, rule, offered) if one is not None), ())
    if call.argument:
        parameter = next((p for p in parameters if p.name == call.argument), None)
        known = parameter is not None and cursor.previous() == ":"
        return (
            _for_parameter(parameter, signature, cursor, checked) if known and parameter else _values(cursor, checked)
        )
    if not call.at_start:
        return _values(cursor, checked)
    items = [argument_item(p) for p in parameters if p.name not in call.given and p.kind != "prompt"]
    symbol = called(call.callee, checked) if not parameters else None
    for item in inputs_of(symbol):
        if item.name not in call.given:
            items.append(named_item(item.name, item.doc))
    first = parameters[0] if parameters and not call.given else None
    return [*items, *(_for_parameter(first, signature, cursor, checked) if first else _values(cursor, checked))]


def _in_list(cursor: Cursor, call: OpenCall, checked: Checked) -> list[Item]:
    """In the list that is an argument of a stage: watchers and models where it takes these."""
    signature = SIGNATURES.get(call.callee)
    parameter = signature.parameter(call.argument) if signature is not None else None
    if parameter is not None and parameter.kind in ("watch", "model"):
        return _for_parameter(parameter, signature, cursor, checked)
    return _values(cursor, checked)


def _for_parameter(parameter: Parameter, signature: Signature | None, cursor: Cursor, checked: Checked) -> list[Item]:
    """Values for one argument of a stage or rule."""
    match parameter.kind:
        case "model":
            return [*symbol_items(checked, ("model", "module")), *given_names(cursor, "param")]
        case "prompt" | "using":
            return [*symbol_items(checked, ("prompt", "module")), *given_names(cursor, "param")]
        case "strategy":
            where = signature.name if signature is not None else "select"
            kinds = ("selector", "scorer") if where == "select" else ("scorer",)
            rules = [rule for rule in RULES.values() if where in rule.where]
            items = [Item(label=rule.name, kind=Kind.EnumMember, documentation=rule.doc) for rule in rules]
            return [*offered_items(checked, *kinds), *given_names(cursor, "param"), *items]
        case "policy":
            named = [Item(label=one.name, kind=Kind.EnumMember, documentation=one.doc) for one in POLICIES.values()]
            return [*given_names(cursor, "param"), *named]
        case "watch":
            named = [Item(label=one.name, kind=Kind.EnumMember, documentation=one.doc) for one in WATCHERS.values()]
            return [*given_names(cursor, "param"), *named]
        case "combination":
            return [Item(label=o.name, kind=Kind.EnumMember, documentation=o.doc) for o in COMBINATIONS.values()]
        case "judge":
            judges = [Item(label=name, kind=Kind.EnumMember, documentation=RULES[name].doc) for name in EXPLORE_JUDGES]
            own = [*offered_items(checked, "scorer"), *given_names(cursor, "param")]
            return [*judges, *own, *symbol_items(checked, ("prompt", "module"))]
        case "name":
            return [Item(label=choice, kind=Kind.EnumMember) for choice in parameter.choices]
        case "thinking":
            return [Item(label=word, kind=Kind.EnumMember) for word in ("auto", "on", "off", "up to ")]
        case "condition":
            return [*function_items(bare=True), *offered_items(checked, "policy"), *given_names(cursor)]
        case "bool":
            return [*(Item(label=word, kind=Kind.Constant) for word in ("true", "false")), *given_names(cursor)]
        case "int" | "float" | "seconds" | "text":
            extra = [Item(label="up to ", kind=Kind.Keyword)] if parameter.up_to else []
            return [*extra, *given_names(cursor)]
    return _values(cursor, checked)


def _values(cursor: Cursor, checked: Checked) -> list[Item]:
    """Where any value may stand."""
    if not cursor.value_begins():
        words = ("when", "and", "or", "until", "with", "in", "step", "log", "over", "on", "as", "live")
        return [Item(label=word, kind=Kind.Keyword) for word in words]
    kinds = ("model", "prompt", "dataset", "metric", "pipeline", "module", "python")
    return [
        *given_names(cursor),
        *stage_items("none"),
        *function_items(bare=False),
        *symbol_items(checked, kinds),
        *word_items(EXPRESSIONS),
    ]
