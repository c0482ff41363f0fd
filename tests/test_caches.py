"""Where caches of their own are faster than one for all samples, and what `plan` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import tts
from engine_files import write_gguf
from ttscale.runtime.engines.llama import gpu
from ttscale.runtime.engines.llama.caches import Advice, advice

PROGRAM = """tts 1
model small = gguf("./tiny.gguf"{options})
prompt ask(question: Text(max: 60)) -> Text = "{{{{ question }}}}"
pipeline main(question: Text(max: 60)) -> Text {{
  return generate(ask(question), n: {n}, max_tokens: {tokens}) |> select(by: first)
}}
"""


def test_many_long_samples_of_few_prompts_are_better_apart() -> None:
    found = advice(8, 150, 256, 700)
    assert found == Advice(together=2 * 150 + 16 * 128, own=150 + 128, slots=16, ctx=768)
    assert found.cells == 32 * 768
    assert advice(1, 300, 40, 400) is not None, "sixteen questions at once have sixteen prompts"


@pytest.mark.parametrize(
    ("samples", "prompt", "new"),
    [(16, 500, 20), (1, 40, 40), (16, 1500, 100), (16, 50, 8)],
    ids=["judgements", "short questions", "long prompts", "short answers"],
)
def test_short_answers_and_long_prompts_are_better_together(samples: int, prompt: int, new: int) -> None:
    assert advice(samples, prompt, new, 4096) is None


def planned(folder: Path, n: int = 16, tokens: int = 512, options: str = "") -> list[str]:
    write_gguf(folder / "tiny.gguf")
    path = folder / "main.tts"
    path.write_text(PROGRAM.format(n=n, tokens=tokens, options=options), encoding="utf-8")
    ran = tts("plan", path)
    assert ran.code == 0, ran.err
    return [line for line in ran.out.splitlines() if line.startswith("cache ")]


def test_plan_says_what_to_write(tmp_path: Path) -> None:
    (line,) = planned(tmp_path)
    assert "16 samples at once: small looks at about" in line and "`kv_unified: false, slots: 16, ctx: " in line
    written = line.partition("`")[2].partition("`")[0]
    (found,) = tts("plan", tmp_path / "main.tts", "--json").json["caches"]
    assert f"slots: {found['slots']}, ctx: {found['ctx']}" in written and found["kv_unified"] is False
    assert planned(tmp_path, options=f", {written}") == [], "once it is written, all is said"
    assert planned(tmp_path, tokens=8) == [] and planned(tmp_path, n=1) != []


def test_plan_is_silent_where_a_gpu_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "present", lambda: "NVIDIA")
    assert len(planned(tmp_path)) == 1
    monkeypatch.setattr(gpu, "is_built_in", lambda: True)
    assert planned(tmp_path) == []
