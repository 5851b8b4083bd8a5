"""Django's settings, all from a few environment variables with sensible defaults.

AVLAS_DATA            folder for database, keys and logs (default ./data)
AVLAS_DATABASE        postgresql://user:password@host/name (default: SQLite in the data folder)
AVLAS_SECRET          signing secret (default: made once, kept in the data folder with mode 0600)
AVLAS_ALLOWED_HOSTS   comma-separated host names the web answers to (default: all names of this machine)
AVLAS_HTTPS           1 when people reach the program through HTTPS: cookies are then marked secure
AVLAS_TRUSTED_PROXIES addresses and networks whose X-Forwarded-For and -Proto are believed (default: this machine)
AVLAS_PRIORITY_METERS how many meters of a utility may be read every five minutes (default 50)
AVLAS_SESSION_IDLE_HOURS  hours without anybody at the computer after which a session ends (default 12)
AVLAS_SESSION_DAYS    days after which every session ends (default 14)
AVLAS_OIDC_ISSUER     where people may sign in by OpenID Connect; with AVLAS_OIDC_CLIENT_ID and _CLIENT_SECRET
AVLAS_OIDC_NAME       what it is called on the sign-in page (default OpenID Connect)
AVLAS_OIDC_TRUST_EMAIL    1 when its e-mail addresses count as verified though it does not say so (Entra ID)
AVLAS_OIDC_SECOND_FACTOR  1 when it asks for a second factor itself
AVLAS_API_CALLS_PER_MINUTE  how many calls a token of the API may make in a minute (default 600)
AVLAS_METRICS_TOKEN   what /metrics asks for from other machines (default: it answers this machine alone)
AVLAS_TRANSFER_FOLDERS  folders of this machine that places may lie in, with : between; {utility} in one stands for
                      the utility's short name (default: none)
AVLAS_SYSLOG          where the audit is copied to: local, udp://host:port or tcp://host:port (default: nowhere)
AVLAS_DEBUG           1 for development
AVLAS_DEMO            1 in the demo only: one-time sign-in links are then honoured
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from avlas.system import sign_on_provider, syslog

PACKAGE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("AVLAS_DATA") or "data").resolve()
DEBUG = os.environ.get("AVLAS_DEBUG") == "1"
HTTPS = os.environ.get("AVLAS_HTTPS") == "1"
DEMO = os.environ.get("AVLAS_DEMO") == "1"


def _signing_secret() -> str:
    """The secret from the environment, or the one kept in the data folder (made on first use)."""
    given = os.environ.get("AVLAS_SECRET")
    if given:
        return given
    path = DATA / "signing.secret"
    try:
        DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text()
        with os.fdopen(handle, "w") as file:
            made = secrets.token_urlsafe(50)
            file.write(made)
    except OSError as problem:
        raise ImproperlyConfigured(
            f"The data folder {DATA} can't be used ({problem.strerror}). "
            "Give Avläs a folder it may write to with AVLAS_DATA."
        ) from problem
    return made


def _database(address: str) -> dict[str, Any]:
    """Django's description of the database at ``address`` (empty: SQLite in the data folder)."""
    if not address or address.startswith("sqlite:"):
        path = address.removeprefix("sqlite:").removeprefix("//") or str(DATA / "avlas.db")
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "CONN_MAX_AGE": 300,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"
                " PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY;",
            },
        }
    parts = urlsplit(address)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ImproperlyConfigured(
            f"AVLAS_DATABASE begins with {parts.scheme!r}; it must be postgresql://user:password@host/name "
            "or sqlite:/path/to/file."
        )
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "avlas",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", None) or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": query,
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
    }


