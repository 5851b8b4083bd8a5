"""The API for programs, version 1, under /api/v1/."""
