"""PREDICT: ONNX models that score rows where they lie."""
