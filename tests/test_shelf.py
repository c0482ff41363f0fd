"""The recipes that ship with the tool: whole, without a finding, tested, found by their names, shown as they are."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from cli_runs import tts
from sandboxes import SAFE
from ttscale.cli.domains import bind_all
from ttscale.cli.recipe_evidence import page_with
from ttscale.cli.recipe_gallery import graph_of, recipe_folders, shown_of
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.driver import Checked
from ttscale.compiler.evidence import all_evidence
from ttscale.compiler.graph import to_mermaid
from ttscale.compiler.lint import lint
from ttscale.compiler.literals import quote
from ttscale.library.elsewhere import NOT_HERE, instead
from ttscale.library.gallery import gallery
from ttscale.library.manifest import read_manifest
from ttscale.library.names import normal
from ttscale.library.packing import files_of
from ttscale.library.recipes import called
from ttscale.library.standard import stage_prompts
from ttscale.runtime.recipe_evidence import evidence_in
from ttscale.runtime.sandbox import why_not

ROOT = Path(__file__).resolve().parent.parent
SHELF = ROOT / "library" / "shelf"
PAGE = ROOT / "docs" / "gallery.md"
FOLDERS = recipe_folders(SHELF)
PICTURE = re.compile(r"(?<=```mermaid\n).*?(?=```)", re.DOTALL)
# the names of optillm's approaches and plugins, as its command line takes them
OPTILLM = {
    "bon": "best-of-n",
    "moa": "mixture-of-agents",
    "mcts": "tree-search",
    "self_consistency": "self-consistency",
    "majority_voting": "self-consistency",
    "plansearch": "plan-search",
    "cot_reflection": "cot-reflection",
    "re2": "re2",
    "rto": "rto",
    "leap": "leap",
    "rstar": "mutual-consistency",
    "pvg": "prover-verifier",
    "z3": "logic-proof",
    "thinkdeeper": "budget-forcing",
    "autothink": "difficulty-budget",
    "deepthink": "self-discover",
    "mars": "agents-with-review",
    "cepo": "plan-and-solve",
    "genselect": "generative-selection",
    "deepconf": "confidence-pruning",
    "router": "router",
    "coc": "program-aided",
    "executecode": "program-aided",
}
OPTILLM_WITHOUT_RECIPE = (
    *("cot_decoding", "entropy_decoding", "longcepo", "memory", "spl", "readurls", "web_search", "deep_research"),
    *("mcp", "proxy", "privacy", "json"),
)
SEARCHED = {
    "pal": "program-aided",
    "program-of-thoughts": "program-aided",
    "tree-of-thoughts": "step-beam",
    "tot": "step-beam",
    "beam-search": "step-beam",
    "multi-agent-debate": "debate",
    "self-refine": "critique-and-revise",
    "rag": "retrieve-and-answer",
    "linc": "logic-proof",
    "proxy-tuning": "emulated-fine-tuning",
    "contrastive-decoding": "contrastive",
    "fs-gen": "token-routing",
    "s1": "budget-forcing",
    "chain-of-thought": "single",
    "thinksum": "think-and-sum",
    "hogwild": "shared-notes",
    "multiverse": "split-and-join",
    "saffron": "token-beam",
    "rain": "rewind",
    "feynman-kac": "steered-particles",
    "fortytwo": "peer-ranking",
    "rlot": "thought-blocks",
    "rl-of-thoughts": "thought-blocks",
}

every = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def checked_of(folder: Path) -> Checked:
    from ttscale.cli.sources import check_file

    return check_file(str(folder / "recipe.tts"))


def test_the_architectures_that_people_know_are_there() -> None:
    names = {folder.name for folder in FOLDERS}
    assert names >= {
        *("single", "self-consistency", "best-of-n", "weighted-vote", "best-of-majority", "confidence-pruning"),
        *("generate-rank-fuse", "mixture-of-agents", "archon", "critique-and-revise", "verify-and-retry"),
        *("parallel-distill-refine", "cascade", "adaptive-sampling", "judge-tournament", "code-with-tests"),
        *("plan-search", "debate", "cot-reflection", "re2", "rto", "leap", "generative-selection", "router"),
        *("step-beam", "particle-filter", "tree-search", "speculative-reasoning", "retrieve-and-answer"),
        *("program-aided", "budget-forcing", "self-discover", "plan-and-solve", "agents-with-review"),
        *("prover-verifier", "mutual-consistency", "difficulty-budget", "logic-proof"),
        *("atom-of-thoughts", "question-tree", "sequential-revisions", "refine-until-accepted"),
        *("review-rephrase-resolve", "think-and-sum", "shared-notes", "split-and-join", "token-beam"),
        *("direct-or-reasoned", "coherent-chain", "steered-particles", "rewind"),
        *("peer-ranking", "thought-blocks"),
    }


def test_no_two_recipes_have_one_name() -> None:
    owners: dict[str, str] = {}
    for folder in FOLDERS:
        said = read_manifest(folder)
        assert said.name == folder.name and said.summary.endswith(".") and said.tasks and said.source and said.license
        for name in {normal(said.name), *map(normal, said.aliases)}:
            assert owners.setdefault(name, said.name) == said.name, f"`{name}` is {owners[name]} and {said.name}"


@pytest.mark.parametrize(("name", "recipe"), (OPTILLM | SEARCHED).items())
def test_names_that_people_search_for_are_known(name: str, recipe: str) -> None:
    found = called(name)
    assert found is not None and found.name == recipe


@pytest.mark.parametrize("name", OPTILLM_WITHOUT_RECIPE)
def test_what_no_recipe_can_do_is_said_with_what_comes_nearest(name: str) -> None:
    told = tts("run", name, "?", "--no-bank")
    assert told.code == 1 and "nearest is" in told.err, told.err
    assert "nearest is" in tts("recipe", "show", name).err
    assert instead(name.upper().replace("_", "-"))


def test_what_comes_nearest_is_there() -> None:
    own = {folder.name for folder in FOLDERS}
    for name, found in NOT_HERE.items():
        assert normal(name) == name
        recipe, _, rest = found.nearest.partition(" ")
        if "`" in found.nearest:
            continue
        assert recipe.rstrip(",") in own, found.nearest
        if rest.startswith("--pipeline "):
            assert rest.removeprefix("--pipeline ") in checked_of(SHELF / recipe).pipelines


@every
def test_a_recipe_has_nothing_to_remark(folder: Path) -> None:
    checked = checked_of(folder)
    found = [*checked.diagnostics, *lint(checked, std=stage_prompts())]
    assert [(one.code, one.message) for one in found] == []
    assert files_of(folder), "it can be packed"
    text = (folder / "recipe.tts").read_text(encoding="utf-8")
    assert tts("fmt", "--check", "-", stdin=text).code == 0
    assert next(iter(checked.pipelines)) == "main" and len(checked.pipelines) > 1, "there is a baseline too"


@every
def test_a_budget_cuts_nothing_short_at_the_defaults(folder: Path) -> None:
    graph = graph_of(folder)
    most, budget = make_plan(graph).maximum, graph.budget
    assert budget.calls is None or most.calls <= budget.calls
    assert budget.tokens is None or most.tokens <= budget.tokens


@every
def test_every_value_of_the_parameters_has_room_in_the_budget(folder: Path) -> None:
    assert [(one.code, one.hint) for one in bind_all(checked_of(folder))] == []


@every
async def test_the_tests_of_a_recipe_pass(folder: Path) -> None:
    if "code" in read_manifest(folder).needs and all([await why_not(backend) for backend in SAFE]):
        pytest.skip("this machine has no sandbox to run programs in")
    if "prove()" in (folder / "recipe.tts").read_text(encoding="utf-8"):
        pytest.importorskip("z3")
    await asyncio.to_thread(passes, folder)


def passes(folder: Path) -> None:
    """The tests in a recipe's program pass."""
    ran = tts("test", folder / "recipe.tts")
    assert ran.code == 0, ran.out + ran.err


