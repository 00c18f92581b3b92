-- Scores who has no prediction yet; selects how many those were.
IF OBJECT_ID('attrition.score', 'P') IS NOT NULL
    DROP PROCEDURE attrition.score;
GO
CREATE PROCEDURE attrition.score @model varchar(100), @version int
AS
BEGIN
    DECLARE @before bigint, @after bigint, @known int;

    SELECT @known = COUNT(*) FROM attrition.models WHERE name = @model AND version = @version;
    IF @known = 0
        THROW 50001, 'There is no such model in attrition.models.', 1;

    SELECT @before = COUNT_BIG(*) FROM attrition.predictions;

    INSERT INTO attrition.predictions ([EmployeeNumber], label, chance, model, version, scored)
    SELECT d.[EmployeeNumber], p.label, p.probability_Yes, @model, @version, SYSUTCDATETIME()
    FROM PREDICT(
        MODEL = (
            SELECT content FROM attrition.models WHERE name = @model AND version = @version
        ),
        DATA = attrition.waiting AS d,
        RUNTIME = ONNX
    )
    WITH (label varchar(20), probability_Yes real) AS p;

    SELECT @after = COUNT_BIG(*) FROM attrition.predictions;
    SELECT @after - @before AS scored;
END;
