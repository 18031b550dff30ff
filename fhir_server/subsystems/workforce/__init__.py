"""The workforce: who may work, the rota, hours worked and what is paid for them (docs/how-to/workforce.md)."""
