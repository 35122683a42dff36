# syntax=docker/dockerfile:1
# The service alone: no shell, not root, the system's certificate authorities.
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t kafka-heartbeat .

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential perl \
    && rm -rf /var/lib/apt/lists/*
# Writes the list of all dependencies into the program, where scanners of images find it: docs/containers.md.
RUN cargo install --quiet --locked --root /usr/local cargo-auditable@0.7.7
WORKDIR /build
# What we depend on, librdkafka and OpenSSL among it, in a layer that changes with these files alone: they build an
# empty program. The manifest names benches and tests, so there are empty ones, which are never built.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir src benches tests \
    && touch $(sed -n '/^\[\[bench\]\]/,/^$/s/^name = "\(.*\)"/benches\/\1.rs/p' Cargo.toml) \
        $(sed -n '/^\[\[test\]\]/,/^$/s/^name = "\(.*\)"/tests\/\1.rs/p' Cargo.toml) \
    && echo '//! Empty.' | tee src/lib.rs >src/main.rs \
    && echo 'fn main() {}' >>src/main.rs \
    && cargo auditable build --release --locked --bin kafka-heartbeat
COPY . .
# For --version and heartbeat_build_info: the history stays outside of the build.
ARG REVISION=unknown
# Cargo goes by the time of a file, and the empty ones are newer.
RUN touch src/lib.rs src/main.rs \
    && KAFKA_HEARTBEAT_REVISION="$REVISION" cargo auditable build --release --locked --bin kafka-heartbeat \
    && cp target/release/kafka-heartbeat /lib/*-linux-gnu/libgcc_s.so.1 /

# The service with Kerberos: docker build --target kerberos -t kafka-heartbeat:kerberos .
FROM build AS build-kerberos
RUN apt-get update \
    && apt-get install -y --no-install-recommends libsasl2-dev libkrb5-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
ARG REVISION=unknown
RUN KAFKA_HEARTBEAT_REVISION="$REVISION" cargo auditable build --release --locked --features gssapi --bin kafka-heartbeat \
    && cp target/release/kafka-heartbeat /kafka-heartbeat

# The base of the image without Kerberos has no MIT Kerberos and no Cyrus SASL, which loads its mechanism at run time.
FROM debian:bookworm-slim AS kerberos
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kafka-heartbeat" \
      org.opencontainers.image.description="Tells, from a client's seat, whether a Kafka cluster works" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libgssapi-krb5-2 libkrb5-3 libsasl2-2 libsasl2-modules-gssapi-mit \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build-kerberos /kafka-heartbeat /usr/local/bin/kafka-heartbeat
COPY packaging/image.ini /etc/kafka-heartbeat/config.ini
ENV KAFKA_HEARTBEAT__HTTP__LISTEN=0.0.0.0:8080
EXPOSE 8080
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/kafka-heartbeat", "healthcheck", "--config", "/etc/kafka-heartbeat/config.ini"]
ENTRYPOINT ["/usr/local/bin/kafka-heartbeat"]
CMD ["run", "--config", "/etc/kafka-heartbeat/config.ini"]

# The same Debian as the builder's: the same glibc. The program brings its own OpenSSL along.
FROM gcr.io/distroless/base-nossl-debian12:nonroot
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kafka-heartbeat" \
      org.opencontainers.image.description="Tells, from a client's seat, whether a Kafka cluster works" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /libgcc_s.so.1 /usr/lib/
COPY --from=build /kafka-heartbeat /usr/local/bin/kafka-heartbeat
COPY packaging/image.ini /etc/kafka-heartbeat/config.ini
# Loopback, the default, is of no use inside a container.
ENV KAFKA_HEARTBEAT__HTTP__LISTEN=0.0.0.0:8080
EXPOSE 8080
USER 65532:65532
STOPSIGNAL SIGTERM
# Follows the port and the TLS of the configuration: the environment, and the mounted file where there is one. It does not
# see the flags of a command of your own: set the address as KAFKA_HEARTBEAT__HTTP__LISTEN or in the file, not by --listen.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/kafka-heartbeat", "healthcheck", "--config", "/etc/kafka-heartbeat/config.ini"]
ENTRYPOINT ["/usr/local/bin/kafka-heartbeat"]
# Mount a configuration here, or set the environment: the file that is there has nothing but the defaults.
CMD ["run", "--config", "/etc/kafka-heartbeat/config.ini"]
