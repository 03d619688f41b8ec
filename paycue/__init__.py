"""The kernel of paycue: what every service is made of. It knows no service by name."""

__version__ = "0.1.0"
