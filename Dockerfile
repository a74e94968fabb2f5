# calm_pl with CUDA: PyTorch's wheels bring CUDA's libraries, the host brings the driver.
#
#     docker build -t calm_pl .
#     docker run --rm --gpus all --shm-size=8g --user "$(id -u):$(id -g)" \
#         -v /data:/data:ro -v "$PWD/runs:/work/runs" -v "$HOME/.cache:/cache" \
#         calm_pl fit-free --config esc50.yaml data.root=/data/ESC-50
#
# --shm-size: batches pass from the processes that decode through /dev/shm, where Docker gives 64 MB.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    XDG_CACHE_HOME=/cache \
    HF_HOME=/cache/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib

WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE CHANGELOG.md launch.py ./
COPY calm_pl calm_pl
COPY callbacks callbacks
COPY configs configs
RUN pip install -c constraints.txt . && rm -rf /source && mkdir -p /cache /work && chmod 1777 /cache /work

WORKDIR /work
ENTRYPOINT ["calm-pl"]
CMD ["--help"]
