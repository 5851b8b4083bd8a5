"""Accounts, roles, tokens, audit and secrets. Imports nothing of ours."""
