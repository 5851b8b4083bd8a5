"""Files go in and out: formats, imports, exports, and the places they are fetched from and sent to."""
