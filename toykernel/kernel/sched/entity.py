"""What a task brings to the scheduler, and the weight of a nice level (include/linux/sched.h).

Times are nanoseconds of the kernel's clock, priorities Linux's: 0 to 99 real-time (lower is better),
100 to 139 for nice -20 to 19, 140 for the idle task.
"""

from __future__ import annotations

from emu.record import dataclass, twin

SCHED_NORMAL, SCHED_FIFO, SCHED_RR, SCHED_BATCH = 0, 1, 2, 3
SCHED_IDLE = 5
SCHED_RESET_ON_FORK = 0x40000000
POLICY_NAMES = {
    SCHED_NORMAL: "SCHED_OTHER",
    SCHED_FIFO: "SCHED_FIFO",
    SCHED_RR: "SCHED_RR",
    SCHED_BATCH: "SCHED_BATCH",
    SCHED_IDLE: "SCHED_IDLE",
}

MAX_RT_PRIO = 100
MAX_USER_RT_PRIO = 100
MAX_PRIO = MAX_RT_PRIO + 40
DEFAULT_PRIO = MAX_RT_PRIO + 20
MIN_NICE, MAX_NICE = -20, 19

NICE_0_LOAD = 1024
WEIGHT_IDLEPRIO = 3
#: Load of nice -20 to 19: a step of one is about 10 % of the CPU between two tasks, a factor of 1.25.
PRIO_TO_WEIGHT = (
    *(88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916),
    *(9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277),
    *(1024, 820, 655, 526, 423, 335, 272, 215, 172, 137),
    *(110, 87, 70, 56, 45, 36, 29, 23, 18, 15),
)


def nice_to_prio(nice: int) -> int:
    """Static priority, 100 to 139, of a nice level from -20 to 19."""
    return DEFAULT_PRIO + nice


def prio_to_nice(prio: int) -> int:
    """Nice level, -20 to 19, of a static priority from 100 to 139."""
    return prio - DEFAULT_PRIO


def rt_policy(policy: int) -> bool:
    """Whether a policy is real-time: SCHED_FIFO or SCHED_RR."""
    return policy in (SCHED_FIFO, SCHED_RR)


@dataclass
class SchedEntity:
    """struct sched_entity, sched_rt_entity and the priorities of task_struct in one record."""

    policy: int = SCHED_NORMAL
    rt_priority: int = 0  # 1 to 99 for FIFO and RR (higher is better), else 0
    static_prio: int = DEFAULT_PRIO
    prio: int = DEFAULT_PRIO  # what counts now; differs from normal_prio while boosted
    reset_on_fork: bool = False
    vruntime: int = 0  # ns weighted by load
    exec_start: int = 0
    sum_exec_runtime: int = 0
    prev_sum_exec_runtime: int = 0  # when it was last picked
    prev_utime: int = 0  # ns of user and system time that were last told
    prev_stime: int = 0
    nvcsw: int = 0  # switches because it had to wait
    nivcsw: int = 0  # switches because its turn was over
    key: tuple[int, int] | None = None  # its place in the fair queue
    time_slice: int = 0  # ticks left, RR
    counter: int = 0  # ticks left, 2.4

    @property
    def nice(self) -> int:
        """Nice level, from -20, which gets the most, to 19."""
        return prio_to_nice(self.static_prio)

    @property
    def normal_prio(self) -> int:
        """The priority by policy: 0 to 98 for real-time, else the static one; lower is better."""
        if rt_policy(self.policy):
            return MAX_RT_PRIO - 1 - self.rt_priority
        return self.static_prio

    @property
    def weight(self) -> int:
        """The load that it puts on the fair queue, 1024 at nice 0 (prio_to_weight, kernel/sched.c)."""
        if self.policy == SCHED_IDLE:
            return WEIGHT_IDLEPRIO
        return PRIO_TO_WEIGHT[self.static_prio - MAX_RT_PRIO]

    def copy(self) -> SchedEntity:
        """A child's, as dup_task_struct leaves it: the same values, on no queue."""
        other = twin(self)
        other.key = None
        return other
