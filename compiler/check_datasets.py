"""Declared datasets: their reader, what it reads, its options and fields.

Codes:
    E0213  an argument given twice
    E0246  `when` where there is no stage
    E0270  a kind of dataset that does not exist
    E0271  a dataset's arguments, or an expression over a row that cannot be
"""

from __future__ import annotations

import re

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.check_frame import Program, did_you_mean, listed
from ttscale.compiler.check_rows import check_row_value
from ttscale.compiler.data import is_option
from ttscale.compiler.diagnostics import Label, suggest
from ttscale.compiler.model_hints import text_of
from ttscale.compiler.readers import EXAMPLES, KIND_WORDS, NO_SHAPE, READERS, SHAPES, OptionKind, Reader
from ttscale.compiler.resolve_types import literal
from ttscale.compiler.scope import ModuleScope
from ttscale.compiler.source import Span


def check_dataset(declaration: ast.DatasetDecl, scope: ModuleScope, program: Program) -> None:
    """The reader of a dataset, what it reads, its options and its fields."""
    value = declaration.value
    if not (isinstance(value, ast_expressions.Call) and isinstance(value.callee, ast_expressions.Name)):
        file = text_of(value)
        kind = _kind_of(file) if file else "jsonl"
        call = f'{kind}("{file or "file.jsonl"}", question: question, answer: answer)'
        hint = f"write `dataset {declaration.name} = {call}`"
        program.report("E0270", f"a dataset is made by {listed(list(READERS))}", value.span, hint=hint)
        return
    kind = value.callee.name
    reader = READERS.get(kind)
    if reader is None:
        hint = did_you_mean(kind, list(READERS), f"there are {listed(list(READERS))}")
        file = text_of(value)
        if kind in ("load_dataset", "datasets", "dataset", "hub", "huggingface", "load", "read", "open", "file"):
            reader_name = "hf" if kind in ("load_dataset", "datasets", "hub", "huggingface") else _kind_of(file)
            more = ', split: "test"' if reader_name == "hf" else ""
            hint = f'write `{reader_name}("{file or "…"}"{more})`'
        elif kind in ("read_csv", "read_json", "read_parquet", "from_csv", "from_json", "from_jsonl", "read_jsonl"):
            hint = f'write `{kind.partition("_")[2]}("{file or "…"}")`'
        program.report("E0270", f"there is no kind of dataset `{kind}`", value.callee.span, hint=hint)
        return
    _locator(value, reader, program)
    if value.when is not None:
        hint = "leave rows out with `where: …`"
        program.report("E0246", "`when` belongs to a stage, and this is a dataset", value.when.span, hint=hint)
    seen: dict[str, Span] = {}
    for arg in value.args:
        if arg.name is None:
            continue
        if arg.name in seen:
            labels = (Label(seen[arg.name], "first here"),)
            program.report("E0213", f"`{arg.name}` is given twice", arg.span, labels=labels, hint="keep one of them")
        seen[arg.name] = arg.span
        _argument(arg, arg.name, reader, program)


def _kind_of(file: str) -> str:
    """The reader for a file of this name; the hub's for what is no file."""
    suffix = file.removesuffix(".gz").rpartition(".")[2]
    if suffix in READERS:
        return suffix
    return "hf" if "/" in file and "." not in file else "jsonl"


def _locator(call: ast_expressions.Call, reader: Reader, program: Program) -> None:
    given = [arg for arg in call.args if arg.name is None]
    texts = [value for arg in given if isinstance(value := _written(arg.value), str)]
    hint = f'write `{reader.name}("{reader.example}", …)`'
    if len(given) != 1 or len(texts) != 1 or not texts[0]:
        place = given[-1].span if given else call.span
        written = program.text(place)
        if len(given) == 1 and not texts and re.fullmatch(r"[\w./-]+", written):
            hint = f'write it in quotes: `{reader.name}("{written}", …)`'
        elif len(texts) > 1 and texts[-1].isidentifier():
            hint = f"fields are named: write `{texts[-1]}: {texts[-1]}`"
        program.report("E0271", f"`{reader.name}` needs {reader.names}, as a text", place, hint=hint)
    elif reader.must and not re.fullmatch(reader.must, texts[0]):
        program.report("E0271", f"`{reader.name}` needs {reader.names}", given[0].span, hint=hint)


def _argument(arg: ast_expressions.Arg, name: str, reader: Reader, program: Program) -> None:
    """An option, a setting or a field."""
    if is_option(reader, arg):
        kind = reader.option(name)
        if kind in ("condition", "row"):
            check_row_value(arg.value, program, condition=kind == "condition")
        elif kind is not None:
            _literal(arg, name, kind, reader, program)
        return
    if isinstance(arg.value, ast_expressions.LiteralValue | ast_expressions.Quantity):
        near = suggest(name, reader.all_options)
        if near is not None:
            hint = f"did you mean `{near}`? A field of this name is made by `{name}: text(…)`"
            program.report("E0271", f"`{reader.name}` has no option `{name}`", arg.span, hint=hint)
    check_row_value(arg.value, program)


def _literal(arg: ast_expressions.Arg, name: str, kind: OptionKind, reader: Reader, program: Program) -> None:
    value = literal(arg.value)
    good = {
        "text": isinstance(value, str) and value != "",
        "count": isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "texts": isinstance(value, tuple) and value != () and all(isinstance(item, str) for item in value),
    }[kind]
    if not good:
        hint = f"write `{name}: {EXAMPLES[kind]}`"
        program.report("E0271", f"`{name}:` of `{reader.name}` is {KIND_WORDS[kind]}", arg.value.span, hint=hint)
    elif name == "shape" and value not in (*SHAPES, NO_SHAPE):
        hint = did_you_mean(str(value), [*SHAPES, NO_SHAPE], f"there are {listed([*SHAPES, NO_SHAPE])}")
        program.report("E0271", f"no shape of rows is called `{value}`", arg.value.span, hint=hint)


def _written(expr: ast_expressions.Expr) -> object:
    return expr.value if isinstance(expr, ast_expressions.LiteralValue) else None
