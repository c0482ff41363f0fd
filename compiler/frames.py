"""Which boxes of a drawing belong together: a frame for every loop, round, arm and call, one in the other.

    fused[1]/rank, fused[1]/fuse, fused[2]/rank     fused: (fused[1]: rank, fuse), (fused[2]: rank)
    helped/drafts, helped                           helped: drafts, helped

A stage whose path is that of a frame, the choice among the arms of a `match`, stands inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ttscale.compiler.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """A group of nodes (by id) and inner frames, in plan order; `path` is "" for the whole drawing."""

    path: str
    title: str
    items: tuple[Frame | str, ...]

    def nodes(self) -> Iterator[str]:
        """All nodes inside, at any depth."""
        for item in self.items:
            if isinstance(item, Frame):
                yield from item.nodes()
            else:
                yield item


def prefixes(group: str) -> list[str]:
    """The frames around a node of this group, from the outside: `a/b[2]` is in `a`, `a/b` and `a/b[2]`."""
    found: list[str] = []
    for part in filter(None, group.split("/")):
        before = f"{found[-1]}/" if found else ""
        stem = part.partition("[")[0]
        if stem != part:
            found.append(before + stem)
        found.append(before + part)
    return found


def framed(nodes: Sequence[tuple[str, str, str]], files: Mapping[str, str]) -> Frame:
    """The frames of nodes, given as id, path below the pipeline and group.

    `files` names the imported file of nodes that come from one; a frame whose nodes all do says so.
    """
    known = {prefix for _, _, group in nodes for prefix in prefixes(group)}
    order: dict[str, list[tuple[bool, str]]] = {"": []}
    for node, name, group in nodes:
        around = prefixes(name if name in known else group)
        for outer, inner in zip(["", *around], around, strict=False):
            if inner not in order:
                order[inner] = []
                order[outer].append((True, inner))
        order[around[-1] if around else ""].append((False, node))

    def frame(path: str, outer: str, outer_file: str) -> Frame:
        inside = list(_inside(path, order))
        shared = {files.get(node, "") for node in inside}
        file = shared.pop() if len(shared) == 1 else ""
        only = order[path][0] if len(order[path]) == 1 else None
        if path and only is not None and only[0]:
            return frame(only[1], outer, outer_file)
        title = path[len(outer) :].lstrip("/") if not path[len(outer) :].startswith("[") else path.rpartition("/")[2]
        said = f"{title} · {file}" if file and file != outer_file else title
        items = tuple(frame(name, path, file) if is_frame else name for is_frame, name in order[path])
        return Frame(path, said, items)

    return frame("", "", "")


def _inside(path: str, order: Mapping[str, Iterable[tuple[bool, str]]]) -> Iterator[str]:
    for is_frame, name in order[path]:
        if is_frame:
            yield from _inside(name, order)
        else:
            yield name


def without(frame: Frame, dissolved: Iterable[str]) -> Frame:
    """The frame with the items of some inner frames in the place of these."""
    gone = set(dissolved)
    items: list[Frame | str] = []
    for item in frame.items:
        if isinstance(item, Frame) and item.path in gone:
            items += item.items
        else:
            items.append(item)
    return Frame(frame.path, frame.title, tuple(items))
