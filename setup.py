"""The C extension is optional: without a compiler the Python hooks serve. Documents and exercises, which lie
beside the packages in the sources, are put into the package that is built."""

import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SHARED = ("README.md", "CHANGELOG.md", "docs/**/*.md", "docs/man/*.1", "exercises/*")


class BuildWithDocuments(build_py):
    """Copies what `toykernel docs` and `toykernel exercises` show to toykernel/share."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # they are looked up in the sources
        for path in shared_files():
            target = Path(self.build_lib) / "toykernel" / "share" / path
            self.mkpath(str(target.parent))
            shutil.copyfile(path, target)


def shared_files() -> list[Path]:
    """Paths from here."""
    found = (path for pattern in SHARED for path in Path().glob(pattern) if path.is_file())
    return sorted(set(found))


setup(
    cmdclass={"build_py": BuildWithDocuments},
    ext_modules=[
        Extension(
            "emu._native",
            ["emu/_native.c"],
            depends=sorted(map(str, Path("emu").glob("_*.h"))),
            extra_compile_args=["-O2"],
            optional=True,
        )
    ],
)
