"""The workforce: who may work, the rota, hours worked and what is paid for them."""
