"""Many telegrams at once: a batch becomes columns (numpy arrays), one row a telegram.

    frames, wrong = without_crcs(frames, "a-crc")    where they still have their link CRCs
    heads = headers(frames)                          what stands in clear
    columns = batch(heads, rows, keyring, layouts)

Everything equals what the single decoder gives (see single.py), only much faster.
"""

from avlas.decode.batch.columns import FLOAT_CODES, NONE, SECURITY_RANK, Columns, Values, join, other_json
from avlas.decode.batch.decoding import batch
from avlas.decode.batch.headers import SECURITY_NAMES, Headers, address_of, headers
from avlas.decode.batch.keyring import Keyring
from avlas.decode.batch.link_crcs import without_crcs

__all__ = [
    "FLOAT_CODES",
    "NONE",
    "SECURITY_NAMES",
    "SECURITY_RANK",
    "Columns",
    "Headers",
    "Keyring",
    "Values",
    "address_of",
    "batch",
    "headers",
    "join",
    "other_json",
    "without_crcs",
]