@every
def test_a_recipes_page_has_its_picture(folder: Path, update: bool) -> None:
    page = folder / "README.md"
    text = page.read_text(encoding="utf-8")
    drawn = to_mermaid(graph_of(folder))
    found = evidence_in((folder / "recipe.tts").read_text(encoding="utf-8"))
    if update:
        told = page_with(PICTURE.sub(lambda _: f"{drawn.rstrip()}\n", text, count=1), found)
        page.write_text(told, encoding="utf-8", newline="\n")
        return
    assert text == page_with(text, found), "run pytest --update"
    assert PICTURE.findall(text)[0].rstrip() == drawn.rstrip(), "run pytest --update"
    for section in ("When to use it", "Cost", "Use it", "Source"):
        assert f"## {section}\n" in text
    assert re.search(rf"^    ttscale run {folder.name} ", text, re.MULTILINE)


def test_the_gallery_shows_the_library(update: bool) -> None:
    text = gallery([shown_of(folder, PAGE.parent) for folder in FOLDERS])
    if update:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
        return
    assert text == PAGE.read_text(encoding="utf-8"), "run pytest --update"
    for folder in FOLDERS:
        count = len(all_evidence((folder / "recipe.tts").read_text(encoding="utf-8")))
        section = text.split(f"\n## {folder.name}\n")[1].split("\n## ")[0]
        assert section.count("\nEvidence: ") == count and f"](../library/shelf/{folder.name}/README.md)" in section


