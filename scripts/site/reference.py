"""The reference: each public name with its signature and docstring, as `help` shows them; and the command line's help.

The names are those of the running package: its mirrored modules and functions of several dimensions are made at import.
"""

from __future__ import annotations

import argparse
import enum
import importlib
import inspect
import re
import types
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: Page -> the module, and what is on it.
MODULES = {
    "chapter14": "Converting, checking and drawing networks, and the chapter as code.",
    "nn": "Modules: each a subclass of its counterpart in `torch.nn`; and the chapter's own.",
    "functional": "Functions as those of `torch.nn.functional` and `torch`; and the chapter's own.",
    "graph": "The rules of descent for `Chain` and `Graph`.",
    "visualization": "Objectives, images and transforms for `chapter14.visualize`.",
    "testing": "The checks in a test suite.",
}
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):\s*$")


def public_names(page: str) -> dict[str, Any]:
    """The public names of a module, and their values, in alphabetical order."""
    module = import_module(_module(page))
    hidden = {"annotations", "pytest_addoption", "pytest_collection_modifyitems"}
    found = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and name not in hidden and not isinstance(value, types.ModuleType)
    }
    if page == "testing":  # the one that is a file, and imports for itself
        found = {name: found[name] for name in ("check_gradient", "example")}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def pages() -> dict[str, str]:
    """The pages by their address."""
    written = {f"reference/{page}.md": _page(page, what) for page, what in MODULES.items()}
    return written | {"reference/index.md": _index(), "reference/cli.md": _command_line()}


def _module(page: str) -> str:
    return page if page == "chapter14" else f"chapter14.{page}"


def _index() -> str:
    rows = [f"| [{_module(page)}]({page}.md) | {len(public_names(page))} | {what} |" for page, what in MODULES.items()]
    return "\n".join(
        [
            "# Reference\n",
            "Every public name, as the installed package has it. What is not here is private.\n",
            "| module | names | |\n|---|---|---|",
            *rows,
            "| [chapter14](cli.md) | | the command line |\n",
        ]
    )


def _page(page: str, what: str) -> str:
    return "\n".join([f"# {_module(page)}\n\n{what}\n", *(_entry(page, *item) for item in public_names(page).items())])


def _entry(page: str, name: str, value: Any) -> str:
    module = _module(page)
    lines = [f"## {name} {{ #{module}.{name} }}\n", f"```python\n{_signature(name, value)}\n```\n"]
    if page == "nn" and (native := _native(value)):
        lines.append(f"{native}\n")
    elif isinstance(value, type) or callable(value):
        lines.append(_described(inspect.getdoc(value) or ""))
        if isinstance(value, type) and page != "nn":
            lines += [_method(module, name, *item) for item in _methods(value)]
    lines.append(_defined(value))
    return "\n".join(lines)


def _signature(name: str, value: Any) -> str:
    if not callable(value):
        return f"{name} = {value!r}"
    try:
        signature = str(inspect.signature(value, eval_str=False)).replace("'", "")
    except (TypeError, ValueError):
        signature = "(...)"
    text = f"{'class ' if isinstance(value, type) else ''}{name}{signature}"
    text = re.sub(r"<function (\w+) at 0x\w+>", r"\1", re.sub(r" at 0x\w+", "", text))
    if len(text) <= 100:
        return text
    inner, result = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") :]
    return f"{text[: text.index('(')]}(\n    " + ",\n    ".join(_arguments(inner)) + f",\n{result}"


def _arguments(text: str) -> list[str]:
    """Splits at the commas outside of brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts]


def _native(value: Any) -> str:
    """Of a module that has its counterpart's docstring: whose that is."""
    from torch import nn

    native = getattr(nn, getattr(value, "__name__", ""), None)
    if value is native:
        return f"It is `torch.nn.{value.__name__}` itself."
    doc = inspect.getdoc(value) or ""
    if native is None or (doc and doc != inspect.getdoc(native)):
        return ""
    first = re.sub(r":\w+:|`", "", (inspect.getdoc(native) or "").partition("\n\n")[0]).replace("\n", " ")
    return f"A subclass of `torch.nn.{native.__name__}`, by hand. PyTorch says: {_escaped(first)}"


