"""Build the wheel, install it away from the checkout, and load every public name there.

Run as ``python tests/smoke_wheel.py``, by the Python that has the dependencies.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ["lwdstats", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
SMOKE = """
import sys
from pathlib import Path
import lwdstats as lwd

for name in lwd.__all__:
    getattr(lwd, name)
files = [m.__file__ for name, m in sys.modules.items() if name.split(".")[0] == "lwdstats"]
outside = [file for file in files if not Path(file).is_relative_to(sys.prefix)]
assert not outside, outside
assert len(lwd.load_posts()) == 20
print(f"{len(lwd.__all__)} public names of lwdstats {lwd.__version__} load from {len(files)} files")
"""


def build(folder):
    """Return a wheel of the sources alone: a folder ``build`` in the checkout may be stale."""
    sources = folder / "sources"
    sources.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, sources / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, sources)
    held = {str(p.relative_to(sources)) for p in (sources / "lwdstats").rglob("*") if p.is_file()}
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run([*PIP, "wheel", *options, sources], check=True)
    (wheel,) = folder.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("lwdstats/")}
    assert packed == held, packed ^ held
    return wheel


def environment(folder):
    """Return the folder of scripts of an environment with our dependencies, but not our checkout.

    A path in a .pth file adds what is installed there; the .pth files there, of which one
    leads to the checkout, are not read again.
    """
    venv.create(folder, with_pip=False)
    scripts = folder / "bin"
    where = [scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    done = subprocess.run(where, capture_output=True, text=True, check=True)
    (Path(done.stdout.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return scripts


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        wheel = build(folder)
        scripts = environment(folder / "env")
        python = scripts / "python"
        install = [*PIP, "--python", python, "install", "--no-deps", "--no-index", wheel]
        subprocess.run(install, check=True)
        subprocess.run([python, "-I", "-c", SMOKE], cwd=folder, check=True)
        command = [scripts / "lwdstats", "--help"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert "simulate" in done.stdout


if __name__ == "__main__":
    main()
