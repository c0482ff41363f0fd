"""Documents to look things up in: read from files, cut into passages, found again by their words (BM25).

    index = index_of([Path("notes.jsonl")], field="text", length=1200)
    index.best("when was the mill built", 3)     # [(passage number, score), …], the best first

Scores are those of Lucene's BM25, by the package bm25s: sum over the query's words of idf f / (f + k1 (1 - b + b d /
mean d)), with idf = ln(1 + (N - n + 1/2) / (n + 1/2)), f a word's count in the passage, d its length in words; k1 =
1.5, b = 0.75. Words are runs of letters and digits without regard to case, none left out. Ties go to the passage that
stands first. Indexes of files are kept while the files do not change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

K1, B = 1.5, 0.75
WORDS = re.compile(r"\w+")
ROWS = (".jsonl", ".ndjson", ".json")
TITLE = "title"


class DocumentError(Exception):
    """Documents cannot be read; the message is for the user, `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Index:
    """Passages and what BM25 knows of their words; made with the first look-up."""

    def __init__(self, passages: tuple[str, ...]) -> None:
        self.passages = passages
        self._made: Any = None
        self._making = Lock()

    def scores(self, query: str) -> dict[int, float]:
        """The score of every passage that has a word of the query. Raises DocumentError without bm25s."""
        asked = words(query)
        if not asked or not any(words(passage) for passage in self.passages):
            return {}
        with self._making:  # questions look things up side by side, in threads
            if self._made is None:
                made = _bm25()
                made.index([words(passage) for passage in self.passages], show_progress=False)
                self._made = made
        return {place: float(score) for place, score in enumerate(self._made.get_scores(asked)) if score > 0}

    def best(self, query: str, count: int) -> list[tuple[int, float]]:
        """The passages with the highest scores, the best first; fewer where fewer have a word of the query."""
        return sorted(self.scores(query).items(), key=lambda item: (-item[1], item[0]))[:count]


def _bm25() -> Any:
    try:
        import bm25s  # type: ignore[import-untyped]
    except ImportError as error:
        hint = 'install it: `pip install "ttscale[retrieve]"`'
        raise DocumentError("looking things up by their words needs the package bm25s", hint=hint) from error
    return bm25s.BM25(method="lucene", k1=K1, b=B)


def words(text: str) -> list[str]:
    """The words of a text, as they are counted: without regard to case."""
    return WORDS.findall(text.casefold())


# --- reading --------------------------------------------------------------------------------------


def index_of(paths: Sequence[Path], field: str, length: int) -> Index:
    """The index of files; patterns such as `notes/*.md` stand for all files that fit. Raises DocumentError."""
    files = [file for path in paths for file in _files(path)]
    try:
        seen = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    except OSError as error:
        raise DocumentError(f"{error.filename} cannot be read", hint="look at the file and the rights on it") from error
    return _known(seen, field, length)


def _files(path: Path) -> list[Path]:
    at = next((place for place, part in enumerate(path.parts) if set(part) & set("*?[")), None)
    if at is not None:
        found = sorted(file for file in Path(*path.parts[:at]).glob(str(Path(*path.parts[at:]))) if file.is_file())
        if not found:
            raise DocumentError(f"no file fits {path}", hint="the path is relative to the file that names it")
        return found
    if not path.is_file():
        raise DocumentError(f"there is no file {path}", hint="the path is relative to the file that names it")
    return [path]


@lru_cache(maxsize=8)
def _known(seen: tuple[tuple[str, int, int], ...], field: str, length: int) -> Index:
    texts = [text for name, _, _ in seen for text in _texts(Path(name), field)]
    return Index(tuple(passage for text in texts for passage in passages(text, length)))


def _texts(path: Path, field: str) -> list[str]:
    """The documents of a file: its rows' field, after their title if they have one, or the whole text."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"{path} cannot be read: {error}", hint="documents are text in UTF-8") from error
    if path.suffix not in ROWS:
        return [text]
    found: list[str] = []
    for number, row in _rows(path, text):
        if not isinstance(row, dict) or not isinstance(row.get(field), str):
            names = ", ".join(row) if isinstance(row, dict) else "no fields"
            hint = f"say `field:`; the row has {names}"
            raise DocumentError(f"row {number} of {path} has no text `{field}`", hint=hint)
        title = row.get(TITLE)
        found.append(f"{title}: {row[field]}" if isinstance(title, str) and field != TITLE else row[field])
    return found


def _rows(path: Path, text: str) -> list[tuple[int, object]]:
    try:
        if path.suffix == ".json":
            listed = json.loads(text)
            if not isinstance(listed, list):
                raise DocumentError(f"{path} is no list of rows", hint="write one row a line, as .jsonl")
            return list(enumerate(listed, 1))
        return [(number, json.loads(line)) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    except json.JSONDecodeError as error:
        raise DocumentError(f"{path} is no JSON: {error}", hint="write one row a line") from error


def passages(text: str, length: int) -> list[str]:
    """A text in passages of at most `length` bytes: whole paragraphs while they fit, else whole words."""
    found: list[str] = []
    now = ""
    for paragraph in (part.strip() for part in re.split(r"\n\s*\n", text)):
        if not paragraph:
            continue
        joined = f"{now}\n\n{paragraph}" if now else paragraph
        if len(joined.encode()) <= length:
            now = joined
            continue
        if now:
            found.append(now)
        *whole, now = _pieces(paragraph, length)
        found += whole
    return [*found, now] if now else found


def _pieces(paragraph: str, length: int) -> list[str]:
    """A paragraph in pieces of whole words; a word that is longer than a piece is cut."""
    found: list[str] = []
    now = ""
    for word in paragraph.split():
        while len(word.encode()) > length:
            head = word.encode()[:length].decode(errors="ignore") or word[0]
            found += [part for part in (now, head) if part]
            now, word = "", word[len(head) :]
        joined = f"{now} {word}" if now and word else now or word
        if len(joined.encode()) > length:
            found.append(now)
            joined = word
        now = joined
    return [*found, now]
