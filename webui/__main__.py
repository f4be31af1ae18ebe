"""`python -m webui`: read the settings, open everything, serve until Ctrl-C."""

from __future__ import annotations

import errno
import getpass
import logging
import os
import sys
from collections.abc import Sequence

from backends.errors import ModelNotFound, SamovarError
from backends.models import starter
from backends.models.library import Library
from backends.registry import look
from webui.choice import KeptChoices, ModelChoice
from webui.credentials import check_password, signing_key
from webui.errors import FolderUnusable, StorageFull
from webui.flags import BadSetting
from webui.history.store import History
from webui.live import Live
from webui.network import check_port
from webui.server import serve
from webui.services import Services, open_services
from webui.settings import Settings
from webui.surroundings import language
from webui.ui import i18n
from webui.ui.feed import Feed
from webui.ui.views import Views


def main(argv: Sequence[str]) -> int:
    """Serve; returns the exit code. What cannot be used is told in one sentence, in the reader's language."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = Settings.from_args(argv, os.environ)
        services, feed = opened(settings)
    except BadSetting as error:
        print(error, file=sys.stderr)
        return 2
    except SamovarError as error:
        print(i18n.error(error.code, error.details, language(os.environ)), file=sys.stderr)
        return 1
    return serve(services, feed)


def opened(settings: Settings) -> tuple[Services, Feed]:
    """Open everything and begin to load the model. Raises `SamovarError` before anything of a person's is changed."""
    check_port(settings.address, settings.port)
    if settings.sign_in and settings.password:
        check_password(settings.password)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        signing_key(settings.secret_file)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(reason=reason) from error
        raise FolderUnusable(folder=settings.data_dir, reason=reason) from error
    history = History(settings.database)
    live = Live()
    feed = Feed(history, live, Views())
    services = open_services(settings, history, live, feed)
    if settings.sign_in:
        prepare_owner(services)
    if choice := first_model(settings, services.kept):
        services.loader.switch(choice)
    return services, feed


def prepare_owner(services: Services) -> None:
    """Let the owner sign in, and print the password and the first key for programs when they are made."""
    accounts, spoken = services.accounts, language(os.environ)
    password = accounts.prepare_owner(getpass.getuser(), services.settings.password)
    if password:
        name = accounts.everyone()[0].name
        print(i18n.text("console.password", spoken, name=name, password=password), flush=True)
    if key := services.keys.prepare_first():
        print(i18n.text("console.api_key", spoken, key=key), flush=True)


def first_model(settings: Settings, kept: KeptChoices) -> ModelChoice | None:
    """Return the model to begin with: the one asked for, else the last one used, else one that is there."""
    if settings.model:
        return kept.of(settings.model).under(settings)
    if (last := kept.last) and _is_known(last, settings):
        return kept.of(last).under(settings)
    found = [model for model in Library(settings.models_dir).models() if not model.error and model.format == "gguf"]
    found.sort(key=lambda model: model.path.name == starter.FILE_NAME)
    return ModelChoice(str(found[0].path)) if found else None


def _is_known(reference: str, settings: Settings) -> bool:
    """Whether a reference still names something, as far as this computer knows."""
    try:
        look(reference, settings.models_dir)
    except ModelNotFound:
        return False
    except SamovarError:
        return True  # there it is; what is the matter with it is told when it is loaded
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
