"""Pictures of graphs: golden Mermaid, DOT and SVG, the networkx view, and the layout's promises."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import networkx as nx  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from programs import graph_of, main
from programs_at_random import programs
from ttscale.compiler.frames import Frame, framed
from ttscale.compiler.graph import condition_text, drawing, to_dot, to_mermaid, to_networkx, to_svg
from ttscale.compiler.layers import layered
from ttscale.compiler.nest import arranged

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


def boxes_of(svg: str, kind: str = "box") -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every stage's box, or of other rectangles."""
    found = []
    for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        if kind in rect.get("class", "").split():
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
    check_picture(svg)
    for stage in graph.stages:
        assert to_mermaid(graph).count("subgraph") == to_dot(graph).count("subgraph")
        assert f'"{stage.path}"' in to_dot(graph)


Points = list[tuple[float, float]]


def ways_of(svg: str) -> list[Points]:
    """Points along every arrow, close to each other."""
    found: list[Points] = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        if "edge" not in path.get("class", "").split():
            continue
        points: Points = []
        for command, numbers in re.findall(r"([MLC])([-\d. ]+)", path.get("d", "")):
            values = [float(number) for number in numbers.split()]
            ends = list(zip(values[::2], values[1::2], strict=True))
            if command == "C":
                (x0, y0), ((_, y1), (_, y2), (x3, y3)) = points[-1], ends
                for step in range(1, 21):
                    t, s = step / 20, 1 - step / 20
                    x = s**3 * x0 + 3 * s * s * t * x0 + 3 * s * t * t * x3 + t**3 * x3
                    points.append((x, s**3 * y0 + 3 * s * s * t * y1 + 3 * s * t * t * y2 + t**3 * y3))
            elif command == "L":
                (x0, y0), ((x1, y1),) = points[-1], ends
                points += [(x0 + (x1 - x0) * step / 20, y0 + (y1 - y0) * step / 20) for step in range(1, 21)]
            else:
                points += ends
        found.append(points)
    return found


FRAMED = """tts 1
model small = script("Answer: 4")
prompt kind(question: Text) -> Choice("easy", "hard") = "{{ question }}"
prompt solve(question: Text) -> Number = "{{ question }}"
prompt merge(question: Text, parts: [Text]) -> Number = "{{ question }} {{ parts | join(' ') }}"

pipeline inner(question: Text) -> Number {
  param rounds: Int in {1, 2, 3} = 2
  drafts = generate(solve(question), from: small, n: 4)
  best = repeat rounds with now = drafts {
    yield now |> rank(from: small, keep: 2) |> fuse(from: small, n: 3)
  }
  return best |> vote()
}

pipeline main(question: Text) -> Number {
  param depth: Int in {1, 10} = 10
  which = classify(kind(question), from: small)
  drafts = generate(solve(question), from: small, n: 8)
  fused = repeat depth with now = drafts {
    noted = now |> critique(from: small)
    yield noted |> rank(from: small, keep: 4) |> fuse(from: small, n: 5)
  }
  final = match which {
    easy => drafts |> vote()
    hard => fused |> verify(from: small) |> vote()
  }
  helped = inner(question, rounds: 3)
  other = inner(question, rounds: 2)
  last = generate(merge(question, parts: [text(final), text(helped), text(other)]), from: small, n: 2)
  return fused + last |> vote()
}
"""


def check_picture(svg: str) -> None:
    """No arrow crosses a box, and frames are one in the other or apart."""
    boxes = boxes_of(svg)
    for points in ways_of(svg):
        for x, y in points[1:-1]:
            assert not [b for b in boxes if b[0] + 1 < x < b[2] - 1 and b[1] + 1 < y < b[3] - 1], (x, y)
    frames = boxes_of(svg, "group")
    for index, one in enumerate(frames):
        for other in [*frames[index + 1 :], *boxes]:
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            inside = one[0] <= other[0] and other[2] <= one[2] and one[1] <= other[1] and other[3] <= one[3]
            assert apart or inside, (one, other)


def test_a_graph_of_fifty_nodes_has_a_frame_for_every_loop_round_arm_and_call() -> None:
    graph = graph_of(FRAMED)
    picture = drawing(graph)
    assert len(picture.nodes) >= 50
    titles: list[str] = []

    def walk(frame: Frame) -> None:
        for item in frame.items:
            if isinstance(item, Frame):
                titles.append(item.title)
                walk(item)

    walk(picture.frames)
    assert sorted(picture.frames.nodes()) == sorted(node.id for node in picture.nodes)
    begin = titles.index("fused")
    assert titles[begin : begin + 11] == ["fused", *(f"fused[{n}]" for n in range(1, 11))]
    assert {"final", "easy", "hard", "helped", "best", "best[3]", "other"} <= set(titles)
    svg = to_svg(graph)
    check_picture(svg)
    assert len(boxes_of(svg, "group")) == len(titles)
    for text in (to_mermaid(graph), to_dot(graph)):
        assert text.count("subgraph") == len(titles)
    last, final = "main/last", "main/final"
    assert any((edge.start, edge.end) == (final, last) for edge in picture.edges), "a prompt's argument is an edge"


def test_a_frame_says_which_file_its_stages_come_from() -> None:
    nodes = [("m/a/x", "a/x", "a"), ("m/a/b[1]/y", "a/b[1]/y", "a/b[1]"), ("m/z", "z", "")]
    root = framed(nodes, {"m/a/x": "other.tts", "m/a/b[1]/y": "other.tts"})
    (called, loose) = root.items
    assert isinstance(called, Frame) and loose == "m/z"
    assert called.title == "a · other.tts"
    inner = called.items[1]
    assert isinstance(inner, Frame) and inner.title == "b[1]" and inner.items == ("m/a/b[1]/y",)


def test_frames_that_would_stand_in_a_circle_are_dissolved() -> None:
    frame = Frame("", "", (Frame("f", "f", ("a", "c")), "b"))
    sizes = dict.fromkeys("abc", (100.0, 40.0))
    block = arranged(frame, [("a", "b", ""), ("b", "c", "")], sizes, {"f": 20.0})
    assert block.frames == [] and set(block.boxes) == {"a", "b", "c"}
    assert block.boxes["a"].bottom < block.boxes["b"].y and block.boxes["b"].bottom < block.boxes["c"].y


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
