def records(user):
    return {"courses": [{"title": "Reading", "subject": "Books", "lessons_done": 1, "lessons_total": 9}]}
