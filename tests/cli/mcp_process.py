"""`patter mcp` on a phone network of another process, which is told about in the arguments."""

from __future__ import annotations

import json
import sys

from patter import Patter
from patter.cli.mcp import serve_mcp
from patter_core.telephony.twilio.account import simulated_account
from tests.calls.kit import PHONE, scripted

if __name__ == "__main__":
    account = simulated_account(**json.loads(sys.argv[1]))
    serve_mcp(Patter(carrier=account, phone_number=PHONE, ledger=":memory:"), scripted())
