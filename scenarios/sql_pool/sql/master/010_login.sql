-- Runs in master: logins are the server's, not the pool's.
IF NOT EXISTS (SELECT 1 FROM sys.sql_logins WHERE name = 'attrition_scorer')
    CREATE LOGIN attrition_scorer WITH PASSWORD = '$(scorer_password)';
ELSE
    ALTER LOGIN attrition_scorer WITH PASSWORD = '$(scorer_password)';
