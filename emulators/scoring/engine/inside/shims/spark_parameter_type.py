"""Stand-in that refuses: Spark frames as parameters are not emulated."""

raise ImportError(
    "NotEmulated: SparkParameterType needs the real inference-schema and pyspark packages in the "
    "deployment's environment"
)
