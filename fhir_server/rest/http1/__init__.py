"""HTTP/1.1 on sockets: connections, the requests on them, and the processes that serve them (docs/decisions/0017)."""
