# docker build -t gatewright .
# docker run -p 8080:8080 -v gatewright:/var/lib/gatewright --read-only gatewright
#
# Nothing but /var/lib/gatewright is written to: the database and the keys. Settings come from
# /etc/gatewright/gatewright.toml (mount your own) and from GATEWRIGHT_* variables, which win.
#
# The sandbox for code (`gateway.sandbox`) is off, since this image has no Python. For it, build the
# last stage from gcr.io/distroless/python3-debian12:nonroot, set GATEWRIGHT_GATEWAY__SANDBOX to
# /usr/bin/python3, and let the container make user namespaces and mount in them, which the usual
# profiles of Docker and Kubernetes forbid; it needs no root, no added capability, and works with
# no-new-privileges and a read-only root:
#   --security-opt seccomp=unconfined --security-opt apparmor=unconfined
# or, tighter, Docker's own seccomp profile with `unshare`, `clone`, `mount`, `umount2`, `pivot_root`
# and `sethostname` allowed. `docker run … doctor` says whether it is enough.

FROM rust:1.95-bookworm AS build
WORKDIR /src
# `--build-arg FEATURES=prove` for `gatewright policy prove`; it asks the solver cvc5, which is not in
# this image: mount its binary and name it in the variable CVC5.
ARG FEATURES=
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin gatewright --features "$FEATURES" \
    && cp target/release/gatewright /gatewright \
    && mkdir /state

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="gatewright"
COPY --from=build /gatewright /usr/local/bin/gatewright
COPY policies /usr/share/gatewright/policies
COPY schemas /usr/share/gatewright/schemas
COPY deploy/gatewright.toml /etc/gatewright/gatewright.toml
COPY --from=build --chown=65532:65532 /state /var/lib/gatewright
ENV GATEWRIGHT_CONFIG=/etc/gatewright/gatewright.toml
WORKDIR /var/lib/gatewright
VOLUME /var/lib/gatewright
EXPOSE 8080
# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["/usr/local/bin/gatewright", "health"]
ENTRYPOINT ["/usr/local/bin/gatewright"]
CMD ["serve"]
