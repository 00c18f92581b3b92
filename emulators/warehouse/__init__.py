"""The dedicated SQL pool: T-SQL over TDS, with ONNX scoring by PREDICT."""
