-- Who scores may do that, and read what came of it: not the models, not the employees.
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = 'attrition_scorer')
    CREATE USER attrition_scorer FOR LOGIN attrition_scorer;
GO
GRANT EXECUTE ON OBJECT::attrition.score TO attrition_scorer;
GRANT SELECT ON OBJECT::attrition.predictions TO attrition_scorer;
