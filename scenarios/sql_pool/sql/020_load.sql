-- The newest export takes the place of the one before.
TRUNCATE TABLE attrition.employees;
GO
COPY INTO attrition.employees
FROM '$(employees)'
WITH (
    FILE_TYPE = 'CSV',
    CREDENTIAL = (IDENTITY = 'Shared Access Signature', SECRET = '$(signature)'),
    FIRSTROW = 2,
    FIELDQUOTE = '"',
    FIELDTERMINATOR = ',',
    ROWTERMINATOR = '0x0A'
);
