"""Placing a drawing with frames: each frame is laid out by itself and is then one box of the frame around it.

An edge that leaves a frame goes through a port at its lower side, one that enters it through a port at its upper side,
so that no edge crosses a box and no two frames overlap. Places count in pixels from the upper left.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from ttscale.compiler.frames import Frame, without
from ttscale.compiler.layers import Layout, Slot, layered

GAP_X, GAP_Y = 28.0, 44.0
ENTRY_GAP, EXIT_GAP, FRAME_GAP = 18.0, 6.0, 34.0
HEAD, SIDE = 20.0, 14.0
MARGIN = 24.0
POINT = 14.0
SPREAD = 16.0
SWEEPS = 6

Point = tuple[float, float]
Link = tuple[str, str, str]
"""An edge to be drawn: its ends, and what tells it from others that may share their way."""


@dataclass(slots=True)
class Box:
    """A place: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The x of its centre."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """The y of its lower side."""
        return self.y + self.height

    def moved(self, x: float, y: float) -> Box:
        """The same box elsewhere."""
        return Box(self.x + x, self.y + y, self.width, self.height)


@dataclass
class Block:
    """A laid out frame: its size, what is inside, where edges enter and leave, and the way of each edge in it."""

    width: float = 0.0
    height: float = 0.0
    boxes: dict[str, Box] = field(default_factory=dict)
    frames: list[tuple[str, Box]] = field(default_factory=list)
    ports: dict[str, float] = field(default_factory=dict)
    ways: dict[Link, list[Point]] = field(default_factory=dict)


def arranged(frame: Frame, links: Sequence[Link], sizes: Mapping[str, Point], heads: Mapping[str, float]) -> Block:
    """The places of a frame's nodes, of the frames in it (outer ones first), and the way of each link.

    `sizes` are widths and heights of the nodes, `heads` the widths of the frames' titles by path. Nodes stand in
    topological order.
    """
    own = [link for link in links if link[0] in sizes and link[1] in sizes]
    return _block(frame, own, sizes, heads)


def _block(frame: Frame, links: Sequence[Link], sizes: Mapping[str, Point], heads: Mapping[str, float]) -> Block:
    owners = {node: _key(item) for item in frame.items for node in _nodes(item)}
    pairs = {link: pair for link in links if (pair := _pair(link, owners)) is not None}
    keys = [_key(item) for item in frame.items]
    order, stuck = _sorted(keys, [pair for pair in pairs.values() if pair[0] in keys and pair[1] in keys])
    circular = [item.path for item in frame.items if isinstance(item, Frame) and _key(item) in stuck]
    if circular:
        return _block(without(frame, circular), links, sizes, heads)
    touching = [link for link in links if link[0] in owners or link[1] in owners]
    blocks = {_key(item): _block(item, touching, sizes, heads) for item in frame.items if isinstance(item, Frame)}
    entries = list(dict.fromkeys(start for start, _ in pairs.values() if start.startswith(_IN)))
    exits = list(dict.fromkeys(end for _, end in pairs.values() if end.startswith(_OUT)))
    tall = {key: block.height for key, block in blocks.items()}
    layout = layered([*entries, *order, *exits], list(pairs.values()), entries, exits, tall)
    size = {key: (block.width, block.height) for key, block in blocks.items()}
    size |= {key: sizes[key] for key in keys if key in sizes}
    placed = _Placed(layout, size, is_inner=bool(frame.path))
    result = Block(width=max(placed.width, heads.get(frame.path, 0.0) + 2 * SIDE), height=placed.height)
    result.ports = {port: placed.boxes[port].middle for port in (*entries, *exits)}
    own = {link: _way(link, pair, placed, blocks, result.height) for link, pair in pairs.items()}
    _spread(own, pairs, placed, sizes)
    for item in frame.items:
        _take(item, placed.boxes[_key(item)], blocks, result)
    for link, way in own.items():
        result.ways[link] = (
            way if link not in result.ways else _joined(way, result.ways[link], pairs[link], blocks, link)
        )
    return result


# --- items and ports -----------------------------------------------------------------------------

_FRAME, _IN, _OUT = "\1", "\2", "\3"


def _key(item: Frame | str) -> str:
    return _FRAME + item.path if isinstance(item, Frame) else item


def _nodes(item: Frame | str) -> Iterable[str]:
    return item.nodes() if isinstance(item, Frame) else (item,)


def _entry(link: Link) -> str:
    return f"{_IN}{link[1]}{_IN}{link[2]}"


def _exit(link: Link) -> str:
    return f"{_OUT}{link[0]}"


def _pair(link: Link, owners: Mapping[str, str]) -> tuple[str, str] | None:
    """What a link connects in a frame: two items, or an item and a port; None for links of inner or other frames."""
    start, end = owners.get(link[0]), owners.get(link[1])
    if start == end:
        return None
    return start if start is not None else _entry(link), end if end is not None else _exit(link)


def _sorted(keys: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[list[str], set[str]]:
    """Keys in topological order, the given order where nothing else is said; and those on circles."""
    rank = {key: index for index, key in enumerate(keys)}
    after: dict[str, list[str]] = {key: [] for key in keys}
    open_: dict[str, int] = dict.fromkeys(keys, 0)
    for start, end in set(pairs):
        after[start].append(end)
        open_[end] += 1
    ready = [rank[key] for key in keys if not open_[key]]
    order: list[str] = []
    while ready:
        order.append(keys[heappop(ready)])
        for end in after[order[-1]]:
            open_[end] -= 1
            if not open_[end]:
                heappush(ready, rank[end])
    left = [key for key in keys if open_[key]]
    return [*order, *left], set(left)


# --- places --------------------------------------------------------------------------------------


class _Placed:
    """The places of one frame's slots, layers below each other, boxes of a layer pulled towards their neighbours."""

    def __init__(self, layout: Layout, size: Mapping[str, Point], *, is_inner: bool) -> None:
        self.layout = layout
        self.boxes: dict[str, Box] = {}
        self.bottoms: dict[str, float] = {}
        top = HEAD if is_inner else MARGIN
        for index, layer in enumerate(layout.layers):
            sizes = [size.get(slot.node, (POINT, 0.0)) for slot in layer]
            tallest = max((height for _, height in sizes), default=0.0)
            x = 0.0
            for slot, (width, height) in zip(layer, sizes, strict=True):
                self.boxes[slot.id] = Box(x, top, width, height if slot.node else tallest)
                self.bottoms[slot.id] = top + tallest
                x += width + GAP_X
            top += tallest
            if index + 1 < len(layout.layers):
                top += _gap(layer, layout.layers[index + 1])
        self._pull_all()
        side = SIDE if is_inner else MARGIN
        left = min((box.x for box in self.boxes.values()), default=0.0)
        for box in self.boxes.values():
            box.x += side - left
        self.width = max((box.x + box.width for box in self.boxes.values()), default=0.0) + side
        self.height = top + (SIDE if is_inner else MARGIN)

    def _pull_all(self) -> None:
        above: dict[str, list[str]] = {}
        below: dict[str, list[str]] = {}
        for start, end in (pair for route in self.layout.routes.values() for pair in itertools.pairwise(route)):
            below.setdefault(start, []).append(end)
            above.setdefault(end, []).append(start)
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            for layer in self.layout.layers if down else reversed(self.layout.layers):
                _pull([slot.id for slot in layer], self.boxes, above if down else below)


