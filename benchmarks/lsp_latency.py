"""Time from an edit to its diagnostics in the language server, on a generated file of 500 lines.

    python benchmarks/lsp_latency.py [--lines 500] [--edits 40] [--json]

A real client speaks to a server process over standard input and output. Edits go in turn to a pipeline at the
top, in the middle and at the end: a changed number, a letter too many (an error in names), a missing bracket (an error
in syntax), and back. No text comes twice but the one between the edits, so `back` (an undo) is not in the total.
The time runs from sending the change to having read the diagnostics of that version, the server's pause for further
letters included. What trying the values of parameters finds comes in a second answer, which is not timed. The goal is a
median under 100 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from typing import Any

from front_end import HEAD, PART
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

GOAL = 0.1
URI = "untitled:latency.tts"


def program(lines: int) -> tuple[str, int]:
    """A program of at least `lines` lines, and how many pipelines it has."""
    text, count = HEAD, 0
    while text.count("\n") < lines:
        text += PART.format(count)
        count += 1
    return text, count


def edits(text: str, pipelines: int, count: int) -> list[tuple[str, str]]:
    """Kinds of edits and the text after each."""
    found: list[tuple[str, str]] = []
    for round_ in range(count):
        at = text.index(f"pipeline main{(0, pipelines // 2, pipelines - 1)[round_ % 3]}(")
        before, rest = text[:at], text[at:]
        kind, old, new = (
            ("value", "max_tokens: 80", f"max_tokens: {81 + round_}"),
            ("name", "vote()", f"vote{round_}()"),
            ("syntax", "verify(from: small)", f"verify(from: small{round_}"),
        )[(round_ // 3) % 3]
        found += [(kind, before + rest.replace(old, new, 1)), ("back", text)]
    return found


async def measure(lines: int, count: int) -> dict[str, list[float]]:
    """Seconds by kind of edit."""
    client = LanguageClient("benchmark", "1")
    answered: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def _(params: lsp.PublishDiagnosticsParams) -> None:
        answered.put_nowait(params)

    await client.start_io(sys.executable, "-m", "ttscale", "lsp")
    await client.initialize_async(lsp.InitializeParams(capabilities=lsp.ClientCapabilities()))
    client.initialized(lsp.InitializedParams())
    text, pipelines = program(lines)
    item = lsp.TextDocumentItem(URI, "tts", 0, text)
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
    first = await answered.get()
    if first.diagnostics:
        raise SystemExit(f"the generated program is wrong: {first.diagnostics[0].message}")
    seconds: dict[str, list[float]] = {}
    for version, (kind, changed) in enumerate(edits(text, pipelines, count), 1):
        change = lsp.TextDocumentContentChangeWholeDocument(changed)
        document = lsp.VersionedTextDocumentIdentifier(version, URI)
        begin = time.perf_counter()
        client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [change]))
        while (await answered.get()).version != version:
            continue
        seconds.setdefault(kind, []).append(time.perf_counter() - begin)
        await asyncio.sleep(0.05)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return seconds


def summary(seconds: dict[str, list[float]], lines: int) -> dict[str, Any]:
    """Medians and 95th percentiles in milliseconds, by kind and together."""
    every = [value for kind, values in seconds.items() if kind != "back" for value in values]

    def row(values: list[float]) -> dict[str, float | int]:
        high = sorted(values)[min(len(values) - 1, int(len(values) * 0.95))]
        return {
            "edits": len(values),
            "median_ms": round(statistics.median(values) * 1e3, 1),
            "p95_ms": round(high * 1e3, 1),
        }

    kinds = {kind: row(values) for kind, values in seconds.items()}
    return {"lines": lines, "kinds": kinds, "all": row(every), "met": statistics.median(every) < GOAL}


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--edits", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = summary(asyncio.run(measure(options.lines, options.edits)), options.lines)
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"{found['lines']} lines; milliseconds from an edit to its diagnostics")
    print(f"{'edit':<8}{'count':>7}{'median':>9}{'95 %':>9}")
    for kind, row in [*found["kinds"].items(), ("all", found["all"])]:
        print(f"{kind:<8}{row['edits']:>7}{row['median_ms']:>9}{row['p95_ms']:>9}")
    print(f"goal: a median under {GOAL * 1e3:.0f} ms, {'met' if found['met'] else 'missed'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
