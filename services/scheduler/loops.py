"""Time-driven work: accounts whose timer is due are asked again what is to be done."""

from paycue.runtime import Runtime


async def fire_due(runtime: Runtime) -> int:
    """Fold `TimerFired` into the accounts that are due; how many that were."""
    return await runtime.fold_due()
