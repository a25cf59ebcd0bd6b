"""The C extension is optional: without a compiler the Python hooks serve."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "emu._native",
            ["emu/_native.c"],
            depends=[
                "emu/_timing.h",
                "emu/_blocks.h",
                "emu/_block_scan.h",
                "emu/_traps.h",
                "emu/_layout.h",
            ],
            extra_compile_args=["-O2"],
            optional=True,
        )
    ]
)
