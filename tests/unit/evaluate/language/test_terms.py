from earmark.evaluate.words import build_term_vocabulary


def test_terms_are_words_and_pairs_that_two_texts_have() -> None:
    terms = build_term_vocabulary(["A dog barks.", "a dog howls howls", "one bell"])
    assert set(terms.numbers) == {("a",), ("dog",), ("a", "dog")}
    assert sorted(terms.read("The dog, a dog")) == sorted(
        terms.numbers[term] for term in (("dog",), ("a",), ("dog",), ("a", "dog"))
    )


def test_where_no_term_is_there_twice_all_are_taken() -> None:
    assert set(build_term_vocabulary(["dog", "bell"]).numbers) == {("dog",), ("bell",)}


def test_the_order_of_texts_does_not_matter() -> None:
    texts = ["a dog", "a bell", "the bell", "the dog"]
    assert build_term_vocabulary(texts) == build_term_vocabulary(texts[::-1])


def test_an_unknown_text_has_no_terms() -> None:
    assert build_term_vocabulary(["a dog", "a dog"]).read("thunder") == []