def _gap(layer: Sequence[Slot], following: Sequence[Slot]) -> float:
    """The room between two layers: less where no box of the lower one takes a label from above."""
    if {slot.node[:1] for slot in layer if slot.node} == {_IN}:
        return ENTRY_GAP
    kinds = {slot.node[:1] for slot in following if slot.node}
    return EXIT_GAP if kinds == {_OUT} else FRAME_GAP if kinds == {_FRAME} else GAP_Y


def _pull(layer: list[str], boxes: dict[str, Box], neighbours: Mapping[str, list[str]]) -> None:
    """Move a layer's boxes towards the middle of their neighbours, keeping order and gaps."""
    wanted: list[float] = []
    for slot in layer:
        middles = [boxes[other].middle for other in neighbours.get(slot, ())]
        wanted.append((sum(middles) / len(middles) if middles else boxes[slot].middle) - boxes[slot].width / 2)
    blocks: list[tuple[float, list[int]]] = []
    offsets = [0.0]
    for index in range(1, len(layer)):
        offsets.append(offsets[-1] + boxes[layer[index - 1]].width + GAP_X)
    for index in range(len(layer)):
        blocks.append((wanted[index] - offsets[index], [index]))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (first, left), (second, right) = blocks[-2], blocks[-1]
            blocks[-2:] = [((first * len(left) + second * len(right)) / (len(left) + len(right)), left + right)]
    for shift, members in blocks:
        for index in members:
            boxes[layer[index]].x = shift + offsets[index]


