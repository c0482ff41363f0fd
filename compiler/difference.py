"""How two programs differ: declaration by declaration, stage by stage, and in what they may cost.

    found = difference(before, after, std=stage_prompts())    # two checked programs
    to_text(found), to_json(found)

Layout, comments and documentation never count: declarations are compared as trees, stages by their paths in the graphs
at the parameters' defaults.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Literal

from ttscale.compiler import ast, ast_expressions, ir
from ttscale.compiler.bind import bind
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.canonical import canonical_hash
from ttscale.compiler.driver import Checked
from ttscale.compiler.format import canonical_printer
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.layout import Doc, render_lines
from ttscale.compiler.plan import Plan, cost_to_json
from ttscale.compiler.stage_facts import stage_facts

What = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: of `kind` and `name`, `what` happened, from the text `before` to the text `after`."""

    kind: str
    name: str
    what: What
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class PipelineChange:
    """How a pipeline of both programs differs: its declaration, its stages, and its plans (None where it has none)."""

    name: str
    changes: tuple[Change, ...]
    before: Plan | None
    after: Plan | None


@dataclass(frozen=True)
class Difference:
    """All changes, pipelines of both programs apart."""

    changes: tuple[Change, ...] = ()
    pipelines: tuple[PipelineChange, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether the programs mean the same."""
        return not self.changes and not self.pipelines


def difference(before: Checked, after: Checked, *, std: Mapping[str, ir.Prompt] | None = None) -> Difference:
    """What changed from one program without errors to another one."""
    old, new = _declarations(before), _declarations(after)
    changes = [*_imports(before, after), *_schemas(before, after)]
    pipelines: list[PipelineChange] = []
    for key in dict.fromkeys((*old, *new)):
        kind, name = key
        left, right = old.get(key), new.get(key)
        if isinstance(left, ast.PipelineDecl) and isinstance(right, ast.PipelineDecl):
            found = _pipeline(left, right, (before, after), std)
            if found is not None:
                pipelines.append(found)
        elif left is None or right is None:
            what: What = "added" if left is None else "removed"
            changes.append(Change(kind, name, what, _text(left), _text(right)))
        elif left != right and _text(left) != _text(right):
            changes.append(Change(kind, name, "changed", _text(left), _text(right)))
    return Difference(tuple(changes), tuple(pipelines))


_KINDS: dict[type, str] = {
    ast.ModelDecl: "model",
    ast.RecordDecl: "record",
    ast.PromptDecl: "prompt",
    ast.DatasetDecl: "dataset",
    ast.MetricDecl: "metric",
    ast.PipelineDecl: "pipeline",
    ast.SearchDecl: "search",
    ast.EvalDecl: "eval",
    ast.TestDecl: "test",
    ast.Use: "use",
}


def _declarations(program: Checked) -> dict[tuple[str, str], ast.Declaration]:
    """The declarations of the file by kind and name; what has no name is numbered."""
    found: dict[tuple[str, str], ast.Declaration] = {}
    evals = 0
    for declaration in program.linked.main.tree.declarations:
        kind = _KINDS.get(type(declaration))
        if kind is None:
            continue
        if isinstance(declaration, ast.Use):
            name = declaration.path
        elif isinstance(declaration, ast.EvalDecl):
            evals += 1
            name = str(evals)
        else:
            name = declaration.name or ""
        found.setdefault((kind, name), declaration)
    return found


def _imports(before: Checked, after: Checked) -> Iterator[Change]:
    """Modules that both import under one name and that differ in what they say."""
    for name, module in after.linked.modules.items():
        other = before.linked.modules.get(name)
        if other is None or name in (before.linked.entry, after.linked.entry):
            continue
        if canonical_hash(other.tree) != canonical_hash(module.tree):
            yield Change("import", name, "changed")


def _schemas(before: Checked, after: Checked) -> Iterator[Change]:
    """Schema files that both programs name by one path, and that say something else; new names are seen in types."""
    old, new = _schema_texts(before), _schema_texts(after)
    for key, text in new.items():
        if key in old and old[key] != text:
            yield Change("schema", key[1], "changed", old[key], text)


def _schema_texts(program: Checked) -> dict[tuple[str, str], str]:
    """The schemas by module (from the folder of the program's file, which goes by no name) and path, laid out alike."""
    linked = program.linked
    folder = linked.entry.rpartition("/")[0]
    found: dict[tuple[str, str], str] = {}
    for (module, path), file in linked.schemas.items():
        if file.canonical:
            home = "" if module == linked.entry else module.removeprefix(f"{folder}/")
            found[home, path] = json.dumps(json.loads(file.canonical), indent=2, ensure_ascii=False)
    return found


def _text(declaration: ast.Declaration | None) -> str:
    """A declaration in the canonical form; empty for none."""
    return "\n".join(canonical_printer().declaration_lines(declaration)[0]) if declaration is not None else ""


# --- pipelines -----------------------------------------------------------------------------------


def _pipeline(
    left: ast.PipelineDecl,
    right: ast.PipelineDecl,
    programs: tuple[Checked, Checked],
    std: Mapping[str, ir.Prompt] | None,
) -> PipelineChange | None:
    changes = list(_header(left, right))
    graphs = [bind(program, left.name, std=std)[0] for program in programs]
    plans = [make_plan(graph) if graph is not None else None for graph in graphs]
    if graphs[0] is not None and graphs[1] is not None:
        changes += _stages(graphs[0], graphs[1])
    elif _text(left) != _text(right):
        changes.append(Change("pipeline", left.name, "changed", _text(left), _text(right)))
    if not changes and _totals(plans[0]) == _totals(plans[1]):
        return None
    return PipelineChange(left.name, tuple(changes), plans[0], plans[1])


def _header(left: ast.PipelineDecl, right: ast.PipelineDecl) -> Iterator[Change]:
    """Inputs, the result, parameters, requirements and the budget."""
    yield from _by_name("input", {f.name: _field(f) for f in left.inputs}, {f.name: _field(f) for f in right.inputs})
    yield from _by_name("result", {"": _type(left.result)}, {"": _type(right.result)})
    old, new = ({p.name: p for p in pipeline.params} for pipeline in (left, right))
    for name in dict.fromkeys((*old, *new)):
        if name not in old or name not in new:
            yield from _by_name("param", _params(old, name), _params(new, name))
        else:
            yield from _by_name("param", _param_facts(old[name]), _param_facts(new[name]))
    rules = [{_expr(rule.condition): "" for rule in pipeline.requires} for pipeline in (left, right)]
    yield from _by_name("require", rules[0], rules[1])
    limits = [_limits(pipeline.budget) for pipeline in (left, right)]
    yield from _by_name("budget", limits[0], limits[1])


def _by_name(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        if name not in old:
            yield Change(kind, name, "added", "", new[name])
        elif name not in new:
            yield Change(kind, name, "removed", old[name], "")
        elif old[name] != new[name]:
            yield Change(kind, name, "changed", old[name], new[name])


def _params(params: Mapping[str, ast.Param], name: str) -> dict[str, str]:
    if name not in params:
        return {}
    facts = {key.partition(" ")[2]: text for key, text in _param_facts(params[name]).items()}
    domain = f" in {facts['domain']}" if facts["domain"] != "none" else ""
    default = f" = {facts['default']}" if facts["default"] != "none" else ""
    return {name: f"{facts['type']}{domain}{default}"}


def _param_facts(param: ast.Param) -> dict[str, str]:
    return {
        f"{param.name} type": _type(param.type),
        f"{param.name} domain": _domain(param.domain) if param.domain is not None else "none",
        f"{param.name} default": _expr(param.default) if param.default is not None else "none",
    }


def _limits(budget: ast.Budget | None) -> dict[str, str]:
    return {limit.measure: _expr(limit.amount) for limit in budget.limits} if budget is not None else {}


def _domain(domain: ast.Domain) -> str:
    match domain:
        case ast.SetDomain(items=items):
            return f"{{{', '.join(map(_expr, items))}}}"
        case ast.SubsetsDomain(items=items):
            return f"subsets({', '.join(map(_expr, items))})"
        case ast.RangeDomain(low=low, high=high, log=log, step=step):
            apart = f" step {_expr(step)}" if step is not None else ""
            return f"[{_expr(low)} .. {_expr(high)}]{' log' if log else ''}{apart}"


def _field(item: ast_expressions.FieldDef) -> str:
    default = f" = {_expr(item.default)}" if item.default is not None else ""
    return f"{_type(item.type)}{default}"


def _expr(expr: ast_expressions.Expr) -> str:
    return _line(canonical_printer().expr(expr))


def _type(written: ast_expressions.TypeExpr) -> str:
    return _line(canonical_printer().type(written))


def _line(doc: Doc) -> str:
    return " ".join(line.strip() for line in render_lines(doc))


def _stages(left: ir.Graph, right: ir.Graph) -> Iterator[Change]:
    """Stages by path: those of one graph only (moved where the other has it under another path), and arguments."""
    old, new = ({stage.path: stage for stage in graph.stages} for graph in (left, right))
    gone = [path for path in old if path not in new]
    came = [path for path in new if path not in old]
    moved: dict[str, str] = {}
    for path in came:
        same = next((p for p in gone if p not in moved and _alike(old[p], new[path])), None)
        if same is not None:
            moved[same] = path
            yield Change("stage", same, "moved", same, path)
    for path in gone:
        if path not in moved:
            yield Change("stage", path, "removed", old[path].op, "")
    for path in came:
        if path not in moved.values():
            yield Change("stage", path, "added", "", new[path].op)
    for path in old:
        if path in new:
            facts = stage_facts(old[path], moved), stage_facts(new[path], {})
            for change in _by_name("argument", *facts):
                yield Change("stage", f"{path} {change.name}", change.what, change.before, change.after)


def _alike(left: ir.Stage, right: ir.Stage) -> bool:
    """Whether two stages do the same, whatever they are called and read."""
    hidden = ("source", "reads", "if")
    facts = ({k: v for k, v in stage_facts(stage, {}).items() if k not in hidden} for stage in (left, right))
    return left.op == right.op and next(facts) == next(facts)


# --- as text and JSON ----------------------------------------------------------------------------


def _totals(plan: Plan | None) -> tuple[object, ...]:
    return (plan.minimum, plan.expected, plan.maximum) if plan is not None else ()


def to_json(found: Difference) -> dict[str, object]:
    """The difference as plain data."""
    return {
        "same": found.is_empty,
        "changes": [_change_data(change) for change in found.changes],
        "pipelines": [
            {
                "name": one.name,
                "changes": [_change_data(change) for change in one.changes],
                "cost": {
                    when: {
                        "minimum": cost_to_json(plan.minimum),
                        "expected": cost_to_json(plan.expected),
                        "maximum": cost_to_json(plan.maximum),
                    }
                    for when, plan in (("before", one.before), ("after", one.after))
                    if plan is not None
                },
            }
            for one in found.pipelines
        ],
    }


def _change_data(change: Change) -> dict[str, object]:
    return {
        "kind": change.kind,
        "name": change.name,
        "what": change.what,
        "before": change.before or None,
        "after": change.after or None,
    }


def to_text(found: Difference) -> str:
    """The difference as lines for people."""
    if found.is_empty:
        return "no difference but layout and comments\n"
    out: list[str] = []
    for change in found.changes:
        out.append(f"{change.what:<8} {change.kind} {change.name}".rstrip())
        if change.what == "changed":
            out += [f"  {line}" for line in _lines(change.before, change.after)]
    for one in found.pipelines:
        out.append(f"changed  pipeline {one.name}")
        out += [f"  {_sentence(change)}" for change in one.changes]
        if one.before is not None and one.after is not None:
            out += [f"  {line}" for line in _prices(one.before, one.after)]
    return "\n".join(out) + "\n"


def _lines(before: str, after: str) -> list[str]:
    """The lines that two texts do not share, with one line around them."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _sentence(change: Change) -> str:
    name = f"{change.kind} {change.name}".rstrip()
    match change.what:
        case "added":
            return f"+ {name}{': ' + change.after if change.after else ''}"
        case "removed":
            return f"- {name}{': ' + change.before if change.before else ''}"
        case "moved":
            return f"> stage {change.before} is now {change.after}"
        case _:
            return f"~ {name}: {change.before} -> {change.after}"


def _prices(before: Plan, after: Plan) -> Iterator[str]:
    """A line for every measure: the least and the most, before and after."""
    for measure in ("calls", "tokens", "sequential_tokens"):
        old = (getattr(before.minimum, measure), getattr(before.maximum, measure))
        new = (getattr(after.minimum, measure), getattr(after.maximum, measure))
        word = "longest chain" if measure == "sequential_tokens" else measure
        same = " (as before)" if old == new else f" -> {_span(*new)}"
        yield f"{word:<14} {_span(*old)}{same}"
    if before.maximum.usd or after.maximum.usd:
        yield f"{'usd':<14} up to {before.maximum.usd:.6f} -> up to {after.maximum.usd:.6f}"


def _span(low: int, high: int) -> str:
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"
