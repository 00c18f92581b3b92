"""T-SQL around the data statements: lexing, blocks, variables, procedures, sessions."""
