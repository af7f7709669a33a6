"""Fetches weight files from the Hugging Face Hub, if `huggingface_hub` is installed."""

import logging
from pathlib import Path
from typing import NamedTuple

from jaxens.errors import UserError

PREFIX = "hf:"  # of a name that is not a path
FILE = "model.safetensors"


class Fetched(NamedTuple):
    """A file of the Hub on this machine.

    Attributes:
        path: Where it is.
        revision: The commit that it comes from.
    """

    path: Path
    revision: str


def fetch(name: str) -> Fetched:
    """Returns a repository's `model.safetensors`, from the Hub or from the Hub's cache.

    Args:
        name: "hf:OWNER/NAME" or "hf:OWNER/NAME@REVISION"; without a revision, the newest.

    Raises:
        UserError: If the package is not installed, there is no such file, or the Hub can't be
            reached.
    """
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise UserError(
            f"`weights` {name} needs a package: pip install '.[hub]', or name a file"
        ) from None
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # the package warns at every try to connect
    try:
        path = huggingface_hub.hf_hub_download(repository, FILE, revision=revision or None)
    except errors.HFValidationError:
        raise UserError(
            f"`weights` {name} is not a repository: write {PREFIX}OWNER/NAME, for example "
            f"{PREFIX}timm/resnet18.tv_in1k"
        ) from None
    except errors.RevisionNotFoundError:
        raise UserError(
            f"`weights` {name}: {repository} has no revision {revision!r}: name a commit, a tag or "
            "a branch of it"
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"`weights` {name}: the Hub has no public repository {repository}: correct the name, "
            "or log in by `hf auth login` if it is private"
        ) from None
    # Its base class stands for a file that neither the Hub nor the cache has.
    except errors.LocalEntryNotFoundError:
        raise _unreachable(name) from None
    except errors.EntryNotFoundError:
        raise UserError(
            f"`weights` {name}: {repository} has no {FILE}: name another repository, or a file"
        ) from None
    except OSError:
        raise _unreachable(name) from None
    finally:
        logging.disable(disabled)
    # The cache keeps a file in a folder named after its commit.
    return Fetched(Path(path), Path(path).parent.name)


def _unreachable(name: str) -> UserError:
    return UserError(
        f"`weights` {name}: the Hub can't be reached, and the file is not in its cache: connect, "
        f"or fetch {FILE} on another machine and name it"
    )
