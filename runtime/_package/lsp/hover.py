"""What is said about the word under the pointer: its type, how many candidates, and its documentation."""

from __future__ import annotations

import re
from pathlib import Path

from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.combination_signatures import CombinationSignature, combination_named
from ttscale.compiler.driver import Checked
from ttscale.compiler.policy_signatures import POLICIES, PolicySignature
from ttscale.compiler.python_names import KIND_WORDS
from ttscale.compiler.scope import Symbol
from ttscale.compiler.signatures import SIGNATURES, RuleSignature
from ttscale.compiler.watch_signatures import WATCHERS, WatcherSignature
from ttscale.lsp.cursor import Cursor, Given
from ttscale.lsp.facts import Facts, described, facts_of
from ttscale.lsp.navigation import symbol_at
from ttscale.lsp.python_outline import Offered, function_of
from ttscale.lsp.words import made_doc, option_doc, parameter_line, rule_doc, rule_of, stage_doc, type_doc, word_doc


def hover(cursor: Cursor, checked: Checked) -> str | None:
    """Markdown about the word at the cursor, or None where nothing is known of it."""
    if not cursor.word or cursor.inside == "comment":
        return None
    if cursor.inside == "text":
        return _in_template(cursor, checked)
    if cursor.followed_by(":") and cursor.call is not None and (said := _argument(cursor, checked)) is not None:
        return said
    facts = _facts(cursor, checked)
    given = None if cursor.owner else cursor.given(cursor.word)
    if given is not None:
        return _local(cursor, given, checked, facts)
    if (said := _choice(cursor)) is not None:
        return said
    symbol = symbol_at(cursor, checked)
    typed = facts.expressions.get(_whole(cursor)) if facts is not None else None
    gives = f"\n\ngives {described(typed)}" if typed is not None and typed.is_known else ""
    if symbol is not None:
        offered = function_of(symbol, checked)
        if offered is not None:
            return python_doc(offered)
        return symbol_doc(symbol, checked) + (gives if symbol.kind == "pipeline" else "")
    if cursor.owner:
        return None
    word = cursor.word
    if cursor.declaration.keyword in ("model", "dataset", "test") and (said := made_doc(word)) is not None:
        return said
    if word in SIGNATURES:
        signature = SIGNATURES[word]
        # A word such as `score` is a stage in front of brackets behind `|>`, and a rule elsewhere.
        if cursor.previous() == ">" or signature.source == "none" or rule_of(word) is None:
            head, _, rest = stage_doc(signature).partition("\n\n")
            return f"{head}{gives}\n\n{rest}"
    rule = rule_of(word)
    if rule is not None:
        return rule_doc(rule)
    said = type_doc(word)
    return f"```tts\n{word}\n```\n\n{said}" if said is not None else word_doc(word)


def symbol_doc(symbol: Symbol, checked: Checked) -> str:
    """A declared name: the head of its declaration, its documentation, and the file where it is not this one."""
    declaration = symbol.declaration
    if symbol.kind == "module":
        return f"```tts\n{symbol.name}\n```\n\nthe module `{symbol.module}`"
    lines = [f"```tts\n{heading(declaration, symbol, checked)}\n```"]
    doc = getattr(declaration, "doc", "")
    if doc:
        lines.append(str(doc))
    if isinstance(declaration, ast.PipelineDecl) and declaration.params:
        lines.append("\n".join(f"- `{p.name}` {p.doc}".rstrip() for p in declaration.params))
    if symbol.module != checked.linked.entry:
        lines.append(f"from `{symbol.module}`")
    return "\n\n".join(lines)


def python_doc(offered: Offered) -> str:
    """A function of a Python file: its head, what it is to a program, its documentation and what it takes."""
    lines = [f"```python\n{offered.head}\n```", f"{KIND_WORDS[offered.kind]} of `{Path(offered.source.name).name}`"]
    if offered.doc:
        lines.append(offered.doc)
    if offered.parameters:
        lines.append("\n".join(map(parameter_line, offered.parameters)))
    return "\n\n".join(lines)


def heading(declaration: ast.Declaration | None, symbol: Symbol, checked: Checked) -> str:
    """The first part of a declaration, as its file says it: up to the template, body or block."""
    source = checked.sources.get(symbol.module)
    if declaration is None or source is None:
        return f"{symbol.kind} {symbol.name}"
    text = source.text[declaration.span.start : declaration.span.end]
    if isinstance(declaration, ast.PromptDecl | ast.PipelineDecl | ast.MetricDecl):
        text = text[: declaration.result.span.end - declaration.span.start]
    lines = text.splitlines()
    return "\n".join(lines[:12]) if len(lines) <= 12 else "\n".join([*lines[:12], "…"])


def _facts(cursor: Cursor, checked: Checked) -> Facts | None:
    """What the checker knows of the pipeline around the cursor."""
    for declaration in checked.linked.main.tree.declarations:
        inside = declaration.span.start <= cursor.offset <= declaration.span.end
        if inside and isinstance(declaration, ast.PipelineDecl):
            return facts_of(declaration, checked.linked.main, checked.linked)
    return None


def _whole(cursor: Cursor) -> tuple[int, int]:
    """The place of the word together with the module before it, `p.solve`."""
    start, end = cursor.word_span
    return (start - len(cursor.owner) - 1, end) if cursor.owner else (start, end)