def _networks(listed: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The addresses and networks in a comma-separated list."""
    try:
        return [ipaddress.ip_network(one.strip(), strict=False) for one in listed.split(",") if one.strip()]
    except ValueError as problem:
        raise ImproperlyConfigured(
            f"AVLAS_TRUSTED_PROXIES must be addresses or networks with commas between: {problem}."
        ) from problem


def _single_sign_on() -> sign_on_provider.Provider | None:
    """Where people may sign in by OpenID Connect."""
    try:
        return sign_on_provider.provider(os.environ)
    except ValueError as problem:
        raise ImproperlyConfigured(f"{problem}.") from problem


def _syslog(written: str) -> syslog.Way | None:
    """Where the audit is copied to."""
    try:
        return syslog.way(written) if written else None
    except ValueError as problem:
        raise ImproperlyConfigured(f"AVLAS_SYSLOG: {problem}.") from problem


def _folders(listed: str) -> list[str]:
    """The absolute folders in a list as PATH is one."""
    found = [os.path.normpath(one) for one in listed.split(os.pathsep) if one.strip()]
    for one in found:
        if not os.path.isabs(one):  # noqa: PTH117 - a text, compared as a text
            raise ImproperlyConfigured(f"AVLAS_TRANSFER_FOLDERS: {one} must begin at the root.")
    return found


def _count(name: str, default: int) -> int:
    """The whole number in the environment variable ``name``."""
    given = os.environ.get(name, "")
    if not given:
        return default
    if not given.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number; it is {given!r}.")
    return int(given)


SECRET_KEY = _signing_secret()
DATABASES = {"default": _database(os.environ.get("AVLAS_DATABASE", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ALLOWED_HOSTS = [
    name.strip() for name in os.environ.get("AVLAS_ALLOWED_HOSTS", "").split(",") if name.strip()
] or ["localhost", "127.0.0.1", "[::1]", socket.gethostname().lower(), socket.getfqdn().lower()]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "csp",
    "ninja",
    "avlas.system",
    "avlas.meters",
    "avlas.reports",
    "avlas.notify",
    "avlas.transfer",
    "avlas.web",
]

MIDDLEWARE = [
    "avlas.web.proxies.trusted_proxies",
    "avlas.web.monitoring.monitoring",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "avlas.web.sessions.ending_sessions",
    "avlas.web.locale_middleware.user_locale",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "avlas.web.second_factor_required.SecondFactorRequired",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "web" / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "avlas.web.context.page",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static"],
        },
    }
]

ROOT_URLCONF = "avlas.urls"
ASGI_APPLICATION = "avlas.asgi.application"
WSGI_APPLICATION = None

AUTH_USER_MODEL = "system.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "avlas.web.account_adapter.AccountAdapter"
ACCOUNT_RATE_LIMITS = {"reset_password": "20/m/ip,3/900s/key"}
MFA_ADAPTER = "avlas.system.second_factor.Sealing"

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "avlas_cache"},
}

LANGUAGE_CODE = "sv"
LANGUAGES = [("sv", _("Swedish")), ("en", _("English"))]
LOCALE_PATHS = [PACKAGE / "web" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATICFILES_DIRS: list[Any] = [PACKAGE / "web" / "static"]
BROWSER_MODULES = PACKAGE.parent.parent / "node_modules"  # installed by ./run from package-lock.json
STATICFILES_DIRS += [
    (f"modules/{name}", BROWSER_MODULES / name / "dist")
    for name in ("maplibre-gl", "pmtiles")
    if (BROWSER_MODULES / name / "dist").is_dir()
]
WHITENOISE_USE_FINDERS = True  # served from the package: nothing to collect before the start
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 2**20  # 10,000 long telegrams at once over the API

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = (
    "same-origin"  # no address goes out, not those that are secrets either; a page with a form
)
# must not say "no-referrer": browsers then send its POST from the origin "null", which is refused as a forgery
X_FRAME_OPTIONS = "DENY"
SESSION_IDLE_HOURS = _count("AVLAS_SESSION_IDLE_HOURS", 12)
SESSION_DAYS = max(1, _count("AVLAS_SESSION_DAYS", 14))
SESSION_COOKIE_AGE = SESSION_DAYS * 86400
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
TRUSTED_PROXIES = _networks(os.environ.get("AVLAS_TRUSTED_PROXIES", "127.0.0.1,::1"))
SINGLE_SIGN_ON = _single_sign_on()
SYSLOG = _syslog(os.environ.get("AVLAS_SYSLOG", ""))
PRIORITY_METERS = _count("AVLAS_PRIORITY_METERS", 50)
TRANSFER_FOLDERS = _folders(os.environ.get("AVLAS_TRANSFER_FOLDERS", ""))
API_CALLS_PER_MINUTE = max(1, _count("AVLAS_API_CALLS_PER_MINUTE", 600))
METRICS_TOKEN = os.environ.get("AVLAS_METRICS_TOKEN", "")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
