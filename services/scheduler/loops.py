"""Time-driven work: accounts whose timer is due are asked again what is to be done."""

from paycue.runtime import Runtime

_MOST = 2000


async def fire_due(runtime: Runtime) -> int:
    """Fold `TimerFired` into the accounts that are due; how many that were."""
    return await runtime.folder.fold_due(_MOST, runtime.lanes())
