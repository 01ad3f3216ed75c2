FROM python:3.11-slim AS packages
RUN pip install --no-cache-dir uv==0.13.8
# Compiled here: the user of the image may not write beside the code, and would compile it at each start.
ENV VIRTUAL_ENV=/opt/swarm UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv /opt/swarm && uv pip install --require-hashes -r requirements.lock

FROM packages AS wheel
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY streams streams
COPY adapters adapters
COPY host_agent host_agent
COPY swarm swarm
RUN --mount=type=cache,target=/root/.cache/uv \
    uv build --wheel --out-dir /dist

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home swarm && install -d -o swarm -g swarm /home/swarm/archive
COPY --from=packages /opt/swarm /opt/swarm
RUN --mount=type=bind,from=packages,source=/usr/local/bin/uv,target=/usr/local/bin/uv \
    --mount=type=bind,from=wheel,source=/dist,target=/dist \
    VIRTUAL_ENV=/opt/swarm uv pip install --no-cache --compile-bytecode --no-deps /dist/*.whl
# onnxruntime reports to its maker unless told not to.
ENV PATH=/opt/swarm/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1
USER 10001
WORKDIR /home/swarm
ENTRYPOINT ["swarm"]
CMD ["--help"]
