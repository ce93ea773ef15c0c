"""Settings come from the environment; the more exact name wins."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from deploy.services import SERVICES
from services.notifier.settings import NotifierSettings
from shared.settings import Settings


class ShopSettings(Settings):
    service: ClassVar[str] = "shop"

    storage_url: str = "memory:///"


URL = "postgresql://shop@db/shop"


def load(**environ: Any) -> ShopSettings:
    return ShopSettings.load({"KONTOR_DATABASE_URL": URL, **environ})


def test_what_is_not_set_has_its_default() -> None:
    assert load() == ShopSettings(database_url=URL)


def test_the_name_of_the_service_wins() -> None:
    assert load(KONTOR_PARTITIONS="12").partitions == 12
    assert load(KONTOR_PARTITIONS="12", KONTOR_SHOP_PARTITIONS="3").partitions == 3
    assert load(KONTOR_SHOP_PARTITIONS="3").partitions == 3


def test_another_services_setting_is_not_ours() -> None:
    assert load(KONTOR_BILLING_PARTITIONS="3") == load()


@pytest.mark.parametrize("name", ["KONTOR_DATABASE_URL_FILE", "KONTOR_SHOP_DATABASE_URL_FILE"])
def test_a_secret_is_read_from_a_file(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{URL}?who=äöü\n", "utf-8")

    assert ShopSettings.load({name: str(secret)}).database_url == f"{URL}?who=äöü"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("KONTOR_SHOP_LOG_LEVEL", "KONTOR_SHOP_LOG_LEVEL_FILE"),
        ("KONTOR_SHOP_LOG_LEVEL_FILE", "KONTOR_LOG_LEVEL"),
        ("KONTOR_LOG_LEVEL", "KONTOR_LOG_LEVEL_FILE"),
    ],
)
def test_the_order_is_service_then_all_and_value_then_file(
    first: str, second: str, tmp_path: Path
) -> None:
    def given(name: str, level: str) -> str:
        if not name.endswith("_FILE"):
            return level
        (tmp_path / level).write_text(level)
        return str(tmp_path / level)

    environ = {first: given(first, "WARNING"), second: given(second, "DEBUG")}

    assert load(**environ).log_level == "WARNING"


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        load(KONTOR_LOG_LEVEL_FILE="/nowhere/level")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValidationError, match="database_url"):
        ShopSettings.load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [("KONTOR_PARTITIONS", "many"), ("KONTOR_SHOP_GRACEFUL_TIMEOUT_S", "")],
)
def test_what_is_malformed_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        load(**{name: value})


def test_an_empty_value_is_a_value() -> None:
    assert load(KONTOR_TOPIC_PREFIX="x.", KONTOR_SHOP_TOPIC_PREFIX="").topic_prefix == ""


def test_settings_do_not_change_while_running() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().__setattr__("partitions", 7)


def test_a_misspelt_setting_in_code_is_refused() -> None:
    with pytest.raises(ValidationError, match="partition_count"):
        ShopSettings(database_url=URL, partition_count=6)  # type: ignore[call-arg]


def test_each_service_reads_settings_under_its_own_name() -> None:
    names = {service.settings.service: name for name, service in SERVICES.items()}

    assert names == {name: name for name in SERVICES}


def test_a_password_is_not_shown() -> None:
    settings = NotifierSettings(
        database_url=URL, storage_url="memory:///", smtp_password="hush-hush"
    )

    assert "hush-hush" not in repr(settings)


SECRET = "postgresql://shop:hush-hush@db/shop"


def test_the_password_inside_a_database_url_is_not_shown() -> None:
    assert "hush-hush" not in repr(ShopSettings(database_url=SECRET))


def test_a_refused_setting_does_not_show_the_others() -> None:
    with pytest.raises(ValidationError) as refused:
        NotifierSettings.load({"KONTOR_DATABASE_URL": SECRET})

    assert "storage_url" in str(refused.value)
    assert "hush-hush" not in str(refused.value)
