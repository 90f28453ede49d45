"""The suite, of its parts."""

from __future__ import annotations

from patter.testing.approving import Approving
from patter.testing.cancelling import Cancelling
from patter.testing.contract import OneSchemaOneResult
from patter.testing.importing import Importing
from patter.testing.running import Running
from patter.testing.telling import Telling


class AdapterSuite(OneSchemaOneResult, Running, Telling, Approving, Cancelling, Importing):
    """Subclass it in a test module, and fill in what `Adapter` leaves open.

    `module`, `package` and `extra` name the adapter; `make_tool`, `shown` and `run` are needed,
    `run_blocking` and the three of the framework's own approval where there is such a thing.
    """
