"""What the operations of Machine Learning mean, and the work itself; knows no HTTP."""
