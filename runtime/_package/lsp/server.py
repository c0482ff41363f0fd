"""The server: protocol requests in, answers out.

Documents are synchronised whole. An edit is checked as soon as no further edit has come for `PAUSE` seconds. What
trying the values of parameters finds follows `REST` seconds later, and other open documents that import the edited one
after `LATER` seconds.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.driver import Checked
from ttscale.compiler.source import SourceFile, Span
from ttscale.lsp.completion import complete
from ttscale.lsp.cursor import Cursor
from ttscale.lsp.edits import Edit, fix_of, layout
from ttscale.lsp.hover import hover
from ttscale.lsp.navigation import definition, outline
from ttscale.lsp.places import Places, import_of, name_of, unified, uri_of
from ttscale.lsp.programs import Programs

PAUSE = 0.01
"""Seconds without another edit after which a document is checked: letters that arrive together are checked once."""

REST = 0.1
"""Seconds after an answer until the values of parameters are tried, if no further edit comes."""

LATER = 0.3
"""Seconds after which the documents that import an edited one are checked."""

SEVERITIES = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "lint": lsp.DiagnosticSeverity.Information,
}


class Server(LanguageServer):
    """The language server, with its open programs."""

    def __init__(self, version: str) -> None:
        super().__init__("ttscale", version, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.programs = Programs()
        self.uris: dict[str, str] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        for method, handler in (
            (lsp.TEXT_DOCUMENT_DID_OPEN, self.on_open),
            (lsp.TEXT_DOCUMENT_DID_CHANGE, self.on_change),
            (lsp.TEXT_DOCUMENT_DID_SAVE, self.on_save),
            (lsp.TEXT_DOCUMENT_DID_CLOSE, self.on_close),
            (lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, self.on_files),
            (lsp.TEXT_DOCUMENT_HOVER, self.on_hover),
            (lsp.TEXT_DOCUMENT_DEFINITION, self.on_definition),
            (lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, self.on_outline),
            (lsp.TEXT_DOCUMENT_FORMATTING, self.on_format),
        ):
            self.feature(method)(_function(handler))
        triggers = lsp.CompletionOptions(trigger_characters=[".", ":", "(", ">"])
        self.feature(lsp.TEXT_DOCUMENT_COMPLETION, triggers)(_function(self.on_completion))
        kinds = lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])
        self.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, kinds)(_function(self.on_action))

    @property
    def places(self) -> Places:
        """Positions in the encoding agreed on with the client."""
        return Places(str(getattr(self.workspace.position_encoding, "value", self.workspace.position_encoding)))

    # --- documents --------------------------------------------------------------------------------

    def on_open(self, params: lsp.DidOpenTextDocumentParams) -> None:
        """A document was opened."""
        self._take(params.text_document.uri, params.text_document.text)

    def on_change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """A document was edited."""
        uri = params.text_document.uri
        self._take(uri, self.workspace.get_text_document(uri).source)

    def on_save(self, _params: lsp.DidSaveTextDocumentParams) -> None:
        """A document was saved: others may have waited for it to be there."""
        self.programs.forget_files()
        self._follow()

    def on_files(self, _params: lsp.DidChangeWatchedFilesParams) -> None:
        """Files changed outside the editor."""
        self.programs.forget_files()
        self._follow()

    def on_close(self, params: lsp.DidCloseTextDocumentParams) -> None:
        """A document was closed; what was said about it is taken back."""
        uri = params.text_document.uri
        name = name_of(uri)
        self.programs.drop(name)
        self.uris.pop(name, None)
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))
        self._follow()

    def _take(self, uri: str, text: str) -> None:
        name = name_of(uri)
        self.uris[name] = uri
        self.programs.put(name, unified(text))
        self._later(name, PAUSE)

    def _later(self, name: str, seconds: float) -> None:
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, self._publish, name)

    def _follow(self) -> None:
        for name in self.programs.waiting():
            if name not in self._timers:
                self._later(name, LATER)

    def _publish(self, name: str) -> None:
        """Check a document and tell the client."""
        self._timers.pop(name, None)
        try:
            checked = self.programs.checked(name)
        except Exception as failure:
            self._complain(failure)
            return
        if checked is None or name not in self.uris:
            return
        uri = self.uris[name]
        version = self.workspace.get_text_document(uri).version
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, self.diagnostics(checked), version))
        if not self.programs.is_whole(name):
            self._timers[name] = asyncio.get_running_loop().call_later(REST, self._look, name)
        self._follow()

    def _look(self, name: str) -> None:
        """Go on with what takes longer, a pipeline at a time, so that questions are answered in between."""
        self._timers.pop(name, None)
        try:
            is_last = self.programs.look(name)
        except Exception as failure:
            self._complain(failure)
            is_last = self.programs.is_whole(name)
        if is_last:
            self._publish(name)
        elif not self.programs.is_whole(name):
            self._timers[name] = asyncio.get_running_loop().call_later(0, self._look, name)

    def _complain(self, failure: Exception) -> None:
        """A fault of ours: said in the editor's log, with where it happened; the server goes on."""
        text = "".join(traceback.format_exception(failure))
        self.window_log_message(
            lsp.LogMessageParams(lsp.MessageType.Error, f"a fault of ttscale, please report it:\n{text}")
        )

    # --- diagnostics ------------------------------------------------------------------------------

    def diagnostics(self, checked: Checked) -> list[lsp.Diagnostic]:
        """What is said about a document; the first error in each file that it imports stands at the import."""
        entry = checked.linked.entry
        found: list[lsp.Diagnostic] = []
        elsewhere: set[str] = set()
        for diagnostic in checked.diagnostics:
            span = diagnostic.primary
            if span is None or span.file == entry:
                found.append(self._diagnostic(diagnostic, span or Span(entry, 0, 0), checked))
            elif diagnostic.severity == "error" and span.file not in elsewhere:
                elsewhere.add(span.file)
                found.append(self._imported(diagnostic, span, checked))
        return found

    def _diagnostic(self, diagnostic: Diagnostic, span: Span, checked: Checked) -> lsp.Diagnostic:
        source = checked.sources[span.file]
        message = diagnostic.message
        if diagnostic.label:
            message += f"\n{diagnostic.label}"
        if diagnostic.hint:
            message += f"\nhint: {diagnostic.hint}"
        related = [
            lsp.DiagnosticRelatedInformation(location, label.text)
            for label in diagnostic.labels
            if (location := self._location(label.span, checked)) is not None
        ]
        unused = diagnostic.code in ("L002", "L003", "L005", "L007")
        return lsp.Diagnostic(
            range=self.places.range(source, span),
            message=message,
            severity=SEVERITIES[diagnostic.severity],
            code=diagnostic.code,
            source="ttscale",
            tags=[lsp.DiagnosticTag.Unnecessary] if unused else None,
            related_information=related or None,
        )

    def _imported(self, diagnostic: Diagnostic, span: Span, checked: Checked) -> lsp.Diagnostic:
        """An error in an imported file, at the import that leads there, be it through others."""
        main = checked.linked.main
        source = checked.sources[main.name]
        place = import_of(checked.linked, span.file) or Span(main.name, 0, 0)
        message = f"in {Path(span.file).name}: {diagnostic.message}"
        if diagnostic.hint:
            message += f"\nhint: {diagnostic.hint}"
        location = self._location(span, checked)
        return lsp.Diagnostic(
            range=self.places.range(source, place),
            message=message,
            severity=lsp.DiagnosticSeverity.Error,
            code=diagnostic.code,
            source="ttscale",
            related_information=[lsp.DiagnosticRelatedInformation(location, diagnostic.message)] if location else None,
        )

    def _location(self, span: Span, checked: Checked) -> lsp.Location | None:
        source = checked.sources.get(span.file)
        uri = self.uris.get(span.file) or uri_of(span.file)
        if source is None or uri is None:
            return None
        return lsp.Location(uri, self.places.range(source, span))

    # --- questions --------------------------------------------------------------------------------

    def _at(self, uri: str, position: lsp.Position) -> tuple[Cursor, Checked] | None:
        checked = self.programs.checked(name_of(uri))
        source = self.programs.source(name_of(uri))
        if checked is None or source is None:
            return None
        return Cursor(source.text, self.places.offset(source, position)), checked

    def on_hover(self, params: lsp.HoverParams) -> lsp.Hover | None:
        """What is under the pointer."""
        place = self._at(params.text_document.uri, params.position)
        said = hover(*place) if place is not None else None
        if place is None or said is None:
            return None
        start, end = place[0].word_span
        source = SourceFile("", place[0].text)
        markdown = lsp.MarkupContent(lsp.MarkupKind.Markdown, said)
        return lsp.Hover(markdown, self.places.range(source, Span("", start, end)))

    def on_completion(self, params: lsp.CompletionParams) -> lsp.CompletionList:
        """What could stand here."""
        place = self._at(params.text_document.uri, params.position)
        return lsp.CompletionList(False, complete(*place) if place is not None else [])

    def on_definition(self, params: lsp.DefinitionParams) -> lsp.Location | None:
        """Where the name is declared."""
        place = self._at(params.text_document.uri, params.position)
        target = definition(*place) if place is not None else None
        if target is None:
            return None
        uri = self.uris.get(target.source.name) or uri_of(target.source.name)
        return lsp.Location(uri, self.places.range(target.source, target.span)) if uri is not None else None

    def on_outline(self, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        """The declarations of the document."""
        checked = self.programs.checked(name_of(params.text_document.uri))
        return outline(checked, self.places) if checked is not None else []

    def on_format(self, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        """The canonical layout; no edit for a document with syntax errors."""
        source = self.programs.source(name_of(params.text_document.uri))
        return [self._edit(edit, source) for edit in layout(source)] if source is not None else []

    def on_action(self, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        """Hints in the range that can be applied as they are."""
        name = name_of(params.text_document.uri)
        checked, source = self.programs.checked(name), self.programs.source(name)
        if checked is None or source is None:
            return []
        first, last = self.places.offset(source, params.range.start), self.places.offset(source, params.range.end)
        actions = []
        for diagnostic in checked.diagnostics:
            span = diagnostic.primary
            fix = fix_of(diagnostic, source)
            if span is None or fix is None or span.end < first or span.start > last:
                continue
            title, edit = fix
            change = lsp.WorkspaceEdit(changes={params.text_document.uri: [self._edit(edit, source)]})
            told = [self._diagnostic(diagnostic, span, checked)]
            actions.append(lsp.CodeAction(title, lsp.CodeActionKind.QuickFix, told, edit=change))
        return actions

    def _edit(self, edit: Edit, source: SourceFile) -> lsp.TextEdit:
        return lsp.TextEdit(self.places.range(source, Span(source.name, edit.start, edit.end)), edit.text)


def _function(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A method as a plain function, since pygls sets attributes on what it registers."""

    def handle(params: Any) -> Any:
        return method(params)

    return handle


def serve(version: str) -> None:
    """Serve one client over standard input and output until it says `exit`.

    Standard output is the protocol's alone: whatever else writes to it goes to standard error.
    """
    # Trees live long and hold no circles to speak of; looking through them with every edit costs a tenth of a second.
    gc.set_threshold(50_000, 20, 50)
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    Server(version).start_io(sys.stdin.buffer, protocol)
