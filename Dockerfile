# Sennit on a CPU: docker build -t sennit . && docker run --rm -v "$PWD":/work sennit table fit train.csv --target died
FROM python:3.11-slim
RUN apt-get update && apt-get install --no-install-recommends -y libsndfile1 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The CPU builds of torch, torchvision and torchaudio fit each other when they come from one index.
RUN pip install --no-cache-dir torch torchvision torchaudio --index-url https://download.pytorch.org/whl/cpu \
 && pip install --no-cache-dir '.[table,image,audio,text]'
WORKDIR /work
ENTRYPOINT ["sennit"]
