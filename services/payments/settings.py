"""The payments service's settings: the kernel's, its own port, and how long a payment link lives unless asked otherwise."""

from pydantic import Field

from paycue.settings import KernelSettings, port_for


class PaymentsSettings(KernelSettings):
    """What payments must be told."""

    http_port: int = port_for("payments", 8103)
    link_days: int = Field(default=14, ge=1, le=90, description="days until a payment link expires unless the request says, 1 to 90")
