"""One recorded call in a process whose files may not grow beyond a bound, as on a full disk.

    python full_disk_process.py BYTES [FOLDER]

Prints the result's status and recording, and how often it was logged that the recording ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import signal
import sys

from patter import Patter, PatterTool
from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE, PHONE, scripted


class Endings(logging.Handler):
    count = 0

    def emit(self, record):
        self.count += "recording ends" in record.getMessage()


async def main(file_bytes, folder):
    endings = Endings()
    logging.getLogger("patter_core").addHandler(endings)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with PhoneNetwork() as network:
        network.add(CALLEE, Callee(says=["Hello, who is it?", "Four people at eight.", "Bye."]))
        options = {"recordings": folder} if folder else {}
        phone = Patter(carrier=network.twilio(), phone_number=PHONE, clock=network.clock, **options)
        async with phone:
            tool = PatterTool(phone, agent=scripted(), recording=True)
            unbounded = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, unbounded[1]))
            result = await tool.execute(to=CALLEE)
            resource.setrlimit(resource.RLIMIT_FSIZE, unbounded)
    told = {"status": result.status, "recording": result.recording, "endings": endings.count}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))
