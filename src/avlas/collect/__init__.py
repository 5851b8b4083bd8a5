"""Bytes come in: receivers, recorded files, and the road from them to ingest."""
