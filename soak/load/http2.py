"""HTTP/2 on the client's side, through the h2 library: many requests at once on one connection.

Only plain requests come here; streams and hostile clients have connections of their own and speak HTTP/1.1.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from soak.load.http1 import failure_of
from soak.load.peer import Peer

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.pool import Request
    from soak.load.pool2 import Pool2

ALPN = "h2"
WINDOW = 1 << 20  # bytes that a server may send before it has to wait for us, on a stream and on the connection
WAITING = 100  # at once, until the server has said how many it allows (RFC 9113, section 6.5.2, recommends as many)
HEAD, GOAWAY = 9, 7  # bytes before the payload of a frame; a type
LONGEST = 1 << 14  # bytes of payload: the default of SETTINGS_MAX_FRAME_SIZE, which we leave as it is
_CONFIG = h2.config.H2Configuration(
    client_side=True, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
)


class Frames:
    """Bytes in, whole frames out (RFC 9113, section 4.1); ValueError for one longer than we allow."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Type and bytes of the frames that are complete with `data`."""
        data, at = self._data + data, 0
        self._data = b""
        while len(data) - at >= HEAD:
            length = int.from_bytes(data[at : at + 3], "big")
            if length > LONGEST:
                raise ValueError(f"a frame of {length} bytes")
            end = at + HEAD + length
            if end > len(data):
                break
            yield data[at + 3], data[at:end]
            at = end
        self._data = data[at:]


@dataclass(slots=True)
class Exchange:
    """One request and what has come of its answer."""

    job: Job
    request: Request
    deadline: float
    body: bytes  # what of it waits for the server's window
    status: int = 0
    retry_after: float | None = None
    answered: bool = False


