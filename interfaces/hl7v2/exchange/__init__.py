"""From bytes that came to an acknowledgement: batches, intake, the message acknowledgements of chapter 2.9."""
