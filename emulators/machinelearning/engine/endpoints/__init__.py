"""Online endpoints: what they are (records), how deployments run, who may call which."""
