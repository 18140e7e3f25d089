# One image for the web server, the worker, beat and the migrations. It holds no secret, and nothing in it belongs to who runs it.
FROM python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/srv/var
WORKDIR /srv
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin purser
COPY manage.py ./
COPY config config
COPY usage usage
COPY credits credits
COPY organizations organizations
COPY templates templates
# Static files need settings, but neither the real secret nor a database; the secret of this moment is kept nowhere. What is written
# while it runs goes to /srv/seals, a volume, and to /srv/var/run.
RUN SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(64))') DATABASE_URL=postgres://unused/unused \
    python manage.py collectstatic --noinput \
    && mkdir -p /srv/var/run /srv/seals && chown purser:purser /srv/var/run /srv/seals
USER 10001:10001
EXPOSE 8000
# Of the web server; the worker and beat have their own in compose.yaml.
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["granian", "--interface", "rsgi", "--http", "1", "--no-ws", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "2", "--respawn-failed-workers", \
     "config.server:application"]
