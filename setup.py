"""The C extension is optional: without a compiler the Python hooks serve. Documents and exercises, which lie
beside the packages in the sources, are put into the package that is built."""

import os
import re
import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

#: Where the sources can be seen. A page that is not there is worse than none: whoever publishes says it,
#: as TOYKERNEL_URL=https://host/owner/toykernel. Links of the README lead there then.
URL = os.environ.get("TOYKERNEL_URL", "").rstrip("/")
SHARED = (
    "README.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "docs/fork-path.toml",
    "docs/man/*.1",
    "exercises/*",
)


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


class BuildExtension(build_ext):
    """An extension of another build, or of another name, must not be found instead of this one."""

    def run(self) -> None:
        if self.inplace or self.editable_mode:
            for old in (*Path("emu").glob("_native*.so"), *Path("toykernel").rglob("_*.so")):
                old.unlink()
        super().run()


def shared_files() -> list[Path]:
    """Paths from here."""
    found = (path for pattern in SHARED for path in Path().glob(pattern) if path.is_file())
    return sorted(set(found))


def readme() -> str:
    """README.md as an index of packages shows it, where no file lies beside it."""
    text = Path("README.md").read_text(encoding="utf-8")
    relative = re.compile(r"\]\((?![a-z]+:|#)([^)\s]+)\)")
    return relative.sub(rf"]({URL}/blob/main/\1)" if URL else "]", text)


def urls() -> dict[str, str]:
    """project.urls."""
    if not URL:
        return {}
    pages = {"Changelog": "CHANGELOG.md", "Documentation": "docs"}
    return {"Source": URL, **{name: f"{URL}/blob/main/{path}" for name, path in pages.items()}}


# The stable ABI of 3.11: one wheel for it and all later versions.
ABI3 = {"define_macros": [("Py_LIMITED_API", "0x030b0000")], "py_limited_api": True}

setup(
    long_description=readme(),
    long_description_content_type="text/markdown",
    project_urls=urls(),
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    cmdclass={"build_py": BuildWithDocuments, "build_ext": BuildExtension},
    ext_modules=[
        Extension(
            "emu._native",
            ["emu/_native.c"],
            depends=sorted(map(str, Path("emu").glob("_*.h"))),
            extra_compile_args=["-O2", "-Werror=implicit-function-declaration"],
            optional=True,
            **ABI3,
        ),
        Extension(
            "toykernel.explore._differing",
            ["toykernel/explore/_differing.c"],
            extra_compile_args=["-O2", "-Werror=implicit-function-declaration"],
            optional=True,
            **ABI3,
        ),
    ],
)
