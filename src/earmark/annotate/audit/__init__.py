"""Tags and vocabulary held against what people say of the same clips and captions."""
