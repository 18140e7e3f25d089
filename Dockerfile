# One image for the web server, the worker, beat and the migrations.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/srv/var
WORKDIR /srv
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY manage.py ./
COPY config config
COPY usage usage
COPY credits credits
COPY organizations organizations
COPY templates templates
# Static files need settings, but neither the real secret nor a database; the secret of this moment is kept nowhere.
RUN SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(64))') DATABASE_URL=postgres://unused/unused python manage.py collectstatic --noinput \
    && useradd --system purser && mkdir /srv/seals && chown -R purser /srv/var /srv/seals
USER purser
EXPOSE 8000
CMD ["granian", "--interface", "rsgi", "--http", "1", "--no-ws", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "2", "--http1-header-read-timeout", "15000", "--respawn-failed-workers", \
     "config.server:application"]
