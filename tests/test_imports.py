"""What `import chapter14` and the command line import, beside torch: nothing that takes long."""

import importlib.metadata
import subprocess
import sys

import pytest

import chapter14

pytestmark = pytest.mark.slow


def imported(code, folder):
    """The modules that a fresh process has imported after `code`."""
    code = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('modules', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.fixture(scope="module")
def torch_alone(tmp_path_factory):
    return imported("import torch", tmp_path_factory.mktemp("torch"))


@pytest.mark.parametrize(
    "code",
    [
        "import chapter14",
        "from chapter14.cli import main; main(['--help'])",
        "from chapter14.cli import main; main(['lesson'])",
    ],
    ids=["import", "help", "lesson"],
)
def test_nothing_heavy_is_imported(code, torch_alone, tmp_path):
    more = imported(code, tmp_path) - torch_alone
    assert {name.split(".")[0] for name in more} - sys.stdlib_module_names <= {"chapter14", "torch"}
    assert "chapter14.functional" in more
    assert not more & {"torch._dynamo", "torch._inductor", "torch.onnx", "torch.distributed.fsdp"}


def test_names_for_user_defined_layers_are_exported():
    from chapter14.layer.base import LinearMap
    from chapter14.layer.shape import ShapeError

    assert chapter14.LinearMap is LinearMap and chapter14.ShapeError is ShapeError


def test_version_is_the_installed_distributions():
    try:
        installed = importlib.metadata.version("chapter14")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert chapter14.__version__ == installed
