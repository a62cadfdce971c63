# Builds the program in one stage, and keeps only the program in the other:
#     docker build --tag mnist-trainer .
#     docker run --rm --volume "$PWD/runs:/data/runs" mnist-trainer compare --seeds 3
FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p mnist-trainer

FROM debian:bookworm-slim
COPY --from=build /source/target/release/mnist-trainer /usr/local/bin/mnist-trainer
# MNIST is downloaded into the cache, and runs are written into runs/. Mount volumes there to keep them.
RUN install --directory --owner 1000 /data /data/cache /data/runs
ENV XDG_CACHE_HOME=/data/cache
USER 1000
WORKDIR /data
ENTRYPOINT ["mnist-trainer"]
