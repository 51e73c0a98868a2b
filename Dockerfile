# syntax=docker/dockerfile:1
# One image for each program:
#
#   docker build --build-arg SERVICE=ingestor --tag odograph/ingestor .
#
# SERVICE is a folder of cmd/. Cross-compiles, so that an image for another processor needs no
# compiling under emulation:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg SERVICE=ingestor .

FROM --platform=$BUILDPLATFORM rust:1-slim-bookworm AS build
ARG TARGETARCH

# The C parts (TLS, compression) need a C compiler for the target as well.
RUN set -eux; \
    case "$TARGETARCH" in \
        amd64) gnu=x86_64-linux-gnu; packages="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;; \
        arm64) gnu=aarch64-linux-gnu; packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
        *) echo "no build for $TARGETARCH: use amd64 or arm64" >&2; exit 1 ;; \
    esac; \
    if ! command -v "$gnu-gcc"; then \
        apt-get update; \
        apt-get install -y --no-install-recommends $packages; \
        rm -rf /var/lib/apt/lists/*; \
    fi; \
    rustup target add "${gnu%-linux-gnu}-unknown-linux-gnu"

ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CC_x86_64_unknown_linux_gnu=x86_64-linux-gnu-gcc \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc

WORKDIR /source
COPY . .
ARG SERVICE
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target,sharing=locked \
    set -eux; \
    : "${SERVICE:?say which program: --build-arg SERVICE=ingestor}"; \
    case "$TARGETARCH" in \
        amd64) triple=x86_64-unknown-linux-gnu ;; \
        arm64) triple=aarch64-unknown-linux-gnu ;; \
    esac; \
    cargo build --release --locked --target "$triple" -p "$SERVICE"; \
    cp "target/$triple/release/$SERVICE" /program

# The build's glibc, the certificates for TLS, and no shell. No RUN follows, so that any machine can
# make any platform's image.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /program /usr/local/bin/program
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/program"]
