"""The worker that runs in the user's environment, and the conversion of models to ONNX."""
