"""The disputes service's settings: the kernel's and its own port. It reaches nobody but the bus and its database."""

from paycue.settings import KernelSettings, port_for


class DisputesSettings(KernelSettings):
    """What disputes must be told."""

    http_port: int = port_for("disputes", 8104)
