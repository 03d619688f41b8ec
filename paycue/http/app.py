"""The application every service's API runs in: problems, limits, headers, traces, metrics and probes around the service's routers.

Composition only; it knows no service by name and keeps no state but `app.state`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

import paycue
from paycue.auth.recent import Recent
from paycue.http import health, openapi, problems
from paycue.http.limits import Guarded
from paycue.http.middleware import Caught, Observed

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any] | None]]


def create_app(
    title: str, description: str, routers: Sequence[APIRouter], *, lifespan: Lifespan | None = None, service: str = ""
) -> FastAPI:
    """An application of `routers`.

    `service` names it in metrics and logs (absent: the title). Whoever runs it sets `app.state.checks`, name -> Check, and
    `app.state.notes`, name -> Notes, for /readyz, and `app.state.directory` where routes ask for a key.
    """
    app = FastAPI(
        title=title,
        description=description,
        version=paycue.__version__,
        lifespan=lifespan,  # type: ignore[arg-type]  # Starlette's own alias is narrower than what it accepts
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
        # First is outermost: even a refused request is counted, and even our own faults become problems.
        middleware=[Middleware(Observed, service=service or title), Middleware(Caught), Middleware(Guarded)],
    )
    app.state.checks, app.state.notes, app.state.recent = {}, {}, Recent()
    problems.install(app)
    openapi.install(app)
    for router in (health.router, *routers):
        app.include_router(router)
    return app
