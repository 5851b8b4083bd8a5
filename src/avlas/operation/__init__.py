"""Keeping an installation alive: backup, restore, upgrade, moving to PostgreSQL, looking it over.

Part of the shell: it knows every table, and only the pages and commands use it.
"""
