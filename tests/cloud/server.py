"""The stand-in itself: one HTTP/1.1 server on loopback, its journal, options and faults."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Self

from .gemini import Gemini
from .loopback import Server
from .openai import OpenAI
from .polly import Polly
from .script import write
from .wire import Fault, Reply, Request, Vendor

SECRETS = {"authorization": r"(?<=Bearer ).+|(?<=Signature=)\w+", "x-goog-api-key": ".+", "x-amz-security-token": ".+"}


@dataclass(frozen=True)
class Call:
    """One request. `units` is what the vendor bills, also where the answer is lost. Times are monotonic."""

    vendor: str
    kind: str  # the model, or Polly's engine
    text: str  # the whole prompt, or the text to speak
    body: dict[str, Any]
    headers: dict[str, str]  # names in lower case, secrets as "***"
    started: float
    units: int = 0
    outcome: str = ""  # "ok", the vendor's error code, or the fault; empty while it is open
    ended: float = 0.0  # just before the last byte, so that a client with its answer finds the call closed


@dataclass
class Queued:
    fault: Fault
    times: int | None
    after: int
    matching: str


@dataclass
class Cloud:
    """Use as a context: serving from entry to exit, on `port` or any free one, in daemon threads.

    Options that may change at any time: `latency` vendor -> seconds before a good answer; `rate` vendor -> calls a
    second before it throttles; `script` what the writers answer, a text or a function of the
    prompt; `polly.voices` the voice table.
    """

    port: int = 0
    latency: dict[str, float] = field(default_factory=dict)
    rate: dict[str, int] = field(default_factory=dict)
    script: str | Callable[[str], str] = write

    def __post_init__(self) -> None:
        self.polly = Polly()
        self.closing = threading.Event()
        self._vendors: list[Vendor] = [OpenAI(self.write), Gemini(self.write), self.polly, Vendor()]
        self._lock = threading.Lock()
        self._numbers = count()
        self._calls: dict[int, Call] = {}
        self._open: set[int] = set()
        self._peaks: dict[str, int] = {}
        self._starts: dict[str, deque[float]] = {}
        self._faults: dict[str, list[Queued]] = {}

    def __enter__(self) -> Self:
        self._server = Server(self)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True, name="cloud").start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "OPENAI_BASE_URL": self.url + "/v1",
            "OPENAI_API_KEY": "sk-stand-in",
            "GEMINI_BASE_URL": self.url,
            "AWS_ENDPOINT_URL_POLLY": self.url,
            "AWS_ACCESS_KEY_ID": "AKIASTANDIN",
            "AWS_SECRET_ACCESS_KEY": "stand-in",
        }

    @property
    def calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls.values())

    def billed(self, vendor: str) -> int:
        """Tokens or characters, of all calls so far."""
        return sum(call.units for call in self.calls if call.vendor == vendor)

    def peak(self, vendor: str) -> int:
        """The most calls that were ever in flight at once, throttled ones included."""
        return self._peaks.get(vendor, 0)

    def fail(self, vendor: str, fault: Fault, times: int | None = 1, after: int = 0, matching: str = "") -> None:
        """Answer the next `times` good requests (None: all) with `fault`, after the first `after`.

        Only those whose text contains `matching` count; a request that the vendor refuses anyway uses up no fault.
        Raises ValueError for a fault that the vendor does not have.
        """
        if not any(known.name == vendor and known.knows(fault) for known in self._vendors):
            raise ValueError(f"{vendor} has no fault {fault}.")
        with self._lock:
            self._faults.setdefault(vendor, []).append(Queued(fault, times, after, matching))

    def clear_faults(self) -> None:
        """Remove the faults that are queued."""
        with self._lock:
            self._faults.clear()

    def reset(self) -> None:
        """As new: an empty journal, no faults, default options. An open call is no longer recorded."""
        with self._lock:
            for records in (self._calls, self._open, self._peaks, self._starts, self._faults, self.latency, self.rate):
                records.clear()
            self.script = write

    def write(self, prompt: str) -> str:
        return self.script if isinstance(self.script, str) else self.script(prompt)

    def receive(self, request: Request) -> tuple[int, Reply, Fault | None]:
        """The call's number, its reply when it is time to send, and the fault to send it with."""
        vendor = next(vendor for vendor in self._vendors if vendor.serves(request.path))
        refused = vendor.refuse(request)
        with self._lock:
            number = next(self._numbers)
            call = self._begin(number, vendor, request)
            fault = None if refused else self._fault(vendor, call)
        reply = refused or vendor.reply(request, fault)
        if reply.status == 200:
            self.closing.wait(self.latency.get(vendor.name, 0))
        with self._lock:
            if number in self._calls:
                self._calls[number] = replace(call, outcome=reply.outcome, units=reply.units)
        return number, reply, fault

    def finish(self, number: int) -> None:
        with self._lock:
            if number in self._open:
                self._open.remove(number)
                self._calls[number] = replace(self._calls[number], ended=time.monotonic())

    def _begin(self, number: int, vendor: Vendor, request: Request) -> Call:
        headers = {name.lower(): redacted(name.lower(), value) for name, value in request.headers.items()}
        kind, text = vendor.kind(request), vendor.text(request)
        call = Call(vendor.name, kind, text, request.body, headers, time.monotonic())
        self._open.add(number)
        self._calls[number] = call
        self._peaks[vendor.name] = max(self.peak(vendor.name), len(self._in_flight(vendor)))
        return call

    def _in_flight(self, vendor: Vendor) -> list[Call]:
        return [self._calls[number] for number in self._open if self._calls[number].vendor == vendor.name]

    def _is_busy(self, vendor: Vendor, call: Call) -> bool:
        """Whether `call` exceeds the limit at once or in a second; throttled calls do not count for the second."""
        limit, rate = vendor.parallel.get(call.kind), self.rate.get(vendor.name)
        if limit and sum(other.kind == call.kind for other in self._in_flight(vendor)) > limit:
            return True
        starts = self._starts.setdefault(vendor.name, deque())
        while starts and starts[0] <= call.started - 1:
            starts.popleft()
        if rate and len(starts) >= rate:
            return True
        starts.append(call.started)
        return False

    def _fault(self, vendor: Vendor, call: Call) -> Fault | None:
        if self._is_busy(vendor, call):
            return Fault.RATE_LIMIT
        for queued in self._faults.get(vendor.name, []):
            if queued.times == 0 or queued.matching not in call.text:
                continue
            if queued.after == 0:
                queued.times = None if queued.times is None else queued.times - 1
                return queued.fault
            queued.after -= 1
        return None


def redacted(name: str, value: str) -> str:
    return re.sub(SECRETS[name], "***", value) if name in SECRETS else value
