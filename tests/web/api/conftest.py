"""A utility with everything in it, and a program that may do everything there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from avlas.system import tokens

if TYPE_CHECKING:
    from tests.web.conftest import World


class Program:
    """Calls the API with one token; ``errors`` are checked to be problem details."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None, **headers: str):
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, str | bytes) else json.dumps(body) if body is not None else ""
        answer = Client().generic(
            method, f"/api/v1{path}", data, content_type="application/json", headers=sent
        )
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json", answer.content
            told = answer.json()
            assert told["status"] == answer.status_code
            assert told["title"]
            assert told["detail"]
        return answer

    def get(self, path: str, **headers: str):
        answer = self("GET", path, **headers)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str):
        answer = self("POST", path, body, **headers)
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Status and code of a call that must fail."""
        answer = self(method, path, body, **headers)
        assert answer.status_code >= 400, answer.content
        return answer.status_code, answer.json().get("code", "")


@pytest.fixture(autouse=True)
def _no_rates():
    from avlas.web.api.access import rates

    rates.forget()


def program(world: World, *scopes: str) -> Program:
    """A program of ``world`` that may do this, or everything."""
    return Program(tokens.create(world.utility, "Billing", scopes or tokens.SCOPES, created_by=None)[1])


@pytest.fixture
def may():
    return program


@pytest.fixture
def billing(north):
    return program(north)


@pytest.fixture
def theirs(south):
    """Another utility's program."""
    return program(south)
