"""The child process: messages in through stdin, messages out through what was stdout.

Frames are an 8-byte length and a pickle; both ends are this program. When the parent is gone, even killed, its
end of the pipe closes and this process ends at once, in the middle of a batch if need be.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import sys
import threading
import traceback
from typing import IO, Any

LENGTH = struct.Struct("<Q")


def write_frame(stream: IO[bytes], value: object) -> None:
    """Send one value."""
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> Any:
    """The next value; EOFError at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)


def main() -> None:
    """Load the model named by the first frame, then serve until the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    source = sys.stdin.buffer
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever native code prints must not enter the frames
    from ttscale.runtime.engines.base import EngineError
    from ttscale.runtime.engines.llama.loop import Loop
    from ttscale.runtime.engines.llama.messages import Failed, Inbound
    from ttscale.runtime.engines.llama.weights import quiet

    try:
        settings = read_frame(source)
    except EOFError:
        return
    inbox: queue.SimpleQueue[Inbound] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                inbox.put(read_frame(source))
        except (EOFError, OSError):
            os._exit(0)
        except BaseException:  # what cannot be read must leave nobody waiting
            traceback.print_exc()
            os._exit(1)

    try:
        quiet()
        loop = Loop(settings, lambda out: write_frame(target, out))
    except EngineError as error:
        write_frame(target, [Failed(error)])
        return
    threading.Thread(target=listen, daemon=True).start()
    try:
        loop.serve(inbox)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
