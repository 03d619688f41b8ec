"""The bus in ten rules (docs/consuming.md): records to envelopes, one transaction per lane batch, outbox, poison, parking."""
