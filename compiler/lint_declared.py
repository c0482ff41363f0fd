"""What lint sees in declarations alone: unused ones, domains, and the order of a prompt's text.

Codes:
    L110   a model, prompt or record that nothing uses
    L112   a domain with one value
    L133   a continuous range of a sampling setting
    L140   a prompt whose fixed text stands behind what changes
"""

from __future__ import annotations

from collections.abc import Iterator

import jinja2
from jinja2 import nodes as jinja
from ttscale.compiler import ast, ast_expressions
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.resolve_types import literal
from ttscale.compiler.scope import Linked
from ttscale.compiler.walk import nodes

LONG_TEXT = 240
"""Characters (about 60 tokens) of fixed text: less is not worth moving."""
SAMPLING = frozenset(
    {"temperature", "top_p", "min_p", "repeat_penalty", "typical_p", "frequency_penalty", "presence_penalty"}
)


def declared(linked: Linked) -> Iterator[Diagnostic]:
    """Findings about the declarations of the entry file."""
    tree = linked.main.tree
    yield from _unused(tree)
    for declaration in tree.declarations:
        if isinstance(declaration, ast.PromptDecl):
            yield from _text_order(declaration)
        elif isinstance(declaration, ast.PipelineDecl):
            yield from _domains(declaration)


def _unused(tree: ast.Module) -> Iterator[Diagnostic]:
    """Models, prompts and records that neither a pipeline nor what it uses mentions, in a file with a pipeline."""
    kinds = (ast.ModelDecl, ast.PromptDecl, ast.RecordDecl)
    named = [d for d in tree.declarations if isinstance(d, kinds)]
    others = [d for d in tree.declarations if not isinstance(d, (*kinds, ast.Use, ast.TestDecl))]
    if not any(isinstance(d, ast.PipelineDecl) for d in others):
        return
    reached = {name for d in others for name in _mentioned(d)}
    waiting = [d for d in named if d.name in reached]
    while waiting:
        new = set(_mentioned(waiting.pop())) - reached
        reached |= new
        waiting += [d for d in named if d.name in new]
    models = [d for d in named if isinstance(d, ast.ModelDecl)]
    for declaration in named:
        is_only_model = isinstance(declaration, ast.ModelDecl) and len(models) == 1
        if declaration.name not in reached and not is_only_model and not declaration.name.startswith("_"):
            word = {ast.ModelDecl: "model", ast.PromptDecl: "prompt", ast.RecordDecl: "record"}[type(declaration)]
            message = f"the {word} `{declaration.name}` is never used"
            yield Diagnostic("L110", message, declaration.name_span, "lint", hint="leave it out")


def _mentioned(declaration: ast.Declaration) -> Iterator[str]:
    for node in nodes(declaration):
        if isinstance(node, ast_expressions.Name | ast_expressions.TypeName):
            yield node.name


def _domains(pipeline: ast.PipelineDecl) -> Iterator[Diagnostic]:
    for param in pipeline.params:
        domain = param.domain
        if domain is None:
            continue
        if _has_one_value(domain):
            message = f"`{param.name}` can have one value only"
            hint = "leave the domain out: a parameter without one is set, not searched"
            yield Diagnostic("L112", message, domain.span, "lint", hint=hint)
            continue
        is_float = isinstance(param.type, ast_expressions.TypeName) and param.type.name == "Float"
        setting = _sampling_setting(pipeline, param.name) if is_float else None
        if isinstance(domain, ast.RangeDomain) and domain.step is None and setting is not None:
            message = f"`{param.name}` sets `{setting}:` from a continuous range"
            hint = "add `step 0.1` behind the range, so that a search meets its own samples again"
            yield Diagnostic("L133", message, domain.span, "lint", hint=hint)


def _has_one_value(domain: ast.Domain) -> bool:
    if isinstance(domain, ast.RangeDomain):
        low, high = literal(domain.low), literal(domain.high)
        return low is not None and low == high
    return len(domain.items) == 1


def _sampling_setting(pipeline: ast.PipelineDecl, name: str) -> str | None:
    """The sampling setting that is made from a parameter, if there is one."""
    for node in nodes(pipeline):
        setting = node.name if isinstance(node, ast_expressions.Arg) and node.name in SAMPLING else None
        if setting is not None and any(
            isinstance(part, ast_expressions.Name) and part.name == name for part in nodes(node)
        ):
            return setting
    return None


def _text_order(prompt: ast.PromptDecl) -> Iterator[Diagnostic]:
    """A prompt of which most of the fixed text comes after the first argument."""
    before = after = 0
    seen = False
    for part in prompt.parts:
        if part.chat is not None:
            seen = True
        for text in _pieces(part.template.text) if part.template is not None else ():
            if text is None:
                seen = True
            elif seen:
                after += len(text.strip())
            else:
                before += len(text.strip())
    if seen and after >= LONG_TEXT and after > before:
        message = f"{after} characters of fixed text in `{prompt.name}` stand behind what changes"
        hint = "put the instructions first and the arguments last; what prompts begin with in common is computed once"
        yield Diagnostic("L140", message, prompt.name_span, "lint", hint=hint)


def _pieces(template: str) -> Iterator[str | None]:
    """The fixed texts of a template in order, and None where an argument is put in."""
    try:
        tree = jinja2.Environment(autoescape=False).parse(template)
    except jinja2.TemplateSyntaxError:
        return
    for output in tree.find_all(jinja.Output):
        for node in output.nodes:
            if isinstance(node, jinja.TemplateData):
                yield node.data
            elif not (isinstance(node, jinja.Name) and node.name == "output_format"):
                yield None
