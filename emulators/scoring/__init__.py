"""The inference server inside a deployment: init() and run(), or MLflow and ONNX without code."""
