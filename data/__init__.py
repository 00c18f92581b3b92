"""The inputs of the scenarios: the attrition table, its seeded generator and its loader."""
