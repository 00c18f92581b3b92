"""What every training step knows about the table."""

from __future__ import annotations

KEY = "EmployeeNumber"
TARGET = "Attrition"
LEVELS = {
    "Education": ["Below College", "College", "Bachelor", "Master", "Doctor"],
    "JobLevel": ["L1", "L2", "L3", "L4", "L5"],
    "JobInvolvement": ["Low", "Medium", "High", "Very High"],
    "RelationshipSatisfaction": ["Low", "Medium", "High", "Very High"],
    "EnvironmentSatisfaction": ["Low", "Medium", "High", "Very High"],
    "BusinessTravel": ["Travel Never", "Travel Rarely", "Travel Frequently"],
    "WorkLifeBalance": ["Bad", "Good", "Better", "Best"],
    "StockOptionLevel": ["L0", "L1", "L2", "L3"],
}
NAMES = [
    "Gender",
    "EducationField",
    "Department",
    "JobRole",
    "PerformanceRating",
    "JobSatisfaction",
    "OverTime",
    "MaritalStatus",
]
RANGES = {
    "Age": (16, 80),
    "DistanceFromHome": (0, 100),
    "MonthlyIncome": (500, 50_000),
    "DailyRate": (50, 5_000),
    "HourlyRate": (10, 500),
    "MonthlyRate": (500, 50_000),
    "NumCompaniesWorked": (0, 30),
    "PercentSalaryHike": (0, 100),
    "TotalWorkingYears": (0, 60),
    "TrainingTimesLastYear": (0, 50),
    "YearsAtCompany": (0, 60),
    "YearsInCurrentRole": (0, 60),
    "YearsSinceLastPromotion": (0, 60),
    "YearsWithCurrManager": (0, 60),
}
NUMBERS = list(RANGES)
FEATURES = [*NAMES, *LEVELS, *NUMBERS]