COOKBOOK = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
NAMED = sorted(
    {
        name
        for cell in re.findall(r"^\|[^|]*\|([^|]*)\|", COOKBOOK, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", cell)
    }
)
"""The recipes of the cookbook's tables, each with the pipeline that it says."""
REPLIES = {
    "FOL": "FOL: Dog(rex)\nFOL: Dog(rex)",
    "program": "```python\ndef f():\n    return 4\nprint(4)\n```",
    "": "yes 1\nAnswer: 4",
}


@pytest.mark.parametrize("name", NAMED)
async def test_every_recipe_of_the_cookbook_answers(name: str) -> None:
    recipe, _, pipeline = name.partition(" --pipeline ")
    text = (SHELF / recipe / "recipe.tts").read_text(encoding="utf-8")
    if "code" in read_manifest(SHELF / recipe).needs and all([await why_not(backend) for backend in SAFE]):
        pytest.skip("this machine has no sandbox to run programs in")
    if "prove()" in text:
        pytest.importorskip("z3")
    replies = ", ".join(f"{quote(part)}: [{quote(reply)}]" for part, reply in REPLIES.items())
    which = ["--pipeline", pipeline] if pipeline else []
    command = [
        "run",
        recipe,
        "Write the function f, a program.",
        *which,
        "--model",
        f"script({{{replies}}})",
        "--no-bank",
    ]
    ran = await asyncio.to_thread(tts, *command)
    if "R0707" in ran.err:
        pytest.skip("it chooses by probabilities, which replies of a script do not have")
    assert ran.code == 0 and ran.out.strip(), ran.err


def test_the_cookbook_has_the_tasks_that_people_have() -> None:
    assert len(NAMED) > 20
    heads = "\n".join(line.lower() for line in COOKBOOK.splitlines() if line.startswith("## "))
    for task in ("math", "code", "classification", "extraction", "long", "factual"):
        assert task in heads
    for command in re.findall(r"`ttscale ([^`]+)`", COOKBOOK):
        words = command.split()
        if words[0] == "run":
            assert called(words[1]) is not None
        assert words[0] in ("run", "eval", "new", "try")


def test_the_gallery_of_ones_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert tts("recipe", "new", "my-recipe", "--from", "single").code == 0
    made = tts("recipe", "gallery", tmp_path / "mine", "--output", tmp_path / "page.md")
    assert made.code == 0, made.err
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "## my-recipe" in text and "flowchart TD" in text and "](mine/my-recipe/README.md)" in text
    assert tts("recipe", "gallery", tmp_path / "mine" / "my-recipe").code == 1