class Http2(Peer):
    """One connection. Whatever the server sends ends each request as a response or as a named failure."""

    __slots__ = ("_frames", "_h2", "_ready", "exchanges", "most", "pool", "retired", "waiting")

    alpn: tuple[str, ...] = (ALPN,)

    def __init__(self, pool: Pool2) -> None:
        super().__init__()
        self.pool = pool
        self.exchanges: dict[int, Exchange] = {}
        self.waiting: list[Exchange] = []  # until the server has said what it allows
        self.most = WAITING
        self.retired = False  # no further request may begin on it
        self._ready = False
        self._frames = Frames()
        self._h2 = h2.connection.H2Connection(_CONFIG)

    @property
    def room(self) -> int:
        """How many more requests it takes."""
        return 0 if self.retired or self.closed else self.most - len(self.exchanges) - len(self.waiting)

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return not (self.exchanges or self.waiting)

    # Requests ------------------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Say hello; or learn that the server speaks HTTP/1.1."""
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.selected_alpn_protocol() != ALPN:
            self.pool.no_http2(self)
            return
        self._h2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 1 << 18,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW)
        self._flush()

    def _allowed(self, most: int) -> None:
        """The server's settings: so many streams at once. Some hang up on a client that did not wait for them."""
        self.most = most
        self._ready = True
        if not most:
            self.broke("refused_stream")
            return
        waiting, self.waiting = self.waiting, []
        for exchange in waiting:
            if len(self.exchanges) < most:
                self._begin(exchange)
            else:
                self.pool.start(exchange)

    def start(self, exchange: Exchange) -> None:
        """Send a request, at once or as soon as the server has said what it allows."""
        if self._ready:
            self._begin(exchange)
            self._flush()
        else:
            self.waiting.append(exchange)

    def _begin(self, exchange: Exchange) -> None:
        try:
            number = self._h2.get_next_available_stream_id()
            self._h2.send_headers(number, exchange.request.fields, end_stream=not exchange.body)
        except h2.exceptions.ProtocolError:  # no numbers left after 2^30 requests, or fewer streams than before
            self.retired = True
            self.pool.again(exchange)
            return
        self.exchanges[number] = exchange
        self._send_body(number, exchange)

    def _send_body(self, number: int, exchange: Exchange) -> None:
        """As much of it as the server's window takes."""
        while exchange.body:
            room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            piece, exchange.body = exchange.body[:room], exchange.body[room:]
            self._h2.send_data(number, piece, end_stream=not exchange.body)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self.write(data)

    # Answers -------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Frames, of which the library gets all but GOAWAY: after one it would let no stream finish."""
        try:
            for kind, frame in self._frames.feed(data):
                if kind == GOAWAY:
                    self._goodbye(int.from_bytes(frame[9:13], "big") & 0x7FFFFFFF)
                    continue
                for event in self._h2.receive_data(frame):
                    if not self.closed:
                        self._happened(event)
        except (h2.exceptions.ProtocolError, ValueError, IndexError):
            self._flush()  # says why
            self.broke("malformed")
        if not self.closed:
            self._flush()
            self.pool.settled(self)

    def _happened(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            if event.flow_controlled_length:
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.ResponseReceived):
            self._head(event)
        elif isinstance(event, h2.events.StreamEnded):
            exchange = self.exchanges.pop(event.stream_id, None)
            if exchange is not None:
                self.pool.landed(exchange)
        elif isinstance(event, h2.events.StreamReset):
            self._reset(event)
        elif isinstance(event, h2.events.WindowUpdated):
            numbers = [event.stream_id] if event.stream_id else list(self.exchanges)
            for number in numbers:
                if number in self.exchanges:
                    self._send_body(number, self.exchanges[number])
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self._allowed(self._h2.remote_settings.max_concurrent_streams)

    def _head(self, event: h2.events.ResponseReceived) -> None:
        exchange = self.exchanges.get(event.stream_id or 0)
        if exchange is None:
            return
        exchange.answered = True
        for name, value in event.headers or ():
            if name == b":status":
                exchange.status = int(value)
            elif name == b"retry-after" and value.isdigit() and len(value) < 10:
                exchange.retry_after = float(value)

    def _reset(self, event: h2.events.StreamReset) -> None:
        """RST_STREAM: a refused one was not looked at and may be sent again, whatever it is (section 8.7)."""
        exchange = self.exchanges.pop(event.stream_id or 0, None)
        if exchange is None:
            return
        if event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM:
            self.pool.again(exchange, "refused_stream")
        elif event.error_code == h2.errors.ErrorCodes.NO_ERROR and exchange.status:
            self.pool.landed(exchange)  # the answer was complete before the request was (section 8.1)
        else:
            self.pool.failed(exchange, "stream_reset")

    def _goodbye(self, last: int) -> None:
        """GOAWAY: what comes after the last stream that the server looked at goes elsewhere, the rest may finish."""
        self.retired = True
        for number in [number for number in self.exchanges if number > last]:
            self.pool.again(self.exchanges.pop(number), "goaway")

    # Ends ----------------------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """End what has timed out: a stream for each, the connection while there is none yet."""
        late = [number for number, exchange in self.exchanges.items() if exchange.deadline <= now]
        for number in late:
            exchange = self.exchanges.pop(number)
            with contextlib.suppress(h2.exceptions.ProtocolError):  # it has just ended: nothing to cancel
                self._h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
            self.pool.failed(exchange, "timeout")
        if late and not self.closed:
            self._flush()
        if any(exchange.deadline <= now for exchange in self.waiting):
            self.broke("timeout")

    def leave(self) -> None:
        """Close in good order."""
        if self._ready:
            with contextlib.suppress(h2.exceptions.ProtocolError):  # the server has closed it already
                self._h2.close_connection()
                self._flush()
        self.close()

    def take(self) -> list[Exchange]:
        """Everything under way, which from now on is somebody else's."""
        taken = [*self.exchanges.values(), *self.waiting]
        self.exchanges, self.waiting = {}, []
        return taken

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection is gone, with everything on it."""
        self.broke(failure_of(error))

    def broke(self, kind: str) -> None:
        """It could not be opened, or broke: all requests on it fail, or are sent again where that is safe."""
        self.abort()
        self.pool.lost(self, kind)
