"""Dates as .NET has them: 100 ns ticks with a kind, its formats, its parser, its time zones."""
