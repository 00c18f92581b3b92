"""The scenarios: artefacts as a team would keep them, and the steps that use them."""
