-- Employees without a prediction, as the model takes them: its numbers are real.
IF OBJECT_ID('attrition.waiting', 'V') IS NOT NULL
    DROP VIEW attrition.waiting;
GO
CREATE VIEW attrition.waiting AS
SELECT
    e.[EmployeeNumber],
    e.[Gender],
    e.[Education],
    e.[EducationField],
    e.[Department],
    e.[JobRole],
    e.[JobLevel],
    e.[PerformanceRating],
    e.[JobInvolvement],
    e.[JobSatisfaction],
    e.[RelationshipSatisfaction],
    e.[EnvironmentSatisfaction],
    e.[BusinessTravel],
    e.[OverTime],
    e.[WorkLifeBalance],
    e.[MaritalStatus],
    e.[StockOptionLevel],
    CAST(e.[Age] AS real) AS [Age],
    CAST(e.[DistanceFromHome] AS real) AS [DistanceFromHome],
    CAST(e.[MonthlyIncome] AS real) AS [MonthlyIncome],
    CAST(e.[DailyRate] AS real) AS [DailyRate],
    CAST(e.[HourlyRate] AS real) AS [HourlyRate],
    CAST(e.[MonthlyRate] AS real) AS [MonthlyRate],
    CAST(e.[NumCompaniesWorked] AS real) AS [NumCompaniesWorked],
    CAST(e.[PercentSalaryHike] AS real) AS [PercentSalaryHike],
    CAST(e.[TotalWorkingYears] AS real) AS [TotalWorkingYears],
    CAST(e.[TrainingTimesLastYear] AS real) AS [TrainingTimesLastYear],
    CAST(e.[YearsAtCompany] AS real) AS [YearsAtCompany],
    CAST(e.[YearsInCurrentRole] AS real) AS [YearsInCurrentRole],
    CAST(e.[YearsSinceLastPromotion] AS real) AS [YearsSinceLastPromotion],
    CAST(e.[YearsWithCurrManager] AS real) AS [YearsWithCurrManager]
FROM attrition.employees AS e
WHERE NOT EXISTS (
    SELECT 1 FROM attrition.predictions AS p WHERE p.[EmployeeNumber] = e.[EmployeeNumber]
);
