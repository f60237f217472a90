"""The run of a search over optuna's storage: workers, claims, resuming."""
