"""The one settings file: the environment decides, `config.env` refuses wrong values (docs/operators/settings.md)."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import django_stubs_ext

from config import env
from config.api import openapi
from config.cache import sentinel
from config.observability.logs import logging_config

django_stubs_ext.monkeypatch()  # `ModelAdmin[Task]` and the like, at run time

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"
DEVELOPMENT = env.boolean("DEVELOPMENT", default=False)
DEBUG = False  # never: a debug page shows settings; errors are problem documents with a request id
PART = env.text("PART", "manage")
SECRET_KEY = env.secret("SECRET_KEY", least=32)
SITE_URL = env.url("SITE_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", urlsplit(SITE_URL).hostname or "127.0.0.1")
TRUSTED_PROXIES = env.cidrs("TRUSTED_PROXIES")

INSTALLED_APPS = [
    "django_prometheus",
    "config",
    "config.api",
    "config.events",
    "accounts",
    "tasks_app",
    "notifications",
    "exports",
    "analytics",
    "accounts.apps.TaskmillAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "mozilla_django_oidc",
]

# Sessions, CSRF and messages serve pages for people (`/admin`, `/oidc`) only: see config.api.middleware.
MIDDLEWARE = [
    "config.server.later.LaterMiddleware",
    "config.observability.middleware.ObserveMiddleware",
    "config.api.cors.CorsMiddleware",
    "config.api.middleware.GuardMiddleware",
    "tasks_app.api.reads.ReadsMiddleware",
    "config.api.middleware.PagesMiddleware",
]
PAGES_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.AdminRevocationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "config.formats"  # Django looks there first, then at its own formats of the language
USE_TZ = True
STATIC_URL = "/static/"
# `collectstatic` writes there; without it the packages' own files serve.
STATIC_ROOT = env.text("STATIC_ROOT", "") or None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


# Databases: `default` through the pooler, `direct` past it, `replica-N` for reads (config.routers).
def database(variable: str, dsn: str, **more: Any) -> dict[str, Any]:
    parts = env.database_url(variable, dsn)
    return {
        "ENGINE": "config.data.postgres",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or 5432),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,  # by a look at the socket, not by a query
        "DISABLE_SERVER_SIDE_CURSORS": True,  # they cannot live through a pooler in transaction mode
        # The URL's own options come last: sslmode=verify-full must not get lost.
        "OPTIONS": {"connect_timeout": 3, "application_name": PART, **dict(parse_qsl(parts.query))},
        **more,
    }


_DATABASE_URL = env.text("DATABASE_URL")
_REPLICAS = env.words("DATABASE_REPLICA_URLS", "")
REPLICAS = [f"replica-{number}" for number, _ in enumerate(_REPLICAS, start=1)]
DATABASES = {
    "default": database("DATABASE_URL", _DATABASE_URL),
    "direct": database(
        "DATABASE_DIRECT_URL",
        env.text("DATABASE_DIRECT_URL", _DATABASE_URL),
        CONN_MAX_AGE=0,
        TEST={"MIRROR": "default"},
    ),
    **{
        alias: database("DATABASE_REPLICA_URLS", dsn, TEST={"MIRROR": "default"})
        for alias, dsn in zip(REPLICAS, _REPLICAS, strict=True)
    },
}
DATABASE_ROUTERS = ["config.routers.ReplicaRouter"]

# Redis: one call may cost a request at most 100 ms, and nothing once the breaker is open (config.cache).
CACHE_URL = env.cache_url("CACHE_URL")
CACHE_TIMEOUT = env.duration("CACHE_TIMEOUT", 0.1)
# At most; 0: reads are not kept. A full Redis forgets first what ends first: it must not be who has written.
CACHE_TTL = env.duration("CACHE_TTL", 120.0, most=540.0)
_LOCATION, _SENTINELS = sentinel.django_cache(CACHE_URL) if CACHE_URL.startswith(sentinel.SCHEME) else (CACHE_URL, {})
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": _LOCATION,
        "OPTIONS": {
            **_SENTINELS,
            "SOCKET_CONNECT_TIMEOUT": CACHE_TIMEOUT,
            "SOCKET_TIMEOUT": CACHE_TIMEOUT,
            "IGNORE_EXCEPTIONS": True,
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",  # never pickle from a shared store
        },
        "KEY_PREFIX": "taskmill",
    }
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True
RATELIMIT_FAIL_OPEN = True
SILENCED_SYSTEM_CHECKS = [
    # The checks look into MIDDLEWARE only; these stand in PAGES_MIDDLEWARE (tests/tasks_app/test_admin.py).
    *("admin.E408", "admin.E409", "admin.E410", "security.W001", "security.W002", "security.W003"),
    *("security.W004", "security.W008"),  # HSTS and redirects to TLS are the load balancer's
]

# Broker and jobs (config.celery).
BROKER_URL = env.url("BROKER_URL", schemes=("amqp", "amqps", "redis", "rediss"))

# Keycloak (accounts).
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backend.KeycloakBackend"]
OIDC_ISSUER = env.url("OIDC_ISSUER")
OIDC_AUDIENCE = env.text("OIDC_AUDIENCE", "taskmill-api")
OIDC_ALLOWED_CLIENTS = env.words(
    "OIDC_ALLOWED_CLIENTS", "taskmill-web,taskmill-mobile,taskmill-service,taskmill-admin,taskmill-cli"
)
# Strict: access tokens have the header type at+jwt (RFC 9068). 0 also takes JWT, for realms that do not set it.
OIDC_STRICT_TOKEN_TYPE = env.boolean("OIDC_STRICT_TOKEN_TYPE", default=True)
# Tokens that live longer are refused, and denials are kept a little longer than this.
OIDC_MAX_TOKEN_LIFETIME = int(env.duration("OIDC_MAX_TOKEN_LIFETIME", 3600.0))
OIDC_ADMIN_CLIENT_ID = env.text("OIDC_ADMIN_CLIENT_ID", "taskmill-directory")
OIDC_ADMIN_CLIENT_SECRET = env.secret("OIDC_ADMIN_CLIENT_SECRET")
_OIDC = f"{OIDC_ISSUER}/protocol/openid-connect"
OIDC_RP_CLIENT_ID = env.text("OIDC_CLIENT_ID", "taskmill-admin")
OIDC_RP_CLIENT_SECRET = env.secret("OIDC_CLIENT_SECRET")
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_RP_SCOPES = "openid email profile"
OIDC_USE_PKCE = True
OIDC_OP_AUTHORIZATION_ENDPOINT = f"{_OIDC}/auth"
OIDC_OP_TOKEN_ENDPOINT = f"{_OIDC}/token"
OIDC_OP_USER_ENDPOINT = f"{_OIDC}/userinfo"
OIDC_OP_JWKS_ENDPOINT = f"{_OIDC}/certs"
OIDC_OP_LOGOUT_ENDPOINT = f"{_OIDC}/logout"
OIDC_TIMEOUT = 3
OIDC_VERIFY_SSL = True
OIDC_STORE_ID_TOKEN = True
LOGIN_URL = "oidc_authentication_init"
LOGIN_REDIRECT_URL = "/admin/"
LOGOUT_REDIRECT_URL = "/admin/"

_SECURE = not DEVELOPMENT
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _SECURE
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
CSRF_TRUSTED_ORIGINS = [SITE_URL]
X_FRAME_OPTIONS = "DENY"

# The API.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.KeycloakAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.permissions.RequiredPermission"],
    "DEFAULT_RENDERER_CLASSES": ["config.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.api.bodies.JSONParser", "config.api.bodies.MergePatchParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.bodies.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.Schema",
    "EXCEPTION_HANDLER": "config.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = openapi.SETTINGS
MAX_BODY_BYTES = env.integer("MAX_BODY_BYTES", 1_000_000, least=10_000, most=10_000_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
CORS_ORIGINS = env.origins("CORS_ORIGINS")
API_THREADS = env.integer("API_THREADS", 4, least=1, most=64)
# A call that waits for news holds a connection: each process lets this many wait, the next ones are answered at once.
API_WAITING = env.integer("API_WAITING", 500, least=0, most=10_000)
API_WORKERS = env.integer("API_WORKERS", 2, least=1, most=64)
# Of all instances together: without Redis each process holds its share of a quota.
API_PROCESSES = env.integer("API_PROCESSES", API_WORKERS, least=API_WORKERS, most=10_000)
RATE_LIMITS = {
    "user": env.rate("RATE_LIMIT_USER", "600/m"),
    "ip": env.rate("RATE_LIMIT_IP", "60/m"),
    "task": env.rate("RATE_LIMIT_TASK", "60/m"),
}
STRICT_CLIENTS = env.words("STRICT_CLIENTS", "")
TRASH_RETENTION = env.duration("TRASH_RETENTION", 30 * 86400.0)

# Files and mail.
EXPORT_DIR = env.text("EXPORT_DIR", str(BASE_DIR / ".run" / "exports"))
EXPORT_RETENTION = env.duration("EXPORT_RETENTION", 7 * 86400.0)
_EMAIL = urlsplit(env.url("EMAIL_URL", "smtp://127.0.0.1:1025", schemes=("smtp", "smtps", "smtp+tls")))
EMAIL_HOST, EMAIL_PORT = _EMAIL.hostname or "127.0.0.1", _EMAIL.port or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_EMAIL.username or ""), unquote(_EMAIL.password or "")
EMAIL_USE_SSL, EMAIL_USE_TLS = _EMAIL.scheme == "smtps", _EMAIL.scheme == "smtp+tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "Taskmill <taskmill@localhost>")

# Seen from outside.
METRICS_BIND = env.address("METRICS_BIND")
SENTRY_DSN = env.text("SENTRY_DSN", "")
OTEL_EXPORTER_OTLP_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "")
PROMETHEUS_EXPORT_MIGRATIONS = False
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config(env.text("LOG_LEVEL", "INFO"), PART)
