"""The examples of docs/engine.md, run on small random weights and on the embedded ones."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from engine_files import embedded_weights
from tiny_models import plain_model
from ttscale.runtime.engines.llama.combining import MODELS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "engine.md"


def names() -> dict[str, Any]:
    """What the page's Python defines."""
    defined: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, defined)
    return defined


@pytest.mark.model
def test_steps(capsys: pytest.CaptureFixture[str]) -> None:
    path = embedded_weights()
    asyncio.run(names()["steps"](path))
    texts, computed = capsys.readouterr().out.strip().rsplit(" ", 1)
    assert texts.count("Besides,") == 3 and int(computed) < 12


@pytest.mark.model
def test_several_models(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    paths = [plain_model(tmp_path / f"{seed}.gguf", seed=seed) for seed in (1, 2, 3)]
    engine = names()["tuned"](*paths)
    assert engine.capabilities.models == 3


def test_every_rule_is_told() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{rule}`" in text for rule in MODELS)
