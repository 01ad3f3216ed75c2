FROM python:3.11-slim AS build
WORKDIR /app
RUN pip install --no-cache-dir uv==0.13.8
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv /opt/swarm && VIRTUAL_ENV=/opt/swarm uv pip install --require-hashes -r requirements.lock
COPY streams streams
COPY adapters adapters
COPY host_agent host_agent
COPY swarm swarm
RUN --mount=type=cache,target=/root/.cache/uv \
    VIRTUAL_ENV=/opt/swarm uv pip install --no-deps .

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home swarm
COPY --from=build /opt/swarm /opt/swarm
ENV PATH=/opt/swarm/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/swarm
ENTRYPOINT ["swarm"]
CMD ["--help"]
