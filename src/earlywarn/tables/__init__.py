"""From billing tables to dated facts: schema, readers, checks, settlement, streams, the Ledger."""
