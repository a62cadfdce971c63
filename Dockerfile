# Builds the program in one stage, and keeps only the program in the other:
#     docker build --tag mnist-trainer .
#     mkdir -p runs
#     docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD/runs:/data/runs" --volume mnist-cache:/data/cache \
#         mnist-trainer compare --seeds 3
FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p mnist-trainer

FROM debian:bookworm-slim
COPY --from=build /source/target/release/mnist-trainer /usr/local/bin/mnist-trainer
# The program downloads MNIST into the cache, and writes runs into runs/. Mount volumes there to keep them. Any user may
# write there, because the user of a container is often that of its host.
RUN install --directory --mode 1777 /data /data/cache /data/runs
ENV XDG_CACHE_HOME=/data/cache
USER 1000
WORKDIR /data
ENTRYPOINT ["mnist-trainer"]
