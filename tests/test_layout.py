"""The layout page, docs/layout.md: every file is on it, with its docstring, and imports only from files above it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "chapter14"


def listed():
    """The files on the page, in its order, and what it says of each."""
    page = re.search(r"```layout\n(.*?)```", (ROOT / "docs/layout.md").read_text(encoding="utf-8"), re.S).group(1)
    lines = [line.split(None, 1) for line in page.splitlines() if not line.startswith("#")]
    return {f"{name}.py": description for name, description in lines}


DESCRIBED = listed()
LISTED = list(DESCRIBED)


def imported(file):
    """What a file of the package imports from the package, as paths; not what only a type checker reads.

    Of a folder that is imported as one module, as `chapter14.nn`, that is all its files.
    """
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        folder = Path(file).parents[node.level - 1]
        base = folder / (node.module or "").replace(".", "/")
        for path in [base / alias.name for alias in node.names] if (PACKAGE / base).is_dir() else [base]:
            files = PACKAGE.glob(f"{path.as_posix()}/*.py") if (PACKAGE / path).is_dir() else [PACKAGE / f"{path}.py"]
            found |= {f.relative_to(PACKAGE).as_posix() for f in files if f.name != "__init__.py"}
    return found


def test_every_file_is_on_the_page_and_every_line_is_a_file():
    files = {p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py") if p.name != "__init__.py"}
    assert set(LISTED) == files and len(LISTED) == len(files)


@pytest.mark.parametrize("file", LISTED)
def test_the_page_has_the_first_line_of_the_docstring(file):
    docstring = ast.get_docstring(ast.parse((PACKAGE / file).read_text(encoding="utf-8")))
    assert DESCRIBED[file] == docstring.partition("\n")[0]


@pytest.mark.parametrize("i", range(len(LISTED)), ids=LISTED)
def test_a_file_imports_only_from_files_above_it(i):
    assert imported(LISTED[i]) <= set(LISTED[:i])


def private_uses(file):
    """The private names, `_name`, of the package's other folders that a file imports or takes from a module."""
    uses, modules = [], {}  # pairs of a module and a name; a variable's module
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            module = Path(file).parents[node.level - 1].joinpath(*(node.module or "").split("."))
        elif node.module.partition(".")[0] == "chapter14":  # what only a type checker reads
            module = Path(*node.module.split(".")[1:])
        else:
            continue
        uses += [(module, alias.name) for alias in node.names]
        modules |= {alias.asname or alias.name: module / alias.name for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            uses.append((modules[node.value.id], node.attr))
    return [
        f"{module.as_posix()}: {name}"
        for module, name in uses
        if re.match(r"_(?!_)", name) and (PACKAGE / f"{module}.py").is_file() and module.parent != Path(file).parent
    ]


def test_private_names_are_used_only_in_their_folder():
    assert {file: uses for file in LISTED if (uses := private_uses(file))} == {}


def test_class_names_are_unique():
    """A module of `nn` may have the name of its layer in `layers`, as Linear."""
    folders = {}
    for file in LISTED:
        for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                folders.setdefault(node.name, []).append(file.partition("/")[0])
    assert {name for name, where in folders.items() if len(where) > 1 and sorted(where) != ["layers", "nn"]} == set()


def test_init_files_only_export():
    for init in PACKAGE.rglob("__init__.py"):
        module = ast.parse(init.read_text(encoding="utf-8"))
        for statement in module.body[ast.get_docstring(module) is not None :]:
            assert isinstance(statement, ast.ImportFrom), f"{init}: {ast.unparse(statement)}"
            assert all(alias.asname == alias.name for alias in statement.names), init


def test_no_file_bears_the_name_of_a_public_function():
    import chapter14

    functions = {name for name, value in vars(chapter14).items() if callable(value) and name.islower()}
    stems = {p.stem for p in PACKAGE.glob("*")}
    assert functions >= {"audit", "check", "jacobian", "saved_bytes", "visualize"} and not functions & stems
