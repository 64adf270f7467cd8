from earmark.evaluate.words import gather_terms


def test_terms_are_words_and_pairs_that_two_texts_have() -> None:
    terms = gather_terms(["A dog barks.", "a dog howls howls", "one bell"])
    assert set(terms.numbers) == {("a",), ("dog",), ("a", "dog")}
    assert sorted(terms.read("The dog, a dog")) == sorted(
        terms.numbers[term] for term in (("dog",), ("a",), ("dog",), ("a", "dog"))
    )


def test_where_no_term_is_there_twice_all_are_taken() -> None:
    assert set(gather_terms(["dog", "bell"]).numbers) == {("dog",), ("bell",)}


def test_the_order_of_texts_does_not_matter() -> None:
    texts = ["a dog", "a bell", "the bell", "the dog"]
    assert gather_terms(texts) == gather_terms(texts[::-1])


def test_an_unknown_text_has_no_terms() -> None:
    assert gather_terms(["a dog", "a dog"]).read("thunder") == []
