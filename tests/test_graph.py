"""Pictures of graphs: golden Mermaid, DOT and SVG, the networkx view, and the layout's promises."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import networkx as nx  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from programs import graph_of, main
from programs_at_random import programs
from ttscale.compiler.graph import condition_text, drawing, to_dot, to_mermaid, to_networkx, to_svg
from ttscale.compiler.layers import layered

GOLDEN = Path(__file__).parent / "golden" / "graph"
PROGRAMS = sorted(path.stem for path in GOLDEN.glob("*.tts"))
WRITERS = {"mmd": to_mermaid, "dot": to_dot, "svg": to_svg}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_golden_picture(name: str, kind: str, golden: Callable[[str | Path, str], None]) -> None:
    graph = graph_of((GOLDEN / f"{name}.tts").read_text(encoding="utf-8"))
    golden(f"graph/{name}.{kind}", WRITERS[kind](graph))


@pytest.mark.parametrize("kind", WRITERS)
def test_no_golden_picture_is_left_over(kind: str, no_leftovers: Callable[[str, str, str], None]) -> None:
    no_leftovers("graph", ".tts", f".{kind}")


def test_the_networkx_view_is_the_graph() -> None:
    graph = graph_of((GOLDEN / "branches.tts").read_text(encoding="utf-8"))
    view = to_networkx(graph)
    assert nx.is_directed_acyclic_graph(view)
    assert [node for node in view if node not in ("inputs", "result")] == [stage.path for stage in graph.stages]
    assert view.nodes["main/drafts"]["op"] == "choose"
    assert view.nodes["main/which"]["models"] == ("small",)
    assert nx.has_path(view, "inputs", "result")


def boxes_of(svg: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every stage's box."""
    found = []
    for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        if "box" in rect.get("class", "").split():
            x, y, width, height = (float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_every_picture_is_whole(text: str) -> None:
    graph = graph_of(text)
    svg = to_svg(graph)
    assert svg == to_svg(graph)
    boxes = boxes_of(svg)
    assert len(boxes) == len(graph.stages) + 2
    root = ElementTree.fromstring(svg)
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for index, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        for other in boxes[index + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    for stage in graph.stages:
        assert to_mermaid(graph).count("subgraph") == to_dot(graph).count("subgraph")
        assert f'"{stage.path}"' in to_dot(graph)


def test_texts_are_escaped() -> None:
    graph = graph_of(
        main(
            "a = generate(solve(question), from: small, n: 2)\n"
            "return a + generate(solve(question), from: large) when agreement(a) < 0.5 |> vote()"
        ).replace(
            "return a + generate(solve(question), from: large) when agreement(a) < 0.5 |> vote()",
            "b = generate(solve(question), from: large) when agreement(a) < 0.5\nreturn a + b |> vote()",
        )
    )
    assert "agreement(a) &lt; 0.5" in to_svg(graph)
    assert "agreement(a) #lt; 0.5" in to_mermaid(graph)


def test_layers_go_down_and_long_edges_bend() -> None:
    layout = layered(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")])
    assert [[slot.node for slot in layer if slot.node] for layer in layout.layers] == [["a"], ["b"], ["c"], ["d"]]
    assert len(layout.routes["a", "d"]) == 4
    crossed = layered(["a", "b", "x", "y"], [("a", "y"), ("b", "x")])
    first, second = ([slot.node for slot in layer] for layer in crossed.layers)
    assert (first.index("a") < first.index("b")) == (second.index("y") < second.index("x"))


def test_conditions_are_written_as_a_reader_would() -> None:
    graph = graph_of((GOLDEN / "branches.tts").read_text(encoding="utf-8"))
    when = graph.stage("main/more").when
    assert when is not None and condition_text(when) == "agreement(fused[2]/generate) < 0.5"
    labels = {edge.label for edge in drawing(graph).edges if edge.label}
    assert labels == {"sum", "word or other", "when"}