def _local(cursor: Cursor, given: Given, checked: Checked, facts: Facts | None) -> str:
    """A name of the declaration around: for a parameter its declaration, for others what is known of the value."""
    source = checked.sources[checked.linked.entry]
    if given.kind == "binding":
        local = facts.locals.get(given.start) if facts is not None else None
        typed = facts.expressions.get(cursor.word_span) if facts is not None else None
        known = typed or (local.value if local is not None else None)
        said = described(known) if known is not None else ""
        return f"```tts\n{given.name}\n```\n\n{said}".rstrip()
    for declaration in checked.linked.main.tree.declarations:
        if declaration.span.start <= given.start < declaration.span.end:
            for item in _declared(declaration, given):
                if item.name == given.name:
                    text = source.text[item.span.start : item.span.end]
                    return f"```tts\n{text}\n```\n\n{item.doc}".rstrip()
    line = source.line(source.position(given.start)[0]).strip()
    return f"```tts\n{line}\n```"


def _declared(declaration: ast.Declaration, given: Given) -> tuple[ast_expressions.FieldDef | ast.Param, ...]:
    """The inputs of a declaration, or its parameters where the name is one."""
    match declaration:
        case ast.PipelineDecl():
            return declaration.params if given.kind == "param" else declaration.inputs
        case ast.PromptDecl() | ast.MetricDecl():
            return declaration.params
    return ()


def _argument(cursor: Cursor, checked: Checked) -> str | None:
    """The name of an argument: its documentation in the stage's or the rule's signature, or the prompt's input."""
    call = cursor.call
    assert call is not None
    signature = SIGNATURES.get(call.callee)
    if signature is not None and (parameter := signature.parameter(cursor.word)) is not None:
        return parameter_line(parameter).removeprefix("- ")
    rule = _rule_called(call.callee)
    if rule is not None:
        found = next((p for p in rule.parameters if p.name == cursor.word), None)
        return parameter_line(found).removeprefix("- ") if found is not None else None
    option = option_doc(call.callee, cursor.word)
    if option is not None:
        return option
    symbol = called(call.callee, checked)
    offered = function_of(symbol, checked)
    for parameter in offered.parameters if offered is not None else ():
        if parameter.name == cursor.word:
            return parameter_line(parameter).removeprefix("- ")
    for item in inputs_of(symbol):
        if item.name == cursor.word and symbol is not None:
            source = checked.sources[symbol.module]
            return f"```tts\n{source.text[item.span.start : item.span.end]}\n```\n\n{item.doc}".rstrip()
    return None


def _choice(cursor: Cursor) -> str | None:
    """One of the words that an argument may be, `mixture` in `put: mixture`: the documentation of the argument."""
    call = cursor.call
    if call is None or cursor.owner or cursor.followed_by(":"):
        return None
    stage, rule = SIGNATURES.get(call.callee), _rule_called(call.callee)
    is_of_stage = stage is not None and stage.parameter(call.argument) is not None
    taker = stage if is_of_stage else rule
    for parameter in taker.parameters if taker is not None else ():
        if parameter.name == (call.argument or parameter.name) and cursor.word in parameter.choices:
            return parameter_line(parameter).removeprefix("- ")
    return None


def _rule_called(name: str) -> RuleSignature | PolicySignature | WatcherSignature | CombinationSignature | None:
    """What has arguments and is no stage: a rule, a policy, a watcher, a combination of models."""
    return rule_of(name) or POLICIES.get(name) or WATCHERS.get(name) or combination_named(name)


def called(callee: str, checked: Checked) -> Symbol | None:
    """The prompt, pipeline or metric of a written name, `p.solve` or `solve`."""
    owner, _, name = callee.rpartition(".")
    main = checked.linked.main
    if not owner:
        return main.names.get(name)
    module = main.names.get(owner)
    if module is None or module.kind != "module" or module.module not in checked.linked.modules:
        return None
    return checked.linked.modules[module.module].exported(name)


def inputs_of(symbol: Symbol | None) -> tuple[ast_expressions.FieldDef | ast.Param, ...]:
    """What may be given by name in a call of a declared name."""
    declaration = symbol.declaration if symbol is not None else None
    match declaration:
        case ast.PromptDecl() | ast.MetricDecl():
            return declaration.params
        case ast.PipelineDecl():
            return (*declaration.inputs, *declaration.params)
    return ()


def _in_template(cursor: Cursor, checked: Checked) -> str | None:
    """A name between the braces of a prompt's text: the input that it stands for."""
    if cursor.declaration.keyword != "prompt" or not in_braces(cursor):
        return None
    if cursor.word == "output_format":
        return "`output_format`: what the model is told about the form of its answer, made from the prompt's type"
    given = cursor.given(cursor.word)
    return _local(cursor, given, checked, None) if given is not None and not cursor.owner else None


def in_braces(cursor: Cursor) -> bool:
    """Whether the place is between `{{` and `}}` or `{%` and `%}`."""
    before = cursor.text[cursor.declaration.start : cursor.offset]
    opened = max(before.rfind("{{"), before.rfind("{%"))
    return opened >= 0 and re.search(r"[}%]\}", before[opened + 2 :]) is None
