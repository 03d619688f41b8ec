# One image per service: the kernel, that service, and the packages of its extra.
#   docker build --build-arg SERVICE=scheduler -t paycue-scheduler .
# SERVICE=operator holds every service, for `paycue migrate`, `paycue topics` and `paycue dead-letters`.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG SERVICE
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements requirements
RUN test -f "requirements/${SERVICE}.txt" || { echo "SERVICE is '${SERVICE}'; expected scheduler, notifier, payments, disputes or operator" >&2; exit 1; }
RUN python -m venv /build && /build/bin/pip install --require-hashes -r requirements/build.txt
RUN python -m venv /opt/paycue && /opt/paycue/bin/pip install --require-hashes -r "requirements/${SERVICE}.txt"
COPY pyproject.toml README.md LICENSE ./
COPY paycue paycue
COPY services services
RUN test "${SERVICE}" = operator || find services -mindepth 1 -maxdepth 1 -type d ! -name "${SERVICE}" -exec rm -rf {} +
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/paycue/bin/pip install --no-deps --no-index /wheels/*.whl \
    && /opt/paycue/bin/python -m compileall -q /opt/paycue \
    && /opt/paycue/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim
ARG SERVICE
LABEL org.opencontainers.image.title="paycue ${SERVICE}" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin paycue
COPY --from=build /opt/paycue /opt/paycue
ENV PATH=/opt/paycue/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PAYCUE_SERVICE=${SERVICE} PAYCUE_HTTP_HOST=0.0.0.0 PORT=8080 \
    PAYCUE_SCHEDULER_PORT=8080 PAYCUE_NOTIFIER_PORT=8080 PAYCUE_PAYMENTS_PORT=8080 PAYCUE_DISPUTES_PORT=8080
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
# Liveness only: the loop turns. Whether traffic may come is /readyz.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/healthz\", timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["sh", "-c", "exec paycue run \"$PAYCUE_SERVICE\""]
