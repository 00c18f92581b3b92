"""Azure Resource Manager: subscriptions, resource groups, providers, generic resources."""
