"""A graph as others read it: networkx, Mermaid, DOT, SVG.

All are views made from the IR, and the same graph always gives the same text. A stage is a node labelled with its path
below the pipeline, its op, its models, how many candidates it gives and how many calls it makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import networkx as nx  # type: ignore[import-untyped]
from ttscale.compiler import ir
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.frames import Frame, framed
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.plan import Plan


@dataclass(frozen=True, slots=True)
class Node:
    """A box of a drawing: `group` is the loop, arm or call that it belongs to, "" for none."""

    id: str
    title: str
    lines: tuple[str, ...]
    kind: str
    group: str


@dataclass(frozen=True, slots=True)
class Edge:
    """From one node to another; `label` is empty, `judges`, `if …` or the like; `dashed` for conditions."""

    start: str
    end: str
    label: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Drawing:
    """Nodes in plan order and the edges between them."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    frames: Frame


INPUT, RESULT = "inputs", "result"


def drawing(graph: ir.Graph, plan: Plan | None = None) -> Drawing:
    """What every picture of a graph shows."""
    plan = plan if plan is not None else make_plan(graph)
    root = graph.pipeline + "/"
    inputs = ", ".join(f"{name}: {kind}" for name, kind in graph.inputs) or "no inputs"
    nodes = [Node(INPUT, "input", (inputs,), "input", "")]
    edges: list[Edge] = []
    guards: dict[str, tuple[ir.Guard, ...]] = {}
    for stage in graph.stages:
        nodes.append(_node(stage, plan, root))
        edges += _edges(stage, guards)
        guards[stage.path] = stage.guards
    nodes.append(Node(RESULT, "result", (str(graph.returns),), "result", ""))
    for path in dict.fromkeys(ir.refs(graph.result)):
        edges.append(Edge(path, RESULT))
    if not ir.refs(graph.result):
        edges.append(Edge(INPUT, RESULT))
    named = [
        (node.id, node.id.removeprefix(root) if node.id not in (INPUT, RESULT) else "", node.group) for node in nodes
    ]
    frames = framed(named, {stage.path: file for stage in graph.stages if (file := _imported(stage))})
    return Drawing(graph.pipeline, tuple(nodes), tuple(dict.fromkeys(edges)), frames)


def _imported(stage: ir.Stage) -> str:
    """The name of the file that a stage comes from, where another file called it; else empty."""
    if not stage.origin or stage.span.file == stage.origin[0].file:
        return ""
    return stage.span.file.replace("\\", "/").rpartition("/")[2]


def _node(stage: ir.Stage, plan: Plan, root: str) -> Node:
    name = stage.path.removeprefix(root)
    group, _, last = name.rpartition("/")
    title = last if last.partition("#")[0] == stage.op else f"{last}: {stage.op}"
    figures = plan.stages[stage.path]
    lines: list[str] = []
    if figures.models:
        lines.append(" + ".join(figures.models))
    most, least = figures.maximum.calls, figures.minimum.calls
    if most:
        lines.append(f"{_range(least, most)} call{'s' if most != 1 else ''}, up to {figures.maximum.tokens:,} tokens")
    value = stage.args.get("value")
    if stage.op == "value" and isinstance(value, ir.Apply | ir.Ref | ir.Item | ir.Input | ir.Const):
        lines.append(condition_text(value))
    else:
        lines.append(f"gives {_range(stage.size.low, stage.size.high)}")
    if stage.when is not None:
        lines.append(f"when {condition_text(stage.when)}")
    kind = "model" if figures.models else ("choice" if stage.op in ("choose", "value") else "rule")
    return Node(stage.path, title, tuple(lines), kind, group)


def _range(low: int, high: int) -> str:
    return str(high) if low == high else f"{low} to {high}"


def _edges(stage: ir.Stage, guards: Mapping[str, tuple[ir.Guard, ...]]) -> Iterable[Edge]:
    """Edges of data (solid), and of conditions and guards (dashed) where no source stands under the same guards."""
    solid: dict[str, None] = {}
    for operand in (stage.source, *_data(stage)):
        if operand is not None:
            solid |= dict.fromkeys(ir.refs(operand))
    for path in solid:
        yield Edge(path, stage.path)
    inherited = any(guards.get(path) == stage.guards for path in solid)
    for guard in () if inherited else stage.guards[-1:]:
        for path in ir.refs(guard.operand):
            if path not in solid:
                yield Edge(path, stage.path, " or ".join(map(_shown, guard.values)), True)
    if stage.when is not None:
        for path in ir.refs(stage.when):
            if path not in solid:
                yield Edge(path, stage.path, "when", True)
    if not solid and not stage.guards and stage.source is None:
        yield Edge(INPUT, stage.path)


