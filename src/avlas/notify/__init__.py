"""Someone is told: the outbox's messages go out as e-mail and to webhooks."""
