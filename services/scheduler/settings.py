"""The scheduler's settings: the kernel's, and its own port."""

from paycue.settings import KernelSettings, port_for


class SchedulerSettings(KernelSettings):
    """What the scheduler must be told."""

    http_port: int = port_for("scheduler", 8101)
