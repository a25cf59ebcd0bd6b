"""The kernel's images are kept between runs, and are the same as when they are assembled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from toykernel.harness import image_cache, images
from toykernel.state import Config


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images._images.cache_clear()
    yield tmp_path / "toykernel"
    images._images.cache_clear()


@pytest.mark.parametrize("config", [Config(), Config(memory=2 << 20, cpu="486")])
def test_what_is_kept_is_what_was_assembled(cache: Path, config: Config) -> None:
    assembled = images.boot_images(config)
    assert len(list(cache.iterdir())) == 1
    images._images.cache_clear()
    assert images.boot_images(config) == assembled


def test_what_is_kept_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assembled = images.boot_images(Config())
    images._images.cache_clear()
    monkeypatch.setattr(images, "kernel_program", None)
    assert images.boot_images(Config()) == assembled


@pytest.mark.parametrize("damage", [b"", b"x", b"{}", b"0\n{}"])
def test_a_damaged_file_is_as_good_as_none(cache: Path, damage: bytes) -> None:
    assembled = images.boot_images(Config())
    (file,) = cache.iterdir()
    file.write_bytes(damage)
    images._images.cache_clear()
    assert images.boot_images(Config()) == assembled
    images._images.cache_clear()
    assert image_cache.load(file.name) is not None  # it has been made anew


def test_other_sources_have_another_key() -> None:
    assert image_cache.key(["a", "b"]) != image_cache.key(["ab"]) != image_cache.key(["a", "c"])


def test_no_folder_is_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toykernel").write_text("a file where the folder would be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images._images.cache_clear()
    assert images.boot_images(Config()).sections
    images._images.cache_clear()


@pytest.mark.parametrize("cached", [True, False])
def test_where_we_are_installed_is_in_no_image(cache: Path, cached: bool) -> None:
    init = images.boot_images(Config(), cache=cached).init
    assert b"init.S" in init
    assert b"/init.S" not in init