def _data(stage: ir.Stage) -> Iterable[ir.Operand]:
    """The operands in a stage's arguments, without the question that judges are shown: it goes almost everywhere."""
    conditions = {id(guard.operand) for guard in stage.guards} | {id(stage.when)}
    operands = stage.operands()
    for operand in operands[:-1] if stage.question is not None else operands:
        if id(operand) not in conditions:
            yield operand


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def condition_text(operand: ir.Operand) -> str:
    """A condition as a reader would write it."""
    match operand:
        case ir.Const(value=value):
            return _shown(value)
        case ir.Ref(path=path):
            return path.partition("/")[2] or path
        case ir.Input(name=name) | ir.Column(name=name):
            return name
        case ir.Own():
            return "it"
        case ir.Item(of=of, index=index):
            return f"{condition_text(of)}[{index}]"
        case ir.Apply(op="attr", args=(owner, ir.Const(value=name))):
            return f"{condition_text(owner)}.{name}"
        case ir.Apply(op="not" | "neg" as op, args=(only,)):
            return f"{'not ' if op == 'not' else '-'}{condition_text(only)}"
        case ir.Apply(op=op, args=(left, right)) if not op.isalpha() or op in ("and", "or"):
            return f"{condition_text(left)} {op} {condition_text(right)}"
        case ir.Apply(op=op, args=args):
            return f"{op}({', '.join(condition_text(arg) for arg in args)})"
    return "?"


def to_networkx(graph: ir.Graph) -> nx.MultiDiGraph[str]:
    """A directed graph whose nodes are paths, with `op`, `models`, `low`, `high`, `calls`; edges have `label`."""
    plan = make_plan(graph)
    result: nx.MultiDiGraph[str] = nx.MultiDiGraph(pipeline=graph.pipeline)
    picture = drawing(graph, plan)
    for node in picture.nodes:
        result.add_node(node.id, title=node.title, kind=node.kind, group=node.group)
    for stage in graph.stages:
        figures = plan.stages[stage.path]
        result.nodes[stage.path].update(
            op=stage.op,
            models=figures.models,
            low=stage.size.low,
            high=stage.size.high,
            calls=figures.maximum.calls,
            tokens=figures.maximum.tokens,
        )
    for edge in picture.edges:
        result.add_edge(edge.start, edge.end, label=edge.label, dashed=edge.dashed)
    return result


_MERMAID = {"input": ("([", "])"), "result": ("([", "])"), "choice": ("{{", "}}")}


def to_mermaid(graph: ir.Graph) -> str:
    """A Mermaid flowchart, loops, branches and calls as subgraphs, one in the other."""
    picture = drawing(graph)
    ids = {node.id: f"s{index}" for index, node in enumerate(picture.nodes)}
    nodes = {node.id: node for node in picture.nodes}
    out = ["flowchart TD"]

    def write(frame: Frame, depth: int) -> None:
        for item in frame.items:
            indent = "  " * depth
            if isinstance(item, Frame):
                out.append(f'{indent}subgraph g{len(out)}["{_mermaid(item.title)}"]')
                write(item, depth + 1)
                out.append(f"{indent}end")
                continue
            node = nodes[item]
            text = "<br/>".join(_mermaid(line) for line in (f"<b>{node.title}</b>", *node.lines))
            opening, closing = _MERMAID.get(node.kind, ("[", "]"))
            out.append(f'{indent}{ids[node.id]}{opening}"{text}"{closing}')

    write(picture.frames, 1)
    for edge in picture.edges:
        arrow = "-.->" if edge.dashed else "-->"
        label = f'|"{_mermaid(edge.label)}"|' if edge.label else ""
        out.append(f"  {ids[edge.start]} {arrow}{label} {ids[edge.end]}")
    return "\n".join(out) + "\n"


def _mermaid(text: str) -> str:
    kept = text.replace("<b>", "\0").replace("</b>", "\1")
    kept = kept.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
    return kept.replace("\0", "<b>").replace("\1", "</b>")


def to_dot(graph: ir.Graph) -> str:
    """A Graphviz digraph, loops, branches and calls as clusters, one in the other."""
    picture = drawing(graph)
    out = [f"digraph {_dot(picture.title)} {{", "  rankdir=TB;", '  node [shape=box, fontname="sans-serif"];']
    nodes = {node.id: node for node in picture.nodes}

    def write(frame: Frame, depth: int) -> None:
        for item in frame.items:
            indent = "  " * depth
            if isinstance(item, Frame):
                out.extend([f"{indent}subgraph cluster_{len(out)} {{", f"{indent}  label={_dot(item.title)};"])
                out.append(f"{indent}  style=rounded;")
                write(item, depth + 1)
                out.append(f"{indent}}}")
                continue
            node = nodes[item]
            shape = {"input": "oval", "result": "oval", "choice": "diamond"}.get(node.kind, "box")
            text = _dot("\n".join((node.title, *node.lines)))
            out.append(f"{indent}{_dot(node.id)} [shape={shape}, label={text}];")

    write(picture.frames, 1)
    for edge in picture.edges:
        style = [f"label={_dot(edge.label)}"] if edge.label else []
        style += ["style=dashed"] if edge.dashed else []
        out.append(f"  {_dot(edge.start)} -> {_dot(edge.end)}{' [' + ', '.join(style) + ']' if style else ''};")
    return "\n".join([*out, "}"]) + "\n"


def _dot(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def to_svg(graph: ir.Graph) -> str:
    """A picture that needs nothing else: layers from top to bottom, readable on light and dark pages."""
    from ttscale.compiler.draw import svg

    return svg(drawing(graph))
