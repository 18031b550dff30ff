"""Loading files into a server: find them (sources), make requests of them (units), send them (loader)."""
