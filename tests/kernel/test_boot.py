"""What boot is given."""

import pytest

from toykernel.harness.images import boot_images
from toykernel.power_on import power_on
from toykernel.state import Config


@pytest.mark.parametrize("other", [Config(memory=8 << 20), Config(cpu="486")])
def test_images_of_another_machine_are_refused(other: Config) -> None:
    with pytest.raises(ValueError, match="another machine"):
        power_on({}, "/init", [b"/init"], images=boot_images(other), config=Config(memory=16 << 20))