def _take(item: Frame | str, box: Box, blocks: Mapping[str, Block], result: Block) -> None:
    """Put an item, with all that is in it, at its place in a block."""
    if not isinstance(item, Frame):
        result.boxes[item] = box
        return
    block = blocks[_key(item)]
    result.frames.append((item.title, box))
    result.frames += [(title, inner.moved(box.x, box.y)) for title, inner in block.frames]
    result.boxes |= {node: inner.moved(box.x, box.y) for node, inner in block.boxes.items()}
    for link, way in block.ways.items():
        moved = [(x + box.x, y + box.y) for x, y in way]
        # An edge between two inner frames has a part in each; the one it leaves comes first.
        is_out = link in result.ways and link[0] in block.boxes
        result.ways[link] = moved + result.ways[link] if is_out else result.ways.get(link, []) + moved


# --- ways ----------------------------------------------------------------------------------------


def _way(link: Link, pair: tuple[str, str], placed: _Placed, blocks: Mapping[str, Block], height: float) -> list[Point]:
    """The points of one edge inside a frame: straight down through layers, bent between them."""
    start, end = pair
    route = placed.layout.routes[pair]
    first, last = placed.boxes[start], placed.boxes[end]
    if start.startswith(_IN):
        points = [(first.middle, 0.0), (first.middle, first.y)]
    else:
        x = first.x + blocks[start].ports[_exit(link)] if start in blocks else first.middle
        points = [(x, first.bottom), (x, placed.bottoms[start])]
    for slot in route[1:-1]:
        box = placed.boxes[slot]
        points += [(box.middle, box.y), (box.middle, box.bottom)]
    if end.startswith(_OUT):
        return [*points, (last.middle, last.y), (last.middle, height)]
    return [*points, (last.x + blocks[end].ports[_entry(link)] if end in blocks else last.middle, last.y)]


def _spread(
    ways: dict[Link, list[Point]],
    pairs: Mapping[Link, tuple[str, str]],
    placed: _Placed,
    sizes: Mapping[str, Point],
) -> None:
    """Let edges end side by side on the upper side of a box, in the order in which they come."""
    ending: dict[str, dict[Point, list[Link]]] = {}
    for link, way in ways.items():
        end = pairs[link][1]
        if end in sizes:
            ending.setdefault(end, {}).setdefault(way[-2], []).append(link)
    for end, groups in ending.items():
        box = placed.boxes[end]
        step = min(SPREAD, (box.width - 24) / max(1, len(groups)))
        for number, before in enumerate(sorted(groups)):
            x = box.middle + (number - (len(groups) - 1) / 2) * step
            for link in groups[before]:
                ways[link][-1] = (x, box.y)


def _joined(
    way: list[Point], inner: list[Point], pair: tuple[str, str], blocks: Mapping[str, Block], link: Link
) -> list[Point]:
    """A way between items with the parts of it inside these: what leaves, the way between, what enters."""
    leaves = len(blocks[pair[0]].ways.get(link, ())) if pair[0] in blocks else 0
    return inner[:leaves] + way + inner[leaves:]
