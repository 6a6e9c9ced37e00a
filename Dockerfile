# One image for every service of docker-compose.yml, built from the lock file alone.
FROM python:3.11-slim-bookworm AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
WORKDIR /avoir
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project
COPY plugins plugins
RUN uv sync --frozen --no-dev

FROM python:3.11-slim-bookworm
ENV PATH=/avoir/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 AVOIR_HOME=/var/lib/avoir
# A named volume takes the owner of the directory it is laid over.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/avoir --shell /usr/sbin/nologin avoir \
 && install -d -o avoir -g avoir -m 0700 /var/lib/avoir
WORKDIR /avoir
COPY --from=build /avoir /avoir
COPY dags dags
COPY dbt_project dbt_project
COPY expectations expectations
COPY contracts contracts
USER avoir
VOLUME /var/lib/avoir
ENTRYPOINT ["python", "-m", "avoir.containers"]
CMD ["avoir", "--help"]
