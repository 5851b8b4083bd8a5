"""The tables of transfer; each is described in the module of its matter."""

from avlas.transfer.exports.receipt import Receipt as Receipt  # noqa: PLC0414
from avlas.transfer.exports.receipt import ReceiptPart as ReceiptPart  # noqa: PLC0414
from avlas.transfer.exports.template import ExportTemplate as ExportTemplate  # noqa: PLC0414
from avlas.transfer.imports.models import Import as Import  # noqa: PLC0414
from avlas.transfer.imports.models import ImportDeed as ImportDeed  # noqa: PLC0414
from avlas.transfer.imports.models import ImportFile as ImportFile  # noqa: PLC0414
from avlas.transfer.imports.models import ImportMapping as ImportMapping  # noqa: PLC0414
from avlas.transfer.imports.models import ImportRow as ImportRow  # noqa: PLC0414
from avlas.transfer.places.place import Place as Place  # noqa: PLC0414 - for Django
