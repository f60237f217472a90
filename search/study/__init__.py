"""The run of a search over Optuna's storage: workers, claims, resuming."""
