"""One stage of a bound pipeline, as `ttscale show` describes it: its flows, its price, its prompts, its origin.

found = find_stage(graph, "fused[1]/rank")     # a path, a unique end of one, a stage's or a bound name
show_stage(plan, found, sources)               # plain data for `json.dumps`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import suggest
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.graph import condition_text
from ttscale.compiler.plan import Plan, cost_to_json
from ttscale.compiler.source import SourceFile, Span
from ttscale.compiler.stage_facts import argument_text
from ttscale.compiler.types import Type


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a name given for a stage means: that stage, or none with the paths that it may stand for."""

    stage: ir.Stage | None
    candidates: tuple[str, ...] = ()
    suggestion: str | None = None
    others: tuple[str, ...] = ()
    """The stages of that name in the rounds that there are, where the name is one of a round that there is not."""


def find_stage(graph: ir.Graph, name: str) -> Lookup:
    """The stage at a path, else the one whose path ends with it, else the one of that operation."""
    wanted = name.strip().strip("/")
    by_path = {stage.path: stage for stage in graph.stages}
    for choice in (wanted, f"{graph.pipeline}/{wanted}"):
        if choice in by_path:
            return Lookup(by_path[choice])
    ends = [path for path in by_path if path.endswith(f"/{wanted}")]
    plain = [path for path in by_path if _ends_as(path, wanted)]
    named = [path for path, stage in by_path.items() if stage.op == wanted]
    for found in (ends, plain, named):
        if len(found) == 1:
            return Lookup(by_path[found[0]])
        if found:
            return Lookup(None, tuple(found))
    inside = [path for path in by_path if any(_ends_as(outer, wanted) for outer in _outer(path))]
    if inside:
        return Lookup(None, tuple(inside))
    others = [path for path in by_path if f"/{_without_rounds(wanted)}/" in f"{_without_rounds(path)}/"]
    if "[" in wanted and others:
        return Lookup(None, (), None, tuple(others))
    known = [*by_path, *(path.partition("/")[2] for path in by_path), *(path.rpartition("/")[2] for path in by_path)]
    return Lookup(None, (), suggest(wanted, known))


def _ends_as(path: str, wanted: str) -> bool:
    """Whether a path ends with these names; one without a round stands for the same name in any round."""
    parts, names = path.split("/"), wanted.split("/")
    if len(names) >= len(parts):
        return False
    ends = zip(parts[-len(names) :], names, strict=True)
    return all(name in (part, part.partition("[")[0]) for part, name in ends)


def _outer(path: str) -> list[str]:
    """The paths of the loops and calls around a stage, without the pipeline itself."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(2, len(parts))]


def _without_rounds(path: str) -> str:
    return "/".join(part.partition("[")[0] for part in path.split("/"))


def show_stage(plan: Plan, stage: ir.Stage, sources: Mapping[str, SourceFile]) -> dict[str, object]:
    """A stage as plain data."""
    graph = plan.graph
    figures = plan.stages[stage.path]
    by_path = {one.path: one for one in graph.stages}
    readers = [one.path for one in graph.stages if stage.path in one.needs()]
    if stage.path in ir.refs(graph.result):
        readers.append("result")
    return {
        "path": stage.path,
        "stage": stage.op,
        "in": [_flow(by_path[path], path) for path in stage.needs()] or _inputs(graph, stage),
        "out": {**_gives(stage), "read_by": readers},
        "condition": _condition(stage),
        "models": [
            {"name": name, "kind": graph.models[name].kind, "locator": graph.models[name].locator}
            for name in figures.models
        ],
        "cost": {
            "minimum": cost_to_json(figures.minimum),
            "expected": cost_to_json(figures.expected),
            "maximum": cost_to_json(figures.maximum),
            "largest_call": figures.call_tokens,
            "shares_prefix_with": figures.prefix if figures.prefix != stage.path else "",
            "samples_a_prefill": figures.shared,
        },
        "arguments": {name: text for name in sorted(stage.args) if (text := _argument(stage.args[name])) is not None},
        "prompts": [_prompt(filled) for filled in prompts_of(stage)],
        "origin": [place(span, sources) for span in (stage.span, *reversed(stage.origin))],
    }


def prompts_of(stage: ir.Stage) -> list[ir.Filled]:
    """The prompts that a stage fills, in order."""
    found: list[ir.Filled] = []

    def walk(value: object) -> None:
        if isinstance(value, ir.Filled):
            found.append(value)
        elif isinstance(value, ir.Strategy):
            walk(value.args)
            walk(tuple(part for _, part in value.named))
        elif isinstance(value, tuple):
            for part in value:
                walk(part)

    for name in sorted(stage.args):
        walk(stage.args[name])
    return found


def place(span: Span, sources: Mapping[str, SourceFile]) -> dict[str, object]:
    """A span as a file, a line and the line's text."""
    source = sources.get(span.file)
    line = source.position(span.start)[0] if source is not None else None
    text = " ".join(source.text[span.start : span.end].split()) if source is not None else ""
    return {"file": span.file, "line": line, "text": text}


def _gives(stage: ir.Stage) -> dict[str, object]:
    return {
        "type": str(stage.type),
        "size": [stage.size.low, stage.size.high],
        "facets": sorted(stage.facets),
    }


