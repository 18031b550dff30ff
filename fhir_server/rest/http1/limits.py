"""How much and how slowly a client may send. None of these is a setting: they are wide for all that is honest."""

MOST_HEAD_BYTES = 256 * 1024  # address and headers together; a next link repeats a search that was posted
MOST_PIPELINED = 1000  # requests that wait behind the one that is answered
BUFFER = 256 * 1024  # bytes of a body, and of an answer, that wait in memory before the other side is held up

# Seconds
HEAD_SECONDS = 20  # from the first byte of a request until its headers are complete
SILENT_SECONDS = 30  # between two pieces of a body
SLOWEST = 1000  # bytes a second, of a body as a whole once SILENT_SECONDS have passed
IDLE_SECONDS = 75  # between two requests; longer than proxies keep theirs, so that they close first
STALLED_SECONDS = 60  # while a client takes nothing of its answer
LINGER_SECONDS = 10  # for a client to notice that it was answered for the last time
