"""The claims as they are listed: all of them, each with what decides it, and nothing said that is not known."""

import json
import re
from pathlib import Path

import pytest

from opsin.claims.catalogue import CLAIMS, TOPICS, claim
from opsin.claims.claim import ARTICLES
from opsin.claims.topics import activations, fields
from opsin.errors import OpsinError

IDS = (*(f"X{n:02}" for n in range(1, 36)), *(f"T{n:02}" for n in range(1, 62)))
FACTS = Path(__file__).parents[3] / "shared/facts/claims.json"
BY_NAME = {"paper": "checked against the paper", "arithmetic": "computed", "memory": "from memory"}


def test_all_are_there_and_none_twice():
    assert sorted(CLAIMS) == sorted(IDS)
    assert sum(len(topic.CLAIMS) for topic in TOPICS) == len(IDS) == 96
    assert [c.year for c in CLAIMS.values()] == sorted(c.year for c in CLAIMS.values())


@pytest.mark.parametrize("id", IDS)
def test_each_says_what_decides_it(id):
    own = CLAIMS[id]
    assert own.statement.endswith(".") and own.statement.strip('."') != own.quote
    assert 8 <= len(own.title) <= 48, "the list has 80 columns"
    assert len(own.quote) <= 130 and own.measured and own.rule
    assert set(own.articles) <= set(ARTICLES) and list(own.articles) == sorted(own.articles)
    assert own.tested or own.waits, "what has no test says why"
    assert own.paper.url.startswith("https://") and own.paper.year == own.year
    assert own.minutes > 0


def test_an_id_is_found_in_either_case_and_without_its_zero():
    assert claim("x29") is next(c for c in fields.CLAIMS if c.id == "X29")
    assert claim("T03") is claim("t3") and claim("T03") in activations.CLAIMS
    with pytest.raises(OpsinError, match="unknown claim 'X99'; did you mean X"):
        claim("X99")


def test_what_is_timed_is_the_machines():
    assert {own.id for own in CLAIMS.values() if own.timed} == {"X02", "X06", "X14", "X24", "X25", "X30", "X31"}


@pytest.mark.skipif(not FACTS.exists(), reason="the list of statements is not here")
def test_they_are_those_of_the_list():
    facts = {row["id"]: row for row in json.loads(FACTS.read_text(encoding="utf-8"))["claims"]}
    assert facts.keys() == CLAIMS.keys()
    for id, row in facts.items():
        own = CLAIMS[id]
        assert own.kind == row["kind"], id
        assert set(own.articles) == {a for a in row["articles"] if a in ARTICLES}, id
        for words in own.quote.split(" ... "):
            assert re.sub(r"\s+", " ", words) in row["quote"], id
        if own.checked == "paper":
            assert row["paper_result_is"].startswith(BY_NAME["paper"]), id