def _methods(cls: type) -> list[tuple[str, Any]]:
    own = [item for base in cls.__mro__ if base.__module__.startswith("chapter14") for item in vars(base).items()]
    shown: dict[str, Any] = {}
    for name, value in own:
        f = getattr(cls, name)
        if not name.startswith("_") and (callable(f) or isinstance(value, property)) and inspect.getdoc(f):
            shown.setdefault(name, value if isinstance(value, property) else f)
    return [] if issubclass(cls, enum.Enum) else list(shown.items())


def _method(module: str, cls: str, name: str, f: Any) -> str:
    written = name if isinstance(f, property) else _signature(name, f)
    heading = f"### {cls}.{name} {{ #{module}.{cls}.{name} }}\n"
    return "\n".join([heading, f"```python\n{written}\n```\n", _described(inspect.getdoc(f) or "")])


def _defined(value: Any) -> str:
    path = f"{(getattr(value, '__module__', None) or '').replace('.', '/')}.py"
    if not path.startswith("chapter14/") or not (ROOT / path).is_file():
        return ""
    return f"Defined in [{path}](../source/{path}.txt).\n"


def _described(doc: str) -> str:
    """A docstring as Markdown: paragraphs, sections as lists, indented lines and examples as code."""
    out: list[str] = []
    for paragraph in re.split(r"\n\s*\n", doc.strip()):
        lines = paragraph.splitlines()
        if SECTION.match(lines[0]):
            out.append(f"**{lines[0].strip()[:-1]}**\n\n{_items(lines[1:])}")
        elif lines[0].lstrip().startswith(">>>"):
            out.append("```pycon\n" + inspect.cleandoc("\n" + paragraph) + "\n```")
        elif lines[0].startswith("    "):
            out.append("```text\n" + inspect.cleandoc("\n" + paragraph) + "\n```")
        else:
            out.append(_linked(" ".join(line.strip() for line in lines)))
    return "\n\n".join(out) + "\n"


def _items(lines: list[str]) -> str:
    """An item for each line that is indented as the first, with its continuation."""
    items: list[str] = []
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    for line in lines:
        if len(line) - len(line.lstrip()) == indent or not items:
            items.append(line.strip())
        else:
            items[-1] += f" {line.strip()}"
    return "\n".join(f"- {_linked(item)}" for item in items)


def _linked(text: str) -> str:
    """Text with what is special in Markdown escaped, outside of `code`; and public names as links."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(_link(part) if part.startswith("`") else _escaped(part) for part in parts)


def _link(code: str) -> str:
    name = code.strip("`").removesuffix("()")
    for page in MODULES:
        module = _module(page)
        short = name.removeprefix(f"{module}.")
        qualified = name != short or page == "chapter14"
        if qualified and re.fullmatch(r"\w+", short) and short in public_names(page):
            return f"[{code}]({page}.md#{module}.{short})"
    return code


def _escaped(text: str) -> str:
    return re.sub(r"([*_<>\[\]#|~])", r"\\\1", text)


def _command_line() -> str:
    from chapter14.cli import VERBS

    lines = ["# Command line\n", "`chapter14 VERB`; `chapter14 --completion bash` prints a completion script.\n"]
    for verb, what in VERBS.items():
        parser = argparse.ArgumentParser(
            f"chapter14 {verb}", formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100)
        )
        importlib.import_module(f"chapter14.commands.{verb}").add_arguments(parser)
        lines.append(f"## {verb} {{ #{verb} }}\n\nTo {what}.\n\n```text\n{parser.format_help().rstrip()}\n```\n")
    return "\n".join(lines)
