"""The answer of the stand-in's writers: a script in dailycast's grammar about the lines of the prompt."""

import re

MAX_FACTS = 16
SENTENCES = (
    'Let us look at this together: "{}". Say it once in your own words, and notice which part you are least sure of.',
    'Here is the next point: "{}". Think of one example from your own week, because an example is what stays.',
    'Now this one: "{}". Ask yourself why it is so, then explain it to a friend who has never heard of it.',
    'And keep this in mind: "{}". If it feels easy, go one step further and ask what would follow from it.',
)


def facts(prompt: str) -> list[str]:
    """The lines of `prompt` that say something, without the marks of lists, headings and JSON around them."""
    lines = (re.sub(r"[\[\]{}\"<>*`]+", "", line).strip(" \t#-,:;.") for line in prompt.splitlines())
    return [line[:160] for line in dict.fromkeys(lines) if len(line.split()) >= 2][-MAX_FACTS:]


def write(prompt: str) -> str:
    points = [SENTENCES[i % len(SENTENCES)].format(fact) for i, fact in enumerate(facts(prompt))]
    half = (len(points) + 1) // 2
    return "\n".join(
        [
            "# Today, from your own notes",
            "## Welcome back",
            "Good morning. This is your episode for today, made from what you did and from what is still open.",
            "## What you did",
            *points[:half],
            "## Practice",
            *(line for point in points[half:] for line in (point, "[pause 3s]")),
            "## Until tomorrow",
            "That is all for today. Take one of these points with you, and come back to it this evening.",
        ]
    )
