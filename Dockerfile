# For CPUs, and for NVIDIA GPUs with `docker run --gpus all`: torch's wheel brings CUDA's libraries.
#   docker build -t inception-lightning .
#   docker run --rm -v "$PWD/runs:/work/runs" inception-lightning fit --config experiments/quickstart.yaml
# Workers hand batches on in shared memory: give it some, --shm-size 8g or --ipc host.
FROM python:3.13-slim
# The base image pins Debian's release, whose own versions come and go:
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends g++ git && rm -rf /var/lib/apt/lists/*
WORKDIR /work
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY inception_lightning inception_lightning
RUN pip install --no-cache-dir -c constraints.txt -e .
COPY experiments experiments
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["lightning"]
CMD ["--help"]
