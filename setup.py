"""The C extension is optional: without a compiler the Python hooks serve."""

from pathlib import Path

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "emu._native",
            ["emu/_native.c"],
            depends=sorted(map(str, Path("emu").glob("_*.h"))),
            extra_compile_args=["-O2"],
            optional=True,
        )
    ]
)
