"""The normaliser's steps, one file each: what makes two ways of writing a tag one tag."""
