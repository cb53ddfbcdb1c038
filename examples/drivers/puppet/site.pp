include ledger
