"""A graphics processor that the engine cannot use: what `doctor` and `run` say, on pretended machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_runs import tts
from ttscale.cli import doctor, surroundings
from ttscale.cli.gpu_note import gpu_note
from ttscale.cli.install import in_place
from ttscale.compiler.ir import Model
from ttscale.runtime.engines.base import EngineStats
from ttscale.runtime.engines.llama import facts, gpu, machine


@dataclass
class Machine:
    """What the file system shows: a driver or not, and the libraries beside the llama.cpp that is installed."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    libraries: list[str] = field(default_factory=lambda: ["libggml-cpu.so", "libllama.so"])

    def has(self, driver: str) -> None:
        file = self.root / "driver"
        file.touch()
        self.monkeypatch.setattr(gpu, driver, file)

    def has_built(self, *libraries: str) -> None:
        folder = self.root / "lib"
        folder.mkdir(exist_ok=True)
        for name in libraries:
            (folder / name).touch()
        self.monkeypatch.setattr(gpu, "build_folder", lambda: folder)


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Linux machine without any GPU, and with a llama.cpp for processors alone."""
    monkeypatch.setattr(gpu.shutil, "which", lambda name: None)
    monkeypatch.setattr(gpu, "NVIDIA_DRIVER", tmp_path / "none")
    monkeypatch.setattr(gpu, "AMD_DEVICE", tmp_path / "none")
    monkeypatch.setattr(gpu.platform, "system", lambda: "Linux")
    monkeypatch.setattr(surroundings, "llama_features", lambda: "AVX2")
    made = Machine(tmp_path, monkeypatch)
    made.has_built("libggml-cpu.so", "libllama.so")
    return made


def test_no_gpu_is_nothing_to_speak_of(pretended: Machine) -> None:
    assert gpu.present() is None and not gpu.is_built_in() and gpu.idle_note() == ""


@pytest.mark.parametrize(
    ("driver", "maker", "flag"), [("NVIDIA_DRIVER", "NVIDIA", "CUDA"), ("AMD_DEVICE", "AMD", "VULKAN")]
)
def test_a_gpu_that_this_build_cannot_use(pretended: Machine, driver: str, maker: str, flag: str) -> None:
    pretended.has(driver)
    assert gpu.present() == maker
    assert gpu.idle_note().startswith(f"the {maker} GPU of this machine is idle: ") and "\n" not in gpu.idle_note()
    line = gpu.build_line(maker, "pip install")
    assert line == (f'CMAKE_ARGS="-DGGML_{flag}=on" pip install --force-reinstall --no-cache-dir llama-cpp-python')


def test_a_build_that_uses_it(pretended: Machine) -> None:
    pretended.has("NVIDIA_DRIVER")
    pretended.has_built("libggml-cuda.so")
    assert gpu.is_built_in() and gpu.idle_note() == ""


def test_a_machine_of_apple_and_windows(pretended: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(gpu.platform, "machine", lambda: "arm64")
    assert gpu.present() == "Apple" and gpu.idle_note().startswith("Apple's GPU of this machine is idle")
    monkeypatch.setattr(gpu.sys, "platform", "win32")
    assert gpu.build_line("NVIDIA", "pip install").startswith('$env:CMAKE_ARGS="-DGGML_CUDA=on"; pip install ')


def test_without_any_llama_cpp_nothing_is_idle(pretended: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pretended.has("NVIDIA_DRIVER")
    monkeypatch.setattr(gpu, "build_folder", lambda: None)
    assert gpu.idle_note() == "" and not gpu.is_built_in()


def test_doctor_shows_the_fix(pretended: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "local_servers", list)
    monkeypatch.setattr(doctor, "llama_features", lambda: "")
    monkeypatch.setattr(doctor, "sandbox", lambda: {"name": None, "meaning": None, "not": {}})
    pretended.has("NVIDIA_DRIVER")
    shown = tts("doctor").out
    assert "gpu       NVIDIA: there" in shown and 'CMAKE_ARGS="-DGGML_CUDA=on"' in shown
    found = tts("doctor", "--json").json
    assert (found["gpu"], found["gpu_used"]) == ("NVIDIA", False) and len(found["gpu_fix"]) == 1
    pretended.has_built("libggml-cuda.so")
    found = tts("doctor", "--json").json
    assert (found["gpu_used"], found["gpu_fix"]) == (True, [])
    assert "NVIDIA: used by the llama.cpp that is installed" in tts("doctor").out


def test_the_state_of_a_gpu_in_words() -> None:
    assert doctor.gpu_state(True, True).startswith("used")
    assert "this build cannot use it" in doctor.gpu_state(False, True)
    assert doctor.gpu_state(False, False) == "there; build for it with"
    assert in_place("Linux").endswith("install")


def opened_with(steps: int, **options: object) -> Any:
    engine = SimpleNamespace(stats=lambda: EngineStats(steps=steps))
    graph = SimpleNamespace(models={"m": Model("m", "gguf", "m.gguf", tuple(options.items()))})
    return SimpleNamespace(plan=SimpleNamespace(graph=graph), house=SimpleNamespace(opened={1: engine}))


def test_run_says_so_once_where_weights_ran(pretended: Machine) -> None:
    pretended.has("NVIDIA_DRIVER")
    assert "idle" in gpu_note(opened_with(9))
    assert gpu_note(opened_with(0)) == "", "the bank answered"
    assert gpu_note(opened_with(9, gpu_layers=0)) == "", "as it was wanted"
    pretended.has_built("libggml-cuda.so")
    assert gpu_note(opened_with(9)) == ""


def test_weights_that_go_to_a_gpu_need_no_room_in_memory(
    pretended: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine_files import write_gguf
    from ttscale.runtime.engines.base import EngineError
    from ttscale.runtime.engines.llama.options import LoadOptions

    monkeypatch.setattr(facts, "free_memory", lambda: 1000)
    path = write_gguf(tmp_path / "m.gguf")

    def check(layers: int | None) -> None:
        facts.ModelFacts(path, None, layers, None, 4, None, LoadOptions()).check_memory()

    with pytest.raises(EngineError, match="does not fit"):
        check(None)
    pretended.has_built("libggml-cuda.so")
    with pytest.raises(EngineError, match="does not fit"):
        check(None)  # a build for a GPU, and none there
    pretended.has("NVIDIA_DRIVER")
    check(None)
    with pytest.raises(EngineError, match="does not fit"):
        check(0)
    assert machine.cores() > 0
