# syntax=docker/dockerfile:1
# A small image with one binary, run by a numeric user who owns nothing in it. Secrets come from the environment.

FROM debian:trixie-slim AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ca-certificates rustup \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build

# Dependencies first: this layer changes with the lock file and the toolchain, not with the source. The toolchain's
# version stands in rust-toolchain.toml alone; the first cargo command fetches it.
COPY rust-toolchain.toml Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/first_light tests/it \
    && touch src/lib.rs tests/it/main.rs \
    && echo 'fn main() {}' > src/main.rs \
    && echo 'fn main() {}' > benches/first_light/main.rs \
    && cargo build --release --locked --bin etrplus

COPY migrations migrations
COPY docs/PROBLEMS.md docs/PROBLEMS.md
COPY src src
# Newer than what was built in their place.
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --bin etrplus \
    && strip --strip-debug target/release/etrplus

FROM debian:trixie-slim
# Certificates of the public authorities, for S3 over TLS.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build --chown=0:0 --chmod=0755 /build/target/release/etrplus /usr/local/bin/etrplus
USER 10001:10001
# All interfaces of the container; what may reach them is the platform's to decide.
ENV ETR_LISTEN=0.0.0.0:8080 \
    ETR_METRICS_LISTEN=0.0.0.0:9090
EXPOSE 8080 9090
# For `serve`. A worker has no API: switch the check off for it.
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 CMD ["etrplus", "healthcheck"]
ENTRYPOINT ["etrplus"]
CMD ["serve"]