def _flow(stage: ir.Stage, path: str) -> dict[str, object]:
    return {"from": path, "stage": stage.op, **_gives(stage)}


def _inputs(graph: ir.Graph, stage: ir.Stage) -> list[dict[str, object]]:
    """The inputs of the pipeline that a stage without sources reads."""
    kinds: dict[str, Type] = dict(graph.inputs)
    read: dict[str, None] = {}
    for operand in stage.operands():
        _input_names(operand, read)
    return [{"from": name, "stage": "input", "type": str(kinds[name])} for name in read if name in kinds]


def _input_names(operand: ir.Operand, found: dict[str, None]) -> None:
    match operand:
        case ir.Input(name=name):
            found[name] = None
        case ir.Item(of=of):
            _input_names(of, found)
        case ir.Apply(args=args):
            for arg in args:
                _input_names(arg, found)


def _condition(stage: ir.Stage) -> list[str]:
    said = [f"when {condition_text(stage.when)}"] if stage.when is not None else []
    for guard in stage.guards:
        values = " or ".join(condition_text(ir.Const(value)) for value in guard.values)
        said.append(f"if {condition_text(guard.operand)} is {values}")
    return said


def _argument(value: ir.Argument) -> str | None:
    """An argument as a reader would write it; None for what is shown elsewhere or not set."""
    several = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, ir.Model | ir.Filled | ir.Prompt) for part in several):
        return None
    return argument_text(value)


def _prompt(filled: ir.Filled) -> dict[str, object]:
    prompt = filled.prompt
    given = dict(filled.args)
    fills = {
        name: condition_text(given[name]) if name in given else "offered by the stage" for name, _ in prompt.params
    }
    return {
        "name": prompt.name,
        "answers": str(prompt.result),
        "fills": fills,
        "parts": [{"role": part.role, "text": part.text} for part in prompt.parts],
    }


def as_text(shown: Mapping[str, object]) -> str:
    """The data of `show_stage` as lines for people."""
    out = [f"{shown['path']}  ({shown['stage']})", ""]
    for flow in _items(shown["in"]):
        out.append(f"in      {flow['from']}: {_flow_text(flow)}")
    gives = shown["out"]
    assert isinstance(gives, Mapping)
    out.append(f"out     {_flow_text(gives)}")
    out.append(f"to      {', '.join(map(str, _list(gives['read_by']))) or 'nothing'}")
    for condition in _list(shown["condition"]):
        out.append(f"runs    {condition}")
    for model in _items(shown["models"]):
        out.append(f"asks    {model['name']}: {model['kind']} {model['locator']}".rstrip())
    out += _cost_lines(shown["cost"])
    arguments = shown["arguments"]
    assert isinstance(arguments, Mapping)
    if arguments:
        out.append("with    " + ", ".join(f"{name}: {text}" for name, text in arguments.items()))
    for number, origin in enumerate(_items(shown["origin"])):
        word = "from    " if number == 0 else "called  "
        out.append(f"{word}{origin['file']}:{origin['line']}  {_short(str(origin['text']))}")
    for prompt in _items(shown["prompts"]):
        out += ["", *_prompt_lines(prompt)]
    return "\n".join(out) + "\n"


def _items(value: object) -> list[Mapping[str, object]]:
    return [item for item in _list(value) if isinstance(item, Mapping)]


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _flow_text(flow: Mapping[str, object]) -> str:
    parts = [str(flow["type"])]
    size = _list(flow.get("size"))
    if size:
        parts.append(f"{size[0]}" if size[0] == size[1] else f"{size[0]} to {size[1]}")
    facets = _list(flow.get("facets"))
    if facets:
        parts.append(" ".join(map(str, facets)))
    return ", ".join(parts)


def _cost_lines(cost: object) -> list[str]:
    assert isinstance(cost, Mapping)
    low, likely, most = (cost[name] for name in ("minimum", "expected", "maximum"))
    if not most["calls"]:
        return ["costs   nothing"]
    lines: list[str] = []
    for label, key in (("calls", "calls"), ("prompt tokens", "prompt_tokens"), ("new tokens", "new_tokens")):
        begin = "        " if lines else "costs   "
        if low[key] == most[key]:
            lines.append(f"{begin}{most[key]:,} {label if most[key] != 1 else label.removesuffix('s')}")
        else:
            lines.append(f"{begin}{low[key]:,} to {most[key]:,} {label}, likely {likely[key]:,}")
    lines.append(f"        at most {cost['largest_call']:,} tokens in one call")
    if most["usd"]:
        lines.append(f"        {low['usd']:.6f} to {most['usd']:.6f} usd")
    if cost["shares_prefix_with"]:
        lines.append(f"        its prompt begins as that of {cost['shares_prefix_with']}")
    return lines


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _prompt_lines(prompt: Mapping[str, object]) -> list[str]:
    lines = [f"prompt {prompt['name']} -> {prompt['answers']}"]
    fills = prompt["fills"]
    assert isinstance(fills, Mapping)
    lines += [f"  {name} = {text}" for name, text in fills.items()]
    for part in _items(prompt["parts"]):
        lines.append(f"  [{part['role']}]")
        lines += [f"    {line}".rstrip() for line in str(part["text"]).splitlines()]
    return lines
