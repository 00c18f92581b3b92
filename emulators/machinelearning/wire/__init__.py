"""Azure Machine Learning's APIs: decode, call the engine, encode."""
