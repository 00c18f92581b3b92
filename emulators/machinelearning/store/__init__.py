"""Records of the machinelearning emulator, by topic: plain values, no rules, no HTTP, no clock."""
