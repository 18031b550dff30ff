"""What R4 says in words of Questionnaires and of the responses to them.

https://hl7.org/fhir/R4/questionnaire.html and https://hl7.org/fhir/R4/questionnaireresponse.html
"""

from profiles.questionnaires.questionnaire import questionnaire_problems
from profiles.questionnaires.response import response_problems

__all__ = ["questionnaire_problems", "response_problems"]
