# syntax=docker/dockerfile:1
#
#   docker build -t aftrun .
#   docker run --rm -v "$PWD:/work:ro" -v aftrun-state:/state -e AFT_API_KEY aftrun apply backup.yaml
#
# With extras: --build-arg EXTRAS=notify,otel. The tag of the base image is pinned to a minor version, so that rebuilding
# brings fixes; pin its digest too where builds must not change: --build-arg PYTHON=python:3.13-slim-bookworm@sha256:…
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build
ARG EXTRAS=""
WORKDIR /src
COPY . .
# The packages are those of uv.lock, each checked against its hash.
RUN python tools/environment.py --project copy --extra "$EXTRAS" /opt/aftrun \
 && /opt/aftrun/bin/python -m pip uninstall --yes pip \
 && /opt/aftrun/bin/aftrun --version

FROM ${PYTHON}
LABEL org.opencontainers.image.title="aftrun" \
      org.opencontainers.image.description="Declarative job runner for Syncplify AFT!" \
      org.opencontainers.image.source="https://github.com/aftrun/aftrun" \
      org.opencontainers.image.documentation="https://github.com/aftrun/aftrun/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0"
# A number, not a name: Kubernetes can then see that it is not root.
RUN mkdir /state /work && chown 10001:10001 /state
COPY --from=build /opt/aftrun /opt/aftrun
ENV PATH=/opt/aftrun/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/state \
    AFTRUN_STATE_DIR=/state/record
USER 10001:10001
WORKDIR /work
# What a run did outlives its container: without it, `aftrun resume` has nothing to go on from. The volume is also the
# home, with the key that tells aftrun's own records from others: so no folder of a checkout belongs there.
VOLUME ["/state"]
ENTRYPOINT ["aftrun"]
CMD ["--help"]
