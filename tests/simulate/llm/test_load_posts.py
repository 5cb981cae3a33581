"""Posts from files, frames and lists."""

import json

import pandas as pd
import pytest

import lwdstats as lwd
from lwdstats.simulate.llm.load_posts import as_posts


def test_packaged_posts():
    posts = lwd.load_posts()
    assert list(posts.columns) == ["id", "text", "sentiment", "source"]
    assert posts["sentiment"].value_counts().to_dict() == {
        "positive": 7,
        "neutral": 7,
        "negative": 6,
    }
    assert posts["text"].is_unique
    assert posts["id"].is_unique


def test_the_three_formats_give_the_same(tmp_path):
    frame = pd.DataFrame(
        {"id": ["a", "b"], "text": ['a "quoted", post', "zwei\nZeilen: Ärger, 比特币"]}
    )
    frame.to_csv(tmp_path / "p.csv", index=False)
    frame.to_parquet(tmp_path / "p.parquet")
    lines = [json.dumps(row, ensure_ascii=False) for row in frame.to_dict("records")]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name in ("p.csv", "p.parquet", "p.jsonl"):
        read = lwd.load_posts(tmp_path / name)
        assert read["text"].tolist() == frame["text"].tolist()
        assert read["id"].tolist() == ["a", "b"]


def test_lists_and_records():
    assert as_posts(["one", "two"])["id"].tolist() == ["0", "1"]
    records = [{"text": "one", "sentiment": "neutral"}]
    assert as_posts(records)["sentiment"].tolist() == ["neutral"]
    assert as_posts([]).empty


def test_text_stays_text(tmp_path):
    (tmp_path / "p.csv").write_text("text\nNA\n12\n")
    assert lwd.load_posts(tmp_path / "p.csv")["text"].tolist() == ["NA", "12"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", "body\nhello\n", "got columns body; takes a column text"),
        ("p.csv", 'text\nhello\n"  "\n', "in row 1; takes posts that are not empty"),
        ("p.jsonl", "{not json", "a readable file of posts"),
        ("p.parquet", "no parquet", "a readable file of posts"),
        ("p.txt", "hello", "a file that ends in"),
    ],
)
def test_unusable_files(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(lwd.InputError, match=message):
        lwd.load_posts(tmp_path / name)


def test_absent_file(tmp_path):
    with pytest.raises(lwd.InputError, match="no such file"):
        lwd.load_posts(tmp_path / "p.csv")


@pytest.mark.parametrize("posts", [[1], [""], [None], 3, [{"body": "x"}]])
def test_unusable_objects(posts):
    with pytest.raises(lwd.InputError, match=r"^posts"):
        as_posts(posts)


@pytest.mark.parametrize("path", [5, 1.5, True, b"p.csv", ["p.csv"], {"text": ["a"]}])
def test_what_is_no_path(path):
    with pytest.raises(lwd.InputError, match="posts: got an object of type"):
        lwd.load_posts(path)


def test_a_name_that_is_too_long():
    with pytest.raises(lwd.InputError, match=r"posts: got x.*; takes a readable file"):
        lwd.load_posts("x" * 5000 + ".csv")


@pytest.mark.parametrize(("name", "content"), [("p.csv", "text\n"), ("p.jsonl", "\n")])
def test_files_without_rows(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(lwd.InputError, match="got no row"):
        lwd.load_posts(tmp_path / name)


def test_lines_end_at_line_feeds_alone(tmp_path):
    texts = ["one\u2028two\x85three", "half \ud800"]
    lines = [json.dumps({"text": texts[0]}, ensure_ascii=False), json.dumps({"text": texts[1]})]
    (tmp_path / "p.jsonl").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    assert lwd.load_posts(tmp_path / "p.jsonl")["text"].tolist() == texts
