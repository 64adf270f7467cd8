"""What an objective was built from, on the disk: materials.json, and its word pieces.

  materials.json         the classes, what the special word pieces are called, how long texts are
  tokenizers/0/          the word pieces of the objective's part 0, where it reads or writes text

The latter is a folder that `transformers.AutoTokenizer.from_pretrained` reads.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from earmark.config import ConfigError
from earmark.pretrain.supervision import Materials, Words


def write_materials(materials: Materials, folder: Path) -> None:
    """Write materials.json, and a folder of word pieces for each part that has some."""
    parts = list(materials.parts)
    for place, part in enumerate(parts):
        if part.words is not None:
            _write_words(part.words, _words_folder(folder, place))
            bare = msgspec.structs.replace(part.words, tokenizer="")
            parts[place] = msgspec.structs.replace(part, words=bare)
    written = msgspec.json.encode(Materials(parts=tuple(parts)))
    (folder / "materials.json").write_bytes(msgspec.json.format(written, indent=1) + b"\n")


def read_materials(folder: Path) -> Materials:
    """Read materials.json and the word pieces.

    Raises:
        ConfigError: a file is missing or damaged.
    """
    path = folder / "materials.json"
    try:
        parts = list(msgspec.json.decode(path.read_bytes(), type=Materials).parts)
        for place, part in enumerate(parts):
            if part.words is not None:
                path = _words_folder(folder, place) / "tokenizer.json"
                full = msgspec.structs.replace(part.words, tokenizer=path.read_text("utf-8"))
                parts[place] = msgspec.structs.replace(part, words=full)
    except OSError as error:
        raise ConfigError(f"{folder} is not a whole checkpoint: {path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
    return Materials(parts=tuple(parts))


def _words_folder(folder: Path, place: int) -> Path:
    return folder / "tokenizers" / str(place)


def _write_words(words: Words, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(words.tokenizer, "utf-8")
    special = words.special
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": special.start,
        "cls_token": special.start,
        "eos_token": special.end,
        "sep_token": special.end,
        "pad_token": special.pad,
        "unk_token": special.unknown,
        "mask_token": special.mask,
    }
    written = msgspec.json.format(msgspec.json.encode(settings), indent=1)
    (folder / "tokenizer_config.json").write_bytes(written + b"\n")
