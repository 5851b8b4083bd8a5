"""A small OpenID Connect provider: discovery, keys, authorisation, tokens and userinfo, over real HTTP.

It is strict about what a client sends (secret, redirect address, PKCE, codes that work once) and wrong in its answers
only where ``faults`` says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "avlas:prov", "hemligt & långt/%"


class OpenIdProvider:
    """Runs on a free port of this machine. ``person`` is who signs in there next."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_name = "one"
        self.person: dict[str, Any] = {}
        self.faults: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.basic = True
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.post(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realms/nord"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def get(self, request: BaseHTTPRequestHandler) -> None:
        address = urlsplit(request.path)
        where = address.path.removeprefix("/realms/nord")
        self.asked.append(where)
        if where == "/.well-known/openid-configuration":
            self.say(request, 200, {
                "issuer": self.faults.get("discovered", self.issuer),
                "authorization_endpoint": f"{self.issuer}/authorize", "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo", "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic" if self.basic else "client_secret_post"
                ],
            })  # fmt: skip
        elif where == "/keys":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            self.say(request, 200, {"keys": [{**public, "kid": self.key_name, "use": "sig", "alg": "RS256"}]})
        elif where == "/authorize":
            self.authorize(request, {name: one[0] for name, one in parse_qs(address.query).items()})
        elif where == "/userinfo" and request.headers.get("Authorization") == "Bearer access":
            self.say(
                request, 200, {"sub": self.faults.get("userinfo sub", self.person["sub"]), **self.person}
            )
        else:
            self.say(request, 404, {})

    def authorize(self, request: BaseHTTPRequestHandler, asked: dict[str, str]) -> None:
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(12)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer, **self.faults.get("answer", {})}
        request.send_response(302)
        request.send_header("Location", f"{asked['redirect_uri']}?{urlencode(answer)}")
        request.end_headers()

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        sent = {name: one[0] for name, one in parse_qs(body).items()}
        asked = self.codes.pop(sent.get("code", ""), None)
        if self.basic:
            given = base64.b64decode(request.headers.get("Authorization", " ").split(" ", 1)[1]).decode()
            who = tuple(unquote(part) for part in given.split(":", 1))
        else:
            who = (sent.get("client_id", ""), sent.get("client_secret", ""))
        if who != (CLIENT, SECRET):
            return self.say(request, 401, {"error": "invalid_client"})
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or sent["grant_type"] != "authorization_code"
            or asked["redirect_uri"] != sent["redirect_uri"]
            or asked["code_challenge"] != challenge
        ):
            return self.say(request, 400, {"error": "invalid_grant"})
        token = {"access_token": "access", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}
        return self.say(request, 200, token)

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce,
            **({"sub": self.person["sub"]} if self.faults.get("email elsewhere") else self.person),
            **self.faults.get("claims", {}),
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        how = self.faults.get("signed", "")
        if how == "none":
            return jwt.encode(claims, "", algorithm="none", headers={"kid": self.key_name})
        if how == "by the secret":
            return jwt.encode(claims, SECRET * 3, algorithm="HS256", headers={"kid": self.key_name})
        key = self.other_key if how == "by another" else self.key
        return jwt.encode(
            claims, key, algorithm="RS256", headers={"kid": self.faults.get("kid", self.key_name)}
        )

    def say(self, request: BaseHTTPRequestHandler, status: int, told: dict[str, Any]) -> None:
        content = json.dumps(told).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
