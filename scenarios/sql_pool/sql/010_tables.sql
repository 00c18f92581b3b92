-- What the pool keeps. Every file may be run again: what is there stays.
IF SCHEMA_ID('attrition') IS NULL
    EXEC ('CREATE SCHEMA attrition');
GO
IF OBJECT_ID('attrition.employees', 'U') IS NULL
CREATE TABLE attrition.employees (
    [EmployeeNumber] int NOT NULL,
    [Gender] varchar(20) NOT NULL,
    [Education] varchar(20) NOT NULL,
    [EducationField] varchar(20) NOT NULL,
    [Department] varchar(30) NOT NULL,
    [JobRole] varchar(30) NOT NULL,
    [JobLevel] varchar(20) NOT NULL,
    [PerformanceRating] varchar(20) NOT NULL,
    [JobInvolvement] varchar(20) NOT NULL,
    [JobSatisfaction] varchar(20) NOT NULL,
    [RelationshipSatisfaction] varchar(20) NOT NULL,
    [EnvironmentSatisfaction] varchar(20) NOT NULL,
    [BusinessTravel] varchar(20) NOT NULL,
    [OverTime] varchar(20) NOT NULL,
    [WorkLifeBalance] varchar(20) NOT NULL,
    [MaritalStatus] varchar(20) NOT NULL,
    [StockOptionLevel] varchar(20) NOT NULL,
    [Age] int NOT NULL,
    [DistanceFromHome] int NOT NULL,
    [MonthlyIncome] int NOT NULL,
    [DailyRate] int NOT NULL,
    [HourlyRate] int NOT NULL,
    [MonthlyRate] int NOT NULL,
    [NumCompaniesWorked] int NOT NULL,
    [PercentSalaryHike] int NOT NULL,
    [TotalWorkingYears] int NOT NULL,
    [TrainingTimesLastYear] int NOT NULL,
    [YearsAtCompany] int NOT NULL,
    [YearsInCurrentRole] int NOT NULL,
    [YearsSinceLastPromotion] int NOT NULL,
    [YearsWithCurrManager] int NOT NULL
)
WITH (DISTRIBUTION = HASH([EmployeeNumber]), CLUSTERED COLUMNSTORE INDEX);
GO
IF OBJECT_ID('attrition.models', 'U') IS NULL
CREATE TABLE attrition.models (
    name varchar(100) NOT NULL,
    version int NOT NULL,
    content varbinary(max) NOT NULL
)
WITH (DISTRIBUTION = ROUND_ROBIN, HEAP);
GO
IF OBJECT_ID('attrition.predictions', 'U') IS NULL
CREATE TABLE attrition.predictions (
    [EmployeeNumber] int NOT NULL,
    label varchar(20) NOT NULL,
    chance float NOT NULL,
    model varchar(100) NOT NULL,
    version int NOT NULL,
    scored datetime2 NOT NULL
)
WITH (DISTRIBUTION = HASH([EmployeeNumber]), CLUSTERED COLUMNSTORE INDEX);
