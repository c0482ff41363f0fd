"""Documents to look things up in: read from files, cut into passages, found again by their words (BM25).

    index = index_of([Path("notes.jsonl")], field="text", length=1200)
    index.best("when was the mill built", 3)     # [(passage number, score), …], the best first

Scores are those of Lucene's BM25, by the package bm25s: sum over the query's words of idf f / (f + k1 (1 - b + b d /
mean d)), with idf = ln(1 + (N - n + 1/2) / (n + 1/2)), f a word's count in the passage, d its length in words; k1 =
1.5, b = 0.75. Words are runs of letters and digits without regard to case, none left out; each sign of Chinese and
Japanese is a word. Ties go to the passage that stands first. Indexes of files are kept while the files do not change.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

K1, B = 1.5, 0.75
EAST = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
WORDS = re.compile(rf"[{EAST}]|[^\W{EAST}]+")
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
    """The words of a text, as they are counted: without regard to case, and to how letters with accents are written."""
    return WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


# --- reading --------------------------------------------------------------------------------------


def index_of(paths: Sequence[Path], field: str, length: int) -> Index:
    """The index of files; patterns such as `notes/*.md` stand for all files that fit. Raises DocumentError."""
    try:
        files = [file for path in paths for file in _files(path)]
        seen = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    except OSError as error:
        raise DocumentError(f"{error.filename} cannot be read", hint="look at the file and the rights on it") from error
    with _READING:  # questions side by side wait for the one that reads
        return _known(seen, field, length)


_READING = Lock()


def documents_digest(paths: Sequence[Path]) -> str:
    """A hash of what files say, in their order: what is found among them follows from it. Raises DocumentError."""
    found = hashlib.sha256()
    for file in (file for path in paths for file in _files(path)):
        try:
            found.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            hint = "look at the file and the rights on it"
            raise DocumentError(f"{file} cannot be read: {error}", hint=hint) from error
        found.update(file.suffix.lower().encode("utf-8", "surrogatepass"))  # how it is read
    return found.hexdigest()


def _files(path: Path) -> list[Path]:
    at = next((place for place, part in enumerate(path.parts) if set(part) & set("*?[")), None)
    if at is not None:
        found = sorted(file for file in Path(*path.parts[:at]).glob(str(Path(*path.parts[at:]))) if file.is_file())
        if not found:
            raise DocumentError(f"no file fits {path}", hint="the path is relative to the file that names it")
        return found
    if path.is_dir():
        raise DocumentError(f"{path} is a folder", hint=f"name its files: `{path.name}/*.md`")
    if not path.is_file():
        raise DocumentError(f"there is no file {path}", hint="the path is relative to the file that names it")
    return [path]


@lru_cache(maxsize=8)
def _known(seen: tuple[tuple[str, int, int], ...], field: str, length: int) -> Index:
    texts = [text for name, _, _ in seen for text in _texts(Path(name), field)]
    return Index(tuple(passage for text in texts for passage in passages(text, length)))


def _texts(path: Path, field: str) -> list[str]:
    """The documents of a file: its rows' field, after their title if they have one, or the whole text."""
    text = _text(path)
    if path.suffix.lower() not in ROWS:
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


def _text(path: Path) -> str:
    """What a file says, in UTF-8, or in UTF-16 with its mark at the start."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error}", hint="look at the file and the rights on it") from error
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        known = "UTF-16" if wide else "UTF-8"
        hint = "documents are text: save it in UTF-8, and take pictures, sheets and PDFs out of the pattern"
        raise DocumentError(f"{path} is no text in {known} (byte {error.start + 1})", hint=hint) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _rows(path: Path, text: str) -> list[tuple[int, object]]:
    """The rows of a file with their numbers. A line ends with a line feed alone, as others may stand inside texts."""
    if path.suffix.lower() == ".json":
        listed = _json(text, str(path))
        if not isinstance(listed, list):
            raise DocumentError(f"{path} is no list of rows", hint="write one row a line, as .jsonl")
        return list(enumerate(listed, 1))
    lines = enumerate(text.split("\n"), 1)
    return [(number, _json(line, f"line {number} of {path}")) for number, line in lines if line.strip()]


def _json(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise DocumentError(f"{where} is no JSON: {said}", hint="write one row a line") from error


def passages(text: str, length: int) -> list[str]:
    """A text in passages of at most `length` bytes: whole paragraphs while they fit, else whole words."""
    found: list[str] = []
    now = ""
    for paragraph in (part.strip() for part in re.split(r"\n\s*\n", text)):
        if not paragraph:
            continue
        joined = f"{now}\n\n{paragraph}" if now else paragraph
        if _bytes(joined) <= length:
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
    now: list[str] = []
    size = 0
    for word in paragraph.split():
        *whole, last = _cut(word, length)
        taken = _bytes(last)
        if now and (whole or size + 1 + taken > length):
            found.append(" ".join(now))
            now, size = [], 0
        found += whole
        size += taken + (1 if now else 0)
        now.append(last)
    return [*found, " ".join(now)]


def _cut(word: str, length: int) -> Iterator[str]:
    """A word, or parts of at most `length` bytes of one that is longer, each of a character at least."""
    if _bytes(word) <= length:
        yield word
        return
    begin = size = 0
    for place, character in enumerate(word):
        taken = _bytes(character)
        if size + taken > length and place > begin:
            yield word[begin:place]
            begin, size = place, 0
        size += taken
    yield word[begin:]


def _bytes(text: str) -> int:
    """How many bytes a text has; halves of characters, which JSON may hold, have three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
