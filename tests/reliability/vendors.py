"""`python -m tests.reliability.vendors JOURNAL`: the vendors in a process of their own, and a journal of their bills.

Each trial has a marker that goes with the learner's records into the prompt, and from there into every clip.
"""

import json
import re
import sys
import time
from pathlib import Path

from tests.cloud import Cloud, Fault
from tests.cloud.wire import Reply, Request

MARKER = re.compile(r"trial-\d+-(?:quick|slow)")
LATENCY = {"openai": 0.06, "polly": 0.04}  # seconds, for slow trials
CLIPS = 5


def script(prompt: str) -> str:
    """Five clips in two chapters, which no other trial shares."""
    found = MARKER.search(prompt)
    marker = found[0] if found else "nobody"
    texts = [f"Clip {number} of {marker}." for number in range(1, CLIPS + 1)]
    return "\n\n".join([f"# For {marker}", "## One", *texts[:2], "## Two", *texts[2:], "[pause 0.5s]"])


class Vendors(Cloud):
    """The vendors bill what they have read, then take their time, and answer a worker that may be dead."""

    journal: Path

    def receive(self, request: Request) -> tuple[int, Reply, Fault | None]:
        number, reply, fault = super().receive(request)
        call = self._calls[number]
        usage = json.loads(reply.body)["usage"] if call.vendor == "openai" and reply.units else {}
        units = [usage["prompt_tokens"], usage["completion_tokens"]] if usage else [reply.units]
        bill = {"vendor": call.vendor, "kind": call.kind, "text": call.text, "units": units, "outcome": reply.outcome}
        with self._lock, self.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(bill) + "\n")
        found = MARKER.search(call.text)
        if found and found[0].endswith("slow"):
            time.sleep(LATENCY[call.vendor])
        return number, reply, fault


def main() -> None:
    with Vendors(script=script) as vendors:
        vendors.journal = Path(sys.argv[1])
        vendors.polly.parallel = {}  # two fork servers, and calls whose worker is dead
        print(json.dumps(vendors.environment), flush=True)
        sys.stdin.read()  # until the process that started it ends


if __name__ == "__main__":
    main()
