"""The emulators, and the kernel they all stand on."""
