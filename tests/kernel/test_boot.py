"""What boot is given."""

import pytest
from guest import boot, run_to

from toykernel.harness.images import boot_images
from toykernel.kernel.cred import CAP_FULL_SET
from toykernel.power_on import power_on
from toykernel.state import Config


@pytest.mark.parametrize("other", [Config(memory=8 << 20), Config(cpu="486")])
def test_images_of_another_machine_are_refused(other: Config) -> None:
    with pytest.raises(ValueError, match="another machine"):
        power_on({}, "/init", [b"/init"], images=boot_images(other), config=Config(memory=16 << 20))


def test_everybody_is_root_before_the_first_exec() -> None:
    session = boot("spin: jmp spin\n")
    run_to(session, "spin")
    k = session.kernel
    init = next(task for task in k.processes.tasks if task.pid == 1)
    for cred in (init.cred, k.sched.idle.cred):
        ids = [
            getattr(cred, f"{kind}{id_}") for kind in ("", "e", "s", "fs") for id_ in ("uid", "gid")
        ]
        assert ids == [0] * 8
        assert cred.groups == ()
        assert cred.cap_permitted == cred.cap_effective == CAP_FULL_SET
    assert init.signal.session == init.signal.pgrp == 1
    assert k.sched.idle.signal.session == k.sched.idle.signal.pgrp == 0
